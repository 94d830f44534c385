"""A worker that wants to lead: asks who is up, halts them, and gathers the newest copy.

Three steps. *Asking* (Election, Answer) binds nobody: where somebody above is up, or anybody hears
a coordinator, this worker stands back. *Halting* (Halt, Halted) makes an epoch and the others'
promise to obey no older one, and tells whose copy is the newest. *Fetching* gets that copy.

Halt leaves while the epoch is being written down here. The epoch counts once it is: nobody leads
before. Who dies within that write may make the same epoch again, which was never led; whoever was
halted for it by the earlier life of the process refuses it, and another one is made.

Source: paper, section IV, procedure "Election".

Differs from the paper: whoever needs no question (the coordinator is proved dead, or names its
successor) leaves out the first step; nodes are asked at the same time instead of one by one; the
lower ones are asked, too, so that one broken connection deposes nobody; the copy is gathered here.
"""

from enum import Enum

from interrex.core.ids import WorkerName
from interrex.elections.bully.messages import (
    NOBODY,
    Answer,
    Copy,
    Election,
    Fetch,
    Halt,
    Halted,
    Refused,
    WholeCopy,
)
from interrex.elections.bully.node import Node
from interrex.elections.bully.receiving import Receiving
from interrex.elections.bully.roles import Claim, Transitions
from interrex.elections.bully.watch import PATIENCE_OF_HALTED, Watch

MAX_TRIES = 8
FETCH_TIMEOUTS = 5


class Phase(Enum):
    ASKING = "asking who is up"
    HALTING = "halting the others"
    FETCHING = "fetching the newest copy"


class Candidate:
    """The state of one election of one worker."""

    def __init__(
        self,
        node: Node,
        watch: Watch,
        server: Transitions,
        *,
        appointed: bool = False,
        preempts: WorkerName | None = None,
    ) -> None:
        self._node = node
        self._watch = watch
        self._server = server
        self.appointed = appointed
        self.preempts = preempts
        self.phase = Phase.ASKING
        self._deadline = 0
        self._expected: set[WorkerName] = set()
        self._answers: dict[WorkerName, Answer] = {}
        self._round = 0
        self._tries = 0
        self._token = 0
        self._is_stored = False
        """Whether the epoch is on this worker's own disk; ``_token`` says that it is."""
        self._claim = Claim(0, appointed=appointed, asked_at=0)
        self._receiving: Receiving | None = None
        self._target = (0, 0)

    @property
    def wake_at(self) -> int:
        return self._deadline

    def is_asking_beside(self, worker: WorkerName) -> bool:
        """Whether this worker only asks whether to replace that coordinator, and still obeys it."""
        return self.phase is Phase.ASKING and self.preempts == worker

    # Asking

    def ask(self) -> None:
        """Who is up?"""
        node = self._node
        self._begin()
        self._expected = set(self._watch.reachable_members)
        for worker in sorted(node.members.workers - {node.worker}):
            node.send(worker, Election(node.member, node.seen, self._round, self._watch.ended))
        self._decide_if_complete()

    def _begin(self) -> None:
        node = self._node
        node.rounds += 1
        self._round = node.rounds
        self._deadline = node.now + self._watch.timeout

    def on_answer(self, message: Answer, worker: WorkerName) -> None:
        if self.phase is Phase.ASKING and message.round == self._round:
            self._answers[worker] = message
            self._decide_if_complete()

    def _decide_if_complete(self) -> None:
        """Without a quorum nobody leads in the stead of those who may be back at any moment."""
        node = self._node
        if not self._expected <= self._answers.keys():
            return
        missed_until = self._watch.missed_until
        if not node.settings.quorum and missed_until > node.now:
            self._deadline = missed_until
        else:
            self._decide()

    def _decide(self) -> None:
        node = self._node
        for worker, answer in sorted(self._answers.items()):
            if answer.above:
                self._server.become_waiting(f"{worker} is above it")
                return
            if answer.leader not in (NOBODY, node.worker, self.preempts):
                self._server.become_waiting(f"{worker} hears {answer.leader}")
                return
        if node.settings.quorum and not self._is_majority(len(self._answers)):
            self._watch.be_modest()
            self._server.become_waiting("a majority does not answer")
            return
        self.form()

    def _is_majority(self, others: int) -> bool:
        return 2 * (others + 1) > len(self._node.members.members)

    # Halting

    def form(self) -> None:
        """Makes an epoch, and halts the others for it."""
        node = self._node
        self._tries += 1
        self.phase = Phase.HALTING
        self._begin()
        self._claim = Claim(node.claim(), appointed=self.appointed, asked_at=node.now)
        self._token = node.disk.token
        self._is_stored = False
        self._expected = set(self._watch.reachable_members)
        epoch, ended = self._claim.epoch, self._watch.ended
        for worker in sorted(self._expected):
            node.send(worker, Halt(node.member, epoch, self._round, ended, self.appointed))

    def on_persisted(self, token: int) -> None:
        if self.phase is Phase.HALTING and not self._is_stored and token >= self._token:
            self._is_stored = True
            self._gather_if_complete()

    def on_halted(self, message: Halted, worker: WorkerName) -> None:
        if self.phase is not Phase.HALTING or message.round != self._round:
            return
        self._claim.standings[worker] = message.standing
        self._node.hear_of_seats(message.standing.seats)
        if self._node.settings.quorum and self._is_majority(len(self._claim.standings)):
            allowance = self._node.now + self._node.settings.answer_allowance
            self._deadline = min(self._deadline, allowance)
        self._gather_if_complete()

    def on_refused(self, message: Refused, worker: WorkerName) -> None:
        if self.phase is not Phase.HALTING or message.refused != self._claim.epoch:
            return
        node = self._node
        named = message.leader if message.leader != node.worker else NOBODY
        if message.above:
            self._server.become_waiting(f"{worker} is above it")
        elif named != NOBODY and not node.is_above(named):
            self._server.become_waiting(f"{worker} obeys {named}")
        elif message.epoch < self._claim.epoch or self._tries >= MAX_TRIES:
            self._server.become_waiting(f"{worker} refuses")
        else:
            self.form()

    def on_obeyed(self) -> None:
        """This worker has obeyed a newer epoch than the one that it forms."""
        if self.phase is not Phase.ASKING:
            self.form()

    def on_lost(self, worker: WorkerName) -> None:
        """A connection is gone: nothing more comes from there."""
        self._expected.discard(worker)
        self._answers.pop(worker, None)
        self._claim.standings.pop(worker, None)
        match self.phase:
            case Phase.ASKING:
                self._decide_if_complete()
            case Phase.HALTING:
                self._gather_if_complete()
            case Phase.FETCHING:
                if self._receiving is not None and self._receiving.worker == worker:
                    self._gathered()

    def _gather_if_complete(self) -> None:
        if self._is_stored and self._expected <= self._claim.standings.keys():
            self._gathered()

    def _gather_or_write_on(self) -> None:
        """Who has not answered is not waited for any more, but this worker's own disk is, for a
        time-out in all. After that it leaves it to those below it for a while."""
        self._deadline = self._claim.asked_at + self._watch.timeout
        if self._is_stored:
            self._gathered()
        elif self._node.now >= self._deadline:
            self._watch.be_modest()
            self._watch.was_bullied()
            self._server.become_waiting("its disk does not answer", timeouts=PATIENCE_OF_HALTED + 1)

    def _gathered(self) -> None:
        node, standings = self._node, self._claim.standings
        newest = max(standings, key=lambda one: (standings[one].stamp, one), default=None)
        if newest is not None and standings[newest].stamp > node.copy.stamp:
            self._fetch(newest)
        else:
            self._lead()

    # Fetching

    def _fetch(self, worker: WorkerName) -> None:
        node = self._node
        self.phase = Phase.FETCHING
        self._deadline = node.now + FETCH_TIMEOUTS * self._watch.timeout
        self._target = self._claim.standings[worker].stamp
        self._receiving = Receiving(node, worker, self._claim.epoch)
        node.send(worker, Fetch(node.member, self._claim.epoch, node.standing))

    def on_copy(self, message: Copy | WholeCopy, worker: WorkerName) -> None:
        """A part of the newest copy.

        Raises:
            MalformedPayload: it is none.
        """
        receiving = self._receiving
        if receiving is None or (receiving.worker, receiving.epoch) != (worker, message.epoch):
            return
        if isinstance(message, Copy):
            receiving.on_copy(message)
        else:
            receiving.on_whole(message)
        self._deadline = self._node.now + FETCH_TIMEOUTS * self._watch.timeout
        if self._node.copy.stamp >= self._target:
            self._gathered()

    def _lead(self) -> None:
        """Everything is gathered: counts once more by the newest copy's own members."""
        node = self._node
        members, standings = node.members.members, self._claim.standings
        connected = self._watch.connected
        halted = sum(connected.get(worker) in members for worker in standings)
        if node.member not in members:
            self._server.become_waiting("it is no member any more")
        elif node.settings.quorum and not self._is_majority(halted):
            self._watch.be_modest()
            self._watch.was_bullied()
            self._server.become_waiting("a majority does not answer")
        else:
            self._server.become_coordinator(self._claim)

    def on_time(self, *, late: bool) -> None:
        """Who has not answered by now is not up. Being late oneself changes nothing here."""
        del late
        if self._node.now < self._deadline:
            return
        match self.phase:
            case Phase.ASKING:
                self._decide()
            case Phase.HALTING:
                self._expected &= self._claim.standings.keys()
                self._gather_or_write_on()
            case Phase.FETCHING:
                self._server.become_waiting("the newest copy does not come")

    def on_snapshot(self) -> None:
        """Nobody gets a copy from here."""
