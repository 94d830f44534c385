"""One worker and its role: the only place where roles change.

Invariants: only a candidate leads, and only in the epoch that it made and promised to itself; an
epoch has one coordinator.
"""

from random import Random

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.spec import Timing
from interrex.core.storage import Stored
from interrex.elections.bully.candidate import Candidate
from interrex.elections.bully.coordinator import Leading
from interrex.elections.bully.node import Node
from interrex.elections.bully.payload import Configuration
from interrex.elections.bully.roles import Claim
from interrex.elections.bully.settings import BullySettings, retimed
from interrex.elections.bully.waiting import Waiting
from interrex.elections.bully.watch import Watch


class Server:
    """The durable node, what is believed of the others, and the role. Implements Transitions."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: BullySettings,
        genesis: Configuration,
        random: Random,
    ) -> None:
        self.node = Node(worker, member, stored, settings, genesis, random)
        self.watch = Watch(self.node)
        self.reason = ""
        """Why coordinator or epoch changed last, for people."""
        self.role: Waiting | Candidate | Leading = self._waiting()
        self._coordinator_of = (0, worker)

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        return isinstance(self.role, Leading) and self.role.believes

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows."""
        if isinstance(self.role, Leading):
            return self.node.worker if self.leading else None
        if isinstance(self.role, Candidate):
            known = self.watch.known
            return known if known is not None and self.role.is_asking_beside(known) else None
        return self.watch.known if self.role.halter is None else None

    def start(self) -> None:
        """The first step: hands out the state from the disk, and begins to wait."""
        self.node.restored()
        waiting = self.role = self._waiting()
        waiting.boot()

    def retime(self, timing: Timing) -> None:
        """Goes by other times; a coordinator tells the others with its next beat, at once."""
        self.node.settings = retimed(self.node.settings, timing)
        if isinstance(self.role, Leading):
            self.role.on_retimed()

    def obeyed(self, epoch: int) -> None:
        """This worker obeyed a command of an epoch that its election may not have heard of: that is
        a promise. Its coordinator's next beat is refused, and so that one makes a newer epoch."""
        if epoch > self.node.promised:
            self.node.promise(epoch)
            self.role.on_obeyed()

    def _waiting(self) -> Waiting:
        return Waiting(self.node, self.watch, self)

    def _leave(self, reason: str) -> None:
        """Ends a leadership: its epoch is over for good."""
        if isinstance(self.role, Leading):
            self.role.end(reason)
            self.watch.end(self.role.epoch)
        self.reason = reason

    def become_waiting(self, reason: str, *, timeouts: int = 2) -> None:
        """Follows nobody for now, and gives others so many time-outs to act."""
        before = self.role
        self._leave(reason)
        if isinstance(before, Leading):
            self.watch.was_bullied()
        waiting = self.role = self._waiting()
        waiting.rest(timeouts)

    def lose(self, reason: str) -> None:
        """The coordinator is silent: the members stand in their order."""
        self.become_waiting(reason)
        if isinstance(self.role, Waiting):
            self.role.hurry(0)
            self.role.on_time(late=False)

    def stand(self, reason: str, *, preempts: WorkerName | None = None) -> None:
        """Asks who is up; ``preempts`` is the coordinator below this worker that it would replace,
        which goes on leading meanwhile."""
        self._leave(reason)
        self.watch.give_up()
        candidate = self.role = Candidate(self.node, self.watch, self, preempts=preempts)
        candidate.ask()

    def form(self, reason: str, *, appointed: bool = False) -> None:
        """Halts the others without asking: the question is already answered."""
        self._leave(reason)
        if not self.node.may_stand:
            self.become_waiting(reason)
            return
        candidate = self.role = Candidate(self.node, self.watch, self, appointed=appointed)
        candidate.form()

    def become_coordinator(self, claim: Claim) -> None:
        """All are halted that can be reached, and the newest copy is here."""
        ensure(isinstance(self.role, Candidate), "only a candidate leads")
        ensure(claim.epoch == self.node.promised, "a coordinator obeys no newer epoch")
        self.ensure_one_coordinator(claim.epoch, self.node.worker)
        why = "it was named" if claim.appointed else "it is the highest in reach"
        self.reason = f"{why}, {len(claim.standings)} others obey epoch {claim.epoch}"
        self.watch.forget_leader()
        leading = self.role = Leading(self.node, self.watch, self, claim)
        leading.begin()

    def follow(self, worker: WorkerName, epoch: int, *, appointed: bool) -> Waiting:
        """As one that obeys this epoch's coordinator, which was just heard."""
        self.ensure_one_coordinator(epoch, worker)
        if isinstance(self.role, Leading) or not isinstance(self.role, Waiting):
            self.become_waiting(f"{worker} leads epoch {epoch}")
        waiting = self.role
        ensure(isinstance(waiting, Waiting), "who follows does not stand")
        assert isinstance(waiting, Waiting)
        self.node.promise(epoch)
        if waiting.follow(worker, epoch, appointed=appointed):
            self.reason = f"{worker} leads epoch {epoch}"
        return waiting

    def ensure_one_coordinator(self, epoch: int, worker: WorkerName) -> None:
        """Notes who leads this epoch; a second one is a broken promise."""
        known, coordinator = self._coordinator_of
        ensure(epoch != known or worker == coordinator, "an epoch has one coordinator")
        self._coordinator_of = (epoch, worker)
