"""Interrex: a fleet of services that heals itself, and the elections it does it with."""

__version__ = "0.1.0"
