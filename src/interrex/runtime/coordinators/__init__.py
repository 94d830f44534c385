"""Clients of the coordinators that some elections rest on, loaded only where one is used."""
