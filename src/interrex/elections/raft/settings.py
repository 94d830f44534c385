"""The numbers of a Raft server."""

from interrex.core.spec import Timing
from interrex.elections.replicated.settings import ReplicatedSettings


class RaftSettings(ReplicatedSettings, frozen=True, kw_only=True):
    """What every election that replicates a log is set to, and one thing of Raft's own.

    ``paper_elections``: elect by chance alone, as in the extended paper, 5.2: whoever hears nobody
    for one to two whole, fixed ``election_timeout`` stands, without asking first and whatever its
    rank. It is for comparing with published figures: take-overs are slow, and a server that was
    cut off disturbs the others when it is back.
    """

    paper_elections: bool = False

    @property
    def least_beats(self) -> int:
        return 2 if self.paper_elections else 3

    @property
    def longest_timeout(self) -> int:
        return (1 if self.paper_elections else 10) * self.election_timeout


def settings_from(timing: Timing, compact_after: int | None = None) -> RaftSettings:
    """The settings that a cluster file's times ask for.

    Args:
        timing: the times.
        compact_after: after how many entries the log is compacted, None for the usual number.
    """
    usual = RaftSettings().retimed(timing)
    return usual if compact_after is None else usual.compacting_after(compact_after)
