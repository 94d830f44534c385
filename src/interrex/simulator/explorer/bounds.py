"""How far is explored: everything that could go on for ever has a number here."""

import msgspec

from interrex.core.time import MS
from interrex.elections.raft import RaftSettings


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one exploration.

    ``terms``: the newest term; whoever would go beyond it does not.
    ``letters``: how many messages one server may have on its way to another. A further one pushes
    out one of the oldest term; and every message may stay undelivered for ever, which is loss.
    ``crashes``: how often a process may die, in all; the dead may always start again.
    ``proposals``: how many changes are proposed, in all.
    ``beats``: how many heartbeat rounds a leader sends, its first one included.
    ``hand_overs``: how often a leader is asked to hand over, in all.
    ``slow_disks``: whether a write takes its time, in which anything else may happen; otherwise
    it is done within the step that asks for it.
    ``proofs``: whether a crash is proved to the others, at any time after it, or never.
    ``asks``: whether there is a pre-vote (production), or elections are as in the paper.
    """

    terms: int = 2
    letters: int = 2
    crashes: int = 0
    proposals: int = 0
    beats: int = 1
    hand_overs: int = 0
    slow_disks: bool = False
    proofs: bool = False
    asks: bool = True

    @property
    def settings(self) -> RaftSettings:
        """Each change travels in a message of its own; nothing makes a snapshot. Heartbeats are so
        far apart that each wants its answer: one that wants none is one whose answer is lost."""
        return RaftSettings(heartbeat=80 * MS, batch_bytes=1, paper_elections=not self.asks)

    @property
    def ends(self) -> bool:
        """Whether a leadership can be known to be over."""
        return self.proofs or bool(self.hand_overs)


PLANS = {
    "paper": Bounds(terms=2, letters=1, asks=False),
    "disks": Bounds(terms=1, letters=1, crashes=2, slow_disks=True, asks=False),
    "production": Bounds(
        terms=2, crashes=1, proposals=1, hand_overs=1, slow_disks=True, proofs=True
    ),
}
"""``paper`` and ``disks`` are explored to the end; of ``production`` there is always more."""
