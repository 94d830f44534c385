"""The cluster file: reading it, refusing it with every reason at once, comparing two of them."""

from interrex.config.document import Checked, check, load
from interrex.config.problems import ConfigError, Problem

__all__ = ["Checked", "ConfigError", "Problem", "check", "load"]
