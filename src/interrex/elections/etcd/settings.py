"""The numbers of an election by etcd."""

import math

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.core.spec import Etcd
from interrex.core.time import S
from interrex.elections.coordinated.settings import CoordinatedSettings

LEAST_SESSION_S = 2
"""With etcd's own default times no shorter lease is granted."""


class EtcdSettings(CoordinatedSettings, frozen=True, kw_only=True):
    """Checked when constructed.

    ``ttl_s``: the lease asked for, in whole seconds as etcd counts; ``clock_error_per_mille``:
    how much faster etcd's clocks may run.
    """

    ttl_s: int = 5
    clock_error_per_mille: int = 100

    def __post_init__(self) -> None:
        if self.ttl_s < LEAST_SESSION_S:
            raise InterrexError(
                f"the session with etcd is {self.ttl_s} s, and must be at least {LEAST_SESSION_S} s"
            )

    def believed(self, ttl_s: int) -> int:
        """For how long (ns) a lease of so many seconds is counted on, from when it was asked for.

        The rest is left to clocks that differ.
        """
        return ttl_s * S * (1000 - self.clock_error_per_mille) // 1000


def settings_from(
    options: Etcd, worker: WorkerName, compact_after: int | None = None
) -> EtcdSettings:
    """What a cluster file asks for; ``compact_after`` as for ``new_election``.

    Raises:
        InterrexError: the times contradict each other.
    """
    usual = EtcdSettings(ttl_s=math.ceil(options.session), priority=options.priority.get(worker, 0))
    if compact_after is None:
        return usual
    return msgspec.structs.replace(usual, snapshot_after=compact_after)
