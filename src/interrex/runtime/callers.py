"""How many callers a worker's ``api.sock`` and ``lead.sock`` have at a time.

Whatever a program of this host opens there, most of the worker's descriptors are left to the fleet.
Not promised: that a caller gets in while others keep as many connections busy as there may be.
"""

import resource
from collections import Counter
from typing import Protocol

SHARE = 8
"""Of the descriptors that this process may have open, each socket's callers get one part in so
many."""


def affordable(most: int) -> int:
    """How many callers a socket may have that is to have ``most``."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, soft // SHARE)


def allowance(needed: int) -> int:
    """How many a process must be allowed, so that so many are left beside both sockets' callers."""
    return -(-needed * SHARE // (SHARE - 2))


class Caller(Protocol):
    """One connection."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing that it has asked for is under way."""

    def abort(self) -> None:
        """End it at once; ``Callers.left`` is told once it has ended."""


class Callers:
    """The connections of one socket, the one that was heard of longest ago first.

    Args:
        most: how many there are at a time; fewer where the process may have few descriptors open.
        faults: where ``cut_off`` (idle, for a new one) and ``turned_away`` (new) are counted.
    """

    def __init__(self, most: int, faults: Counter[str]) -> None:
        self._most = most
        self._faults = faults
        self._all: dict[Caller, None] = {}

    def came(self, caller: Caller) -> bool:
        """Whether there is room for a new one: whoever is idle longest makes it."""
        if len(self._all) >= affordable(self._most):
            idle = next((one for one in self._all if one.is_idle), None)
            self._faults["turned_away" if idle is None else "cut_off"] += 1
            if idle is None:
                return False
            self.left(idle)
            idle.abort()
        self._all[caller] = None
        return True

    def heard(self, caller: Caller) -> None:
        """It has said something."""
        if caller in self._all:
            del self._all[caller]
            self._all[caller] = None

    def left(self, caller: Caller) -> None:
        """It has ended, or was turned away."""
        self._all.pop(caller, None)
