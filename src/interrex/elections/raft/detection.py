"""What a server believes of its leader: alive, out of reach, or gone.

Three things end the belief: proof that the leader's process died (or that it hands over), its
connection closed, or silence for the adaptive time-out. Only who has lost the leader itself
grants a pre-vote, so one broken socket never deposes a healthy leader.

Not guaranteed: that a lost leader is dead. A wrong belief costs an election, never safety.
Because a follower may lose its leader sooner than by time, reads by time-lease are excluded.

Source: thesis 9.6 (pre-vote), 4.2.3 (leader stickiness).
Differs from the thesis: proof of death and closed connections count besides silence; a pre-vote
that comes too early is remembered and answered when the leader is lost.
"""

from enum import Enum
from typing import NamedTuple

from interrex.core.ids import WorkerName
from interrex.elections.raft.messages import PreVote
from interrex.elections.raft.settings import RaftSettings
from interrex.elections.raft.succession import rank


class Loss(Enum):
    """How this server came to lose its leader, where it did before the time-out."""

    NONE = "not lost"
    DISCONNECTED = "connection closed"
    ENDED = "proved dead, or handed over"


class Remembered(NamedTuple):
    """A pre-vote that came while this server still heard the leader."""

    question: PreVote
    worker: WorkerName


FAST_RETRIES = 3


class Detection:
    """The leader as one server sees it; outlives the server's own changes of role.

    Invariant: ``loss`` is about the leader of the current term; ``ended`` names the term of the
    last leadership, once that is over for good: a restarted process never leads in an old term.
    """

    def __init__(self, member: int, settings: RaftSettings) -> None:
        self._member = member
        self._settings = settings
        self.leader: int | None = None
        self.leader_worker: WorkerName | None = None
        self.term = 0
        """The term in which the leader was last heard."""
        self.heard_at = 0
        self.loss = Loss.NONE
        self.ended = 0
        self.ended_at = 0
        self.timeout = settings.election_timeout
        self.round_trip = 0
        self.order: tuple[int, ...] = ()
        self.passed: set[int] = set()
        self.dead: set[WorkerName] = set()
        self.remembered: dict[int, Remembered] = {}
        self.fast_retries = FAST_RETRIES
        self.tried = False
        """Whether this server has stood for election since the last leader."""
        self.former: tuple[WorkerName, int] | None = None
        """The leader forgotten last, with its term: its death may be proved later."""
        self.graced = False

    def heard(self, leader: int, worker: WorkerName, now: int, term: int) -> None:
        """The leader of this term gave a sign of life."""
        self.term = term
        self.heard_at = now
        self.graced = False
        if self.leader == leader and self.loss is Loss.NONE:
            return
        self.leader, self.leader_worker = leader, worker
        self.loss = Loss.NONE
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.ended = 0
        self.tried = False
        self.passed.clear()
        self.fast_retries = FAST_RETRIES

    def won(self) -> None:
        """This server leads."""
        self.forget_leader()
        self.order = ()
        self._begin_anew()

    def end(self, term: int, now: int) -> None:
        """The leadership of this term is over for good."""
        self.ended, self.ended_at = term, now
        if self.leader is not None:
            self.loss = Loss.ENDED

    def heartbeat(self, timeout: int, round_trip: int, order: tuple[int, ...]) -> None:
        """What the leader measured. The floor is this server's own setting."""
        floor, ceiling = self._settings.election_timeout, self._settings.longest_timeout
        self.timeout = min(max(timeout, floor), ceiling)
        self.round_trip = min(round_trip, ceiling)
        self.order = order

    def forget_leader(self) -> None:
        """There is no known leader: a new term, or a campaign."""
        if self.leader_worker is not None:
            self.former = (self.leader_worker, self.term)
        self.leader = self.leader_worker = None
        self.loss = Loss.NONE

    def has_lost(self, now: int) -> bool:
        """Whether this server has, for itself, no leader any more."""
        return (
            self.leader is None or self.loss is not Loss.NONE or now - self.heard_at >= self.timeout
        )

    def is_over(self, term: int, now: int) -> bool:
        """Whether mail of this term's leader was sent before its end.

        After a whole time-out it cannot be: whoever said that the leader had died was wrong.
        """
        return self.ended == term and now - self.ended_at < self.timeout

    @property
    def stagger(self) -> int:
        """The distance between two ranks: four round trips."""
        return max(4 * self.round_trip, self._settings.stagger_floor)

    def rank(self, voters: dict[int, WorkerName]) -> int:
        """How many stand before this server, the dead and the refused not counted."""
        passed = {one for one in self.order if one in self.passed or self._is_gone(one, voters)}
        return rank(self.order, self._member, passed)

    def _is_gone(self, member: int, voters: dict[int, WorkerName]) -> bool:
        worker = voters.get(member)
        return worker is None or worker in self.dead

    def remember(self, question: PreVote, worker: WorkerName) -> None:
        self.remembered[question.source] = Remembered(question, worker)

    def forget(self, member: int, term: int) -> None:
        """Drops a remembered question whose sender has moved to another term."""
        known = self.remembered.get(member)
        if known is not None and known.question.term != term + 1:
            del self.remembered[member]

    def forget_worker(self, worker: WorkerName) -> None:
        """Drops the questions of a worker that is gone."""
        for member in [one for one, known in self.remembered.items() if known.worker == worker]:
            del self.remembered[member]

    def take_remembered(self) -> list[Remembered]:
        """The questions to weigh again, best first, and forgets them."""
        questions = sorted(
            self.remembered.values(),
            key=lambda known: (-known.question.last_term, -known.question.last_index),
        )
        self.remembered.clear()
        return questions
