"""Nobody begins to lead while another one leads and its deadline has not come.

Where votes elect, a follower's patience ends before its time when its connection with the leader
ends, and with its process; and the leader does not hear of that at once (docs/decisions/0013). So
there this is promised only while neither happens; and only to a leader that was heard: who has just
been voted for may lose a vote to another candidate. A hand-over is no excuse.
"""

from typing import NamedTuple

from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerBegan, WorkerEnded
from interrex.worker.interface import PeerLeft

FASTEST = 21, 20
"""No clock runs faster than so: so much of a deadline is left in any case."""
REMEMBERED = 5 * S
"""How long (ns) ago an end of a connection, or of a worker, counts: longer than any patience."""


class Leading(NamedTuple):
    """``first`` is its first deadline by its own clock, ``until`` the last one in simulated time,
    by the fastest clock there is (ns); ``is_heard``: whether it was renewed."""

    worker: WorkerName
    epoch: int
    first: int
    until: int
    is_heard: bool


class OneAtATime(Watch):
    """Believes of each worker whether and until when it leads, by its own clock, and which
    connections it lost.

    Args:
        by_votes: whether the followers' patience is what a leader's deadline rests on.
    """

    promise = "no two lead at one time"

    def __init__(self, *, by_votes: bool) -> None:
        super().__init__()
        self._by_votes = by_votes
        self._leads: dict[int, Leading] = {}
        """By life."""
        self._parted: dict[WorkerName, int] = {}
        """When somebody's connection with a worker ended last (ns)."""
        self._forgot = -REMEMBERED
        """When a worker ended or began last (ns)."""
        self.every_step = self._look
        self.events = {PeerLeft: self._parts}
        self.occurrences = {WorkerEnded: self._ended, WorkerBegan: self._began}

    def _parts(self, step: Step, event: PeerLeft) -> None:
        self._parted[event.peer] = step.at

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._leads.pop(ended.life, None)
        self._forgot = at

    def _began(self, at: int, began: WorkerBegan) -> None:
        self._forgot = at

    def _look(self, step: Step) -> None:
        election = step.core.election
        deadline = election.deadline
        if not election.leading or deadline is None:
            self._leads.pop(step.life, None)
            return
        known = self._leads.get(step.life)
        if known is None or known.epoch != election.epoch:
            self._compare(step)
            known = None
        fast, usual = FASTEST
        until = step.at + (deadline - step.now) * usual // fast
        first = deadline if known is None else known.first
        is_heard = deadline > first
        self._leads[step.life] = Leading(step.worker, election.epoch, first, until, is_heard)

    def _compare(self, step: Step) -> None:
        """Somebody begins to lead: who else does?"""
        for life, other in self._leads.items():
            left = other.until - step.at
            if life != step.life and left > 0 and self._is_owed(other, step.at):
                raise self.broken(
                    f"{step.worker} leads epoch {step.core.election.epoch}, and {other.worker} "
                    f"leads epoch {other.epoch} for {left} ns more"
                )

    def _is_owed(self, leader: Leading, at: int) -> bool:
        """Whether nobody may be elected within its time."""
        if not self._by_votes:
            return True
        last = max(self._forgot, self._parted.get(leader.worker, -REMEMBERED))
        return leader.is_heard and at - last >= REMEMBERED
