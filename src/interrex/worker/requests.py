"""What users ask of a worker, and what its peers pass on to it while it leads.

A user's change goes to whoever leads, this worker included, and comes back as ``Submitted``; a
peer's is proposed here, and answered when it is settled.
"""

from collections.abc import Callable

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.messages import HandOver, Submit, Submitted
from interrex.core.sizes import longest, refusal_of_change, too_long
from interrex.core.state import (
    ApplySpec,
    Change,
    ClusterState,
    Scale,
    apply,
    decode_state,
    encode_change,
    encode_state,
)
from interrex.core.time import S
from interrex.elections.interface import (
    NOTHING_LOST,
    BeginAnew,
    ConfirmRead,
    Election,
    ElectionEvent,
    Foreseeing,
    ProposalSettled,
    Propose,
    Renewable,
    StepDown,
)
from interrex.elections.registry import times_problem
from interrex.worker.interface import (
    Answer,
    BeginAnewAsked,
    ChangeAsked,
    HandOverAsked,
    Send,
    WorkerEffect,
)
from interrex.worker.obstacles import Obstacles
from interrex.worker.submissions import Submissions

OBSTACLE_PATIENCE = 3 * S
"""How long (ns) a change that was taken may wait for somebody to act before its user is told."""


class Requests:
    """The open requests of one worker.

    Args:
        me: its name.
        election: what proposals and hand-overs are for.
        elect: lets the election take an event.
        emit: takes an effect.
        obstacles: what keeps changes from being made.
    """

    def __init__(
        self,
        me: WorkerName,
        election: Election,
        elect: Callable[[ElectionEvent], None],
        emit: Callable[[WorkerEffect], None],
        obstacles: Obstacles,
    ) -> None:
        self._me = me
        self._election = election
        self._elect = elect
        self._emit = emit
        self._obstacles = obstacles
        self._hindered = False
        self._submissions = Submissions()
        self.open = self._submissions.open
        """The changes that users wait for. While there is none, nothing has to be sent or told."""
        self._foreseeing = election if isinstance(election, Foreseeing) else None
        self._asked_by_peers: dict[ChangeId, WorkerName] = {}
        self._entrusted: dict[ChangeId, tuple[WorkerName, Submit]] = {}
        """What peers have told this worker because it may be the next leader. Each sends it again
        to whoever leads: nothing is lost with it."""
        self._proposed_early: set[ChangeId] = set()
        """What of that is proposed: when it comes again, that changes nothing."""
        self._reads: dict[int, int | None] = {}
        self._read_number = 0

    @property
    def wake_at(self) -> int | None:
        """When something is to be sent again or given up (ns)."""
        return self._submissions.wake_at

    # Changes

    def change(self, event: ChangeAsked, state: ClusterState, now: int) -> None:
        """A user asks for a change. It is refused while it could only wait for somebody to act, and
        when it is too large, or would make the fleet's messages too long."""
        problem = _objection(event, state)
        if problem:
            text = f"{problem}; nothing was changed"
            self._emit(Answer(event.request, False, text, refused=True))
            return
        obstacle = self._obstacles.found()
        if obstacle is not None:
            text = f"{obstacle.text}; nothing was changed: {obstacle.remedy}"
            self._emit(Answer(event.request, False, text, refused=True))
            return
        self._hinder(False, now)
        self._submissions.add(event.change, event.request, event.operations, now)

    def expire(self, now: int) -> None:
        """Tell those who have waited too long."""
        for request in self._submissions.expired(now):
            obstacle, hindrance = self._obstacles.found(), self._obstacles.hindrance
            if obstacle is not None:
                text = f"{obstacle.text}; the change waits, and may be applied once {obstacle.over}"
            elif hindrance:
                text = f"no leader took the change in time: {hindrance}; it may still be applied"
            else:
                text = "no leader took the change in time; it may still be applied"
            self._emit(Answer(request, False, text))

    def go_on(self, state: ClusterState, now: int) -> None:
        """Send what waits for a leader, and let nobody wait long for somebody to act."""
        self._hinder(self._obstacles.found() is not None, now)
        self._send_due(state, now)

    def _hinder(self, hindered: bool, now: int) -> None:
        """Something is in the way, or not any more: whoever waits may wait as long as ever then."""
        if hindered != self._hindered:
            self._hindered = hindered
            self._submissions.hurry(now + OBSTACLE_PATIENCE if hindered else None)

    def _send_due(self, state: ClusterState, now: int) -> None:
        """Send what waits for a leader to the one there is, or tell who may be the next."""
        if not self._submissions.are_unsent:
            return
        heir = self._heir if self._election.leader is None else None
        if heir is not None and heir != self._me:
            for submit in self._submissions.entrust(heir, self._election.epoch):
                self._emit(Send(heir, submit))
        for submit in self._submissions.due(self._election.leader, now):
            if self._election.leader == self._me:
                self.submit(self._me, submit, state, now)
            else:
                self._emit(Send(self._election.leader, submit))

    @property
    def _heir(self) -> WorkerName | None:
        return None if self._foreseeing is None else self._foreseeing.heir

    def leader_changed(self) -> None:
        """Whatever was sent to the last leader may be lost; whoever leads now, or stands in
        another epoch, is told by others of what they wait for."""
        self._submissions.send_again()
        self._proposed_early.clear()
        if self._election.leader != self._me:
            self._entrusted.clear()

    def connected(self, peer: WorkerName) -> None:
        """What was sent to the leader on an earlier connection, or its answer, may be lost with
        that, though the same worker leads on."""
        if peer == self._election.leader:
            self._submissions.send_again()

    def entrusted(self) -> list[Propose]:
        """This worker leads: what it was told of before."""
        entrusted, self._entrusted = self._entrusted, {}
        self._proposed_early.update(entrusted)
        return [self._proposal(sender, message) for sender, message in entrusted.values()]

    def _proposal(self, sender: WorkerName, message: Submit) -> Propose:
        self._asked_by_peers[message.change] = sender
        change = Change(message.change, 0, message.operations)
        return Propose(message.change, encode_change(change))

    def submit(self, sender: WorkerName, message: Submit, state: ClusterState, now: int) -> None:
        """Somebody, perhaps this worker itself, takes it for the leader."""
        applied = state.applied.get(message.change)
        if applied is not None:
            self._reply(sender, Submitted(message.change, applied, ""), now)
        elif not self._election.leading:
            if self._heir == self._me:
                self._entrusted[message.change] = (sender, message)
            else:
                self._reply(sender, Submitted(message.change, None, "not the leader"), now)
        elif message.change in self._proposed_early:
            self._asked_by_peers[message.change] = sender
        else:
            self._elect(self._proposal(sender, message))

    def settled(self, effect: ProposalSettled, now: int) -> None:
        """A proposal came to its end: whoever asked for it is told."""
        self._proposed_early.discard(effect.change)
        sender = self._asked_by_peers.pop(effect.change, None)
        if sender is not None:
            self._reply(sender, Submitted(effect.change, effect.index, effect.reason), now)

    def submitted(self, message: Submitted, now: int) -> None:
        """What became of a change of this worker's user."""
        if message.index is None:
            self._submissions.unlucky(message.change, now)
            return
        request = self._submissions.settle(message.change)
        if request is not None:
            self._emit(Answer(request, True, "", message.index))

    def _reply(self, sender: WorkerName, message: Submitted, now: int) -> None:
        if sender == self._me:
            self.submitted(message, now)
        else:
            self._emit(Send(sender, message))

    # Reads

    def new_read(self, request: int | None) -> ConfirmRead:
        """The question whether this worker leads, for a user or (None) for itself."""
        self._read_number += 1
        self._reads[self._read_number] = request
        return ConfirmRead(self._read_number)

    def read_confirmed(self, read: int, confirmed: bool, index: int) -> bool:
        """Answers the user who asked.

        Returns:
            Whether the worker itself did.
        """
        request = self._reads.pop(read, None)
        if request is None:
            return True
        text = "" if confirmed else "this worker does not lead, or could not confirm it"
        self._emit(Answer(request, confirmed, text, index))
        return False

    # What only the election does

    def for_the_election(self, event: HandOverAsked | BeginAnewAsked) -> None:
        """A user wants another leader, or to go on without what is lost."""
        if isinstance(event, HandOverAsked):
            self._hand_over(event)
        else:
            self._begin_anew(event)

    def _hand_over(self, event: HandOverAsked) -> None:
        leader = self._election.leader
        if leader is None:
            self._emit(Answer(event.request, False, "nobody leads just now"))
            return
        if leader == self._me:
            self._elect(StepDown(event.successor))
        else:
            self._emit(Send(leader, HandOver(event.successor)))
        self._emit(Answer(event.request, True, f"asked {leader} to step down"))

    def _begin_anew(self, event: BeginAnewAsked) -> None:
        """Whether it worked the status says."""
        election = self._election
        reason = election.objection if isinstance(election, Renewable) else NOTHING_LOST
        if not reason:
            self._elect(BeginAnew())
        text = reason or f"begins anew from what {self._me} knows"
        self._emit(Answer(event.request, not reason, text, refused=bool(reason)))


def _objection(event: ChangeAsked, state: ClusterState) -> str:
    change = Change(event.change, 0, event.operations)
    problem = refusal_of_change(change) or _unfit_times(event)
    if problem or not any(isinstance(one, ApplySpec | Scale) for one in event.operations):
        return problem
    after = decode_state(encode_state(state))
    apply(after, change, state.index)
    # What is too long already may at least become shorter.
    return too_long(after) if longest(after)[0] > longest(state)[0] else ""


def _unfit_times(event: ChangeAsked) -> str:
    specs = [one.spec for one in event.operations if isinstance(one, ApplySpec)]
    return next(filter(None, (times_problem(spec) for spec in specs)), "")
