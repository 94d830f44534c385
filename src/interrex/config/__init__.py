"""The cluster file: reading it, refusing it with every reason at once, comparing two of them."""

from interrex.config.difference import Difference, difference
from interrex.config.document import Checked, check, load
from interrex.config.environment import Findings, check_environment
from interrex.config.problems import ConfigError, Problem
from interrex.config.rules import LEAST_MARGIN, leader_margin

__all__ = [
    "LEAST_MARGIN",
    "Checked",
    "ConfigError",
    "Difference",
    "Findings",
    "Problem",
    "check",
    "check_environment",
    "difference",
    "leader_margin",
    "load",
]
