"""The numbers of an election by ZooKeeper."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.spec import ZooKeeper
from interrex.core.time import MS, S
from interrex.elections.coordinated.settings import CoordinatedSettings

LEAST_SESSION_S = 0.4
"""Half of it counts, and an eighth is over when a leader asks again whether it leads: 150 ms are
left for an answer that is late, for asking once more, and for stopping in time."""


class ZooKeeperSettings(CoordinatedSettings, frozen=True, kw_only=True):
    """``look_every``: how often (ns) everything is looked at unasked.

    The sizes hold for ZooKeeper, which takes less than 1 MiB at a time.
    """

    look_every: int = 5 * S

    def believed(self, granted_ms: int) -> int:
        """For how long (ns) a session is counted on, from when the last question was asked that
        the ensemble's majority answered.

        ZooKeeper lets a session run out after the granted time, counted from when its leader was
        last told that the client was heard: that may be a tick (half the least session) and a
        renewal earlier. Half is left to that and to clocks that differ.
        """
        return granted_ms * MS // 2

    def shortness(self, granted_ms: int) -> str:
        """Why nobody may lead by a session that was granted, empty where it is long enough."""
        if granted_ms >= LEAST_SESSION_S * 1000:
            return ""
        return (
            f"ZooKeeper grants a session of {granted_ms / 1000:g} s, of which a leader counts on "
            f"{self.believed(granted_ms) / S:g} s and would not stop in time; let it grant "
            f"{LEAST_SESSION_S:g} s or more (tickTime, maxSessionTimeout)"
        )

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
