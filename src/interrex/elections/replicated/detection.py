"""What a server believes of its leader: alive, out of reach, or gone.

Three things end the belief: proof that the leader's process died (or that it hands over), its
connection closed, or silence for the adaptive time-out. Only who has lost the leader itself says
yes to a question (a pre-vote, an ask), so one broken socket never deposes a healthy leader.

Not guaranteed: that a lost leader is dead. A wrong belief costs an election, never safety.
Because a follower may lose its leader sooner than by time, reads by time-lease are excluded.

Source: Raft's thesis 9.6 (pre-vote), 4.2.3 (leader stickiness); PMMC 4.2 pings a leader with an
adaptive time-out.
Differs from both: proof of death and closed connections count besides silence; a question that
comes too early is remembered and answered when the leader is lost.
"""

from enum import Enum
from typing import Generic, Protocol, TypeVar

from interrex.core.ids import WorkerName
from interrex.elections.replicated.settings import ReplicatedSettings
from interrex.elections.replicated.succession import rank


class Loss(Enum):
    """How this server came to lose its leader."""

    NONE = "not lost"
    SILENT = "silent"
    DISCONNECTED = "connection closed"
    ENDED = "proved dead, or handed over"


class Question(Protocol):
    """What somebody asks before it stands for election. It promises nothing."""

    @property
    def asked_epoch(self) -> int:
        """The epoch that would begin."""

    @property
    def place(self) -> tuple[int, ...]:
        """In which order questions are answered: the least first."""


AnyQuestion = TypeVar("AnyQuestion", bound=Question)


class Detection(Generic[AnyQuestion]):
    """The leader as one server sees it; outlives the server's own changes of role.

    Invariant: ``loss`` is about the leader of the current epoch; ``ended`` names the epoch of the
    last leadership, once that is over for good: a restarted process never leads in an old epoch.
    """

    def __init__(self, member: int, settings: ReplicatedSettings, fast_retries: int) -> None:
        """``fast_retries``: how often a lost election is tried again without a whole time-out."""
        self._member = member
        self._settings = settings
        self._most_retries = fast_retries
        self.leader: int | None = None
        self.leader_worker: WorkerName | None = None
        self.epoch = 0
        """The epoch in which the leader was last heard."""
        self.silent_at = 0
        """When the leader will have been silent for too long, unless it is heard before."""
        self.loss = Loss.NONE
        self.ended = 0
        self.ended_at = 0
        self.timeout = settings.election_timeout
        self.round_trip = 0
        self.order: tuple[int, ...] = ()
        self.passed: set[int] = set()
        self.dead: set[WorkerName] = set()
        self.remembered: dict[WorkerName, AnyQuestion] = {}
        self.fast_retries = fast_retries
        self.tried = False
        """Whether this server has stood for election since the last leader."""
        self.former: tuple[WorkerName, int] | None = None
        """The leader forgotten last, with its epoch: its death may be proved later."""
        self.graced = False

    def heard(self, leader: int, worker: WorkerName, now: int, epoch: int) -> None:
        """The leader of this epoch gave a sign of life.

        It counts on the patience that each of its heartbeats was answered with: a later one, by
        which the time-out is shorter, takes nothing of that back.
        """
        goes_on = (self.leader, self.epoch, self.loss) == (leader, epoch, Loss.NONE)
        self.epoch = epoch
        self.silent_at = max(self.silent_at, now + self.timeout) if goes_on else now + self.timeout
        self.graced = False
        if self.leader == leader and self.loss is Loss.NONE:
            return
        self.leader, self.leader_worker = leader, worker
        self.loss = Loss.NONE
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.former = None
        self.ended = 0
        self.tried = False
        self.passed.clear()
        self.fast_retries = self._most_retries

    def won(self) -> None:
        """This server leads."""
        self.forget_leader()
        self.order = ()
        self._begin_anew()

    def retime(self, settings: ReplicatedSettings) -> None:
        """Goes by other floors and ceilings from the leader's next heartbeat on: until then the
        leader counts on the patience that it was promised."""
        self._settings = settings

    def end(self, epoch: int, now: int) -> None:
        """The leadership of this epoch is over for good."""
        self.ended, self.ended_at = epoch, now
        if self.leader is not None:
            self.loss = Loss.ENDED

    def heartbeat(self, timeout: int, round_trip: int, order: tuple[int, ...]) -> None:
        """What the leader measured. The floor is this server's own setting."""
        floor, ceiling = self._settings.election_timeout, self._settings.longest_timeout
        self.timeout = min(max(timeout, floor), ceiling)
        self.round_trip = min(round_trip, ceiling)
        self.order = order

    def forget_leader(self) -> None:
        """There is no known leader: a new epoch, or a campaign."""
        if self.leader_worker is not None:
            self.former = (self.leader_worker, self.epoch)
        self.leader = self.leader_worker = None
        self.loss = Loss.NONE

    @property
    def has_lost(self) -> bool:
        """Whether this server has, for itself, no leader any more."""
        return self.leader is None or self.loss is not Loss.NONE

    @property
    def is_known_lost(self) -> bool:
        """Whether more than the lack of a leader says that there is none."""
        return bool(self.ended) or self.loss is not Loss.NONE

    def notice_silence(self, now: int, *, late: bool, grace: int) -> bool:
        """Loses a leader that was silent for too long. Returns whether that happened now.

        ``late``: this very server was stopped or starved; then the silence may be its own, and
        the leader gets a grace, once, in which to be heard.
        """
        if self.has_lost or now < self.silent_at:
            return False
        if late and not self.graced:
            self.graced = True
            self.silent_at = now + grace
            return False
        self.loss = Loss.SILENT
        return True

    def is_over(self, epoch: int, now: int) -> bool:
        """Whether mail of this epoch's leader was sent before its end.

        After a whole time-out it cannot be: whoever said that the leader had died was wrong.
        """
        return self.ended == epoch and now - self.ended_at < self.timeout

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

    def remember(self, question: AnyQuestion, worker: WorkerName) -> None:
        """Keeps a question that came too early, the latest of each worker."""
        self.remembered[worker] = question

    def sender_moved(self, worker: WorkerName, epoch: int) -> None:
        """Drops a remembered question whose sender is in another epoch by now."""
        question = self.remembered.get(worker)
        if question is not None and question.asked_epoch != epoch + 1:
            del self.remembered[worker]

    def take_remembered(self) -> list[AnyQuestion]:
        """The questions to weigh again, best first, and forgets them."""
        questions = sorted(self.remembered.values(), key=lambda question: question.place)
        self.remembered.clear()
        return questions
