"""Clients of the coordination services, loaded only where an election rests on one."""
