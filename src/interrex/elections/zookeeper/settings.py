"""The numbers of an election by ZooKeeper."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.spec import ZooKeeper
from interrex.core.time import MS, S

KIB = 1024


class ZooKeeperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in nanoseconds, sizes in bytes (ZooKeeper takes less than 1 MiB at a time).

    ``stagger``: the distance between two places in the line. ``transfer_patience``: how long the
    others wait for the one who was chosen. ``first_retry`` and ``last_retry``: how long after a
    failure ZooKeeper is asked again. ``look_every``: how often everything is looked at unasked.
    """

    priority: int = 0
    stagger: int = 50 * MS
    transfer_patience: int = S
    first_retry: int = 20 * MS
    last_retry: int = S
    look_every: int = 5 * S
    batch_entries: int = 64
    batch_bytes: int = 256 * KIB
    part_bytes: int = 512 * KIB
    snapshot_after: int = 1_000
    snapshot_after_bytes: int = 16 * 1024 * KIB

    def believed(self, granted_ms: int) -> int:
        """For how long (ns) a session is counted on, from when the last question was asked that
        the ensemble's majority answered.

        ZooKeeper lets a session run out after the granted time, counted from when its leader was
        last told that the client was heard: that may be a tick (half the least session) and a
        renewal earlier. Half is left to that and to clocks that differ.
        """
        return granted_ms * MS // 2

    def renewal(self, granted_ms: int) -> int:
        """How often (ns) a leader asks the ensemble whether it leads."""
        return granted_ms * MS // 8


def settings_from(
    options: ZooKeeper, worker: WorkerName, compact_after: int | None = None
) -> ZooKeeperSettings:
    """What a cluster file asks for; ``compact_after`` as for ``new_election``."""
    usual = ZooKeeperSettings(priority=options.priority.get(worker, 0))
    if compact_after is None:
        return usual
    return msgspec.structs.replace(usual, snapshot_after=compact_after)
