"""The load balancer's mind: what HAProxy is to be told, decided without touching HAProxy.

The effective routes (``routes``), the file that it starts from (``configuration``), what it says
of itself (``answers``), and the commands that bring a running process in line (``difference``).
"""
