"""An election that replicates a log, as a pure state machine behind the election's contract.

Not guaranteed: that ``LeaderChanged`` reaches all at the same moment; exactly-once of a proposal
that is asked again (its id is for that).
"""

from typing import Any, Protocol, assert_never

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.elections.interface import (
    BeginAnew,
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    EpochObeyed,
    LeaderChanged,
    Member,
    Noticed,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persisted,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
    SnapshotTaken,
    StepDown,
    TimesChanged,
    Told,
    WakeUp,
)
from interrex.elections.replicated.detection import Loss
from interrex.elections.replicated.leader import LeaderRole
from interrex.elections.replicated.peers import Peers
from interrex.elections.replicated.server import ReplicatedServer

NOT_LEADING = "this worker does not lead"


class Mailbox(Protocol):
    """Takes payloads for one server."""

    def take(self, worker: WorkerName, payload: bytes) -> None:
        """One payload from a worker.

        Raises:
            MalformedPayload: it is no message; nothing has changed.
        """


class ReplicatedElection:
    """One server. Implements ``interrex.elections.interface.Election``, but for its guarantees."""

    def __init__(self, server: ReplicatedServer[Any, Any, Any, Any], mailbox: Mailbox) -> None:
        """Begins as a follower, with nothing sent: the first ``step`` is due at once."""
        self._server = server
        self._mailbox = mailbox
        self._peers = Peers(server)
        self._started = False
        self._left_over: list[ElectionEffect] = []
        """What a step had to say before it met a malformed payload: the next step says it."""
        self.wake_at: int | None = 0
        """When to send ``WakeUp`` (ns), None for never."""
        self.leader: WorkerName | None = None
        """Who leads, as far as this worker knows: as it was announced last."""
        self.epoch = server.node.epoch
        """The newest epoch this worker has seen."""
        self.leading = False
        """Whether this worker leads, and its deadline had not passed at the last step."""
        self.deadline: int | None = None
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        self._last_leader: tuple[WorkerName | None, int] = (None, 0)
        """The last leader that was announced, and its epoch."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The voters, by worker name; ``matched`` is known for others only to a leader."""
        role, node = self._server.role, self._server.node
        known = role.replication.matched if isinstance(role, LeaderRole) else {}
        me, mine = node.member, node.stored_index
        return tuple(
            [
                Member(worker, member, mine if member == me else known.get(member, 0))
                for member, worker in node.membership.by_worker
            ]
        )

    @property
    def heir(self) -> WorkerName | None:
        """Who may win the newest epoch: this worker, or to whom it has given that epoch."""
        return self._server.heir

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is none of this election: end the connection and go on.
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """
        server = self._server
        node = server.node
        effects = node.effects = self._left_over
        if now > node.now:
            node.now = now
        due = self.wake_at
        if not self._started:
            self._started = True
            server.start()
            due = None
        self._take(event)
        if due is not None and node.now >= due:
            server.on_time(late=node.now - due > node.settings.lateness)
        node.flush()
        before, epoch_before = self.leader, self.epoch
        self._observe()
        leader, epoch = self.leader, self.epoch
        if leader != before or epoch != epoch_before:
            effects.append(LeaderChanged(leader, epoch, self._reason_for(leader, epoch)))
            if leader is not None:
                self._last_leader = (leader, epoch)
        self._left_over = []
        return effects

    def _observe(self) -> None:
        """Takes down what is true until the next step."""
        server = self._server
        role, detection = server.role, server.detection
        if isinstance(role, LeaderRole):
            self.leading = role.leading
            self.leader = server.node.worker if self.leading else None
            self.deadline = role.deadline if role.established else None
        else:
            self.leading, self.deadline = False, None
            is_heard = role.is_named and detection.loss in (Loss.NONE, Loss.DISCONNECTED)
            self.leader = detection.leader_worker if is_heard else None
        self.epoch = server.node.epoch
        self.wake_at = role.wake_at

    def _reason_for(self, leader: WorkerName | None, epoch: int) -> str:
        """Why this is announced now. A transition says so itself; but a leader's lease lapses and
        is renewed, and a follower hears its leader again, without any."""
        word = self._server.node.epoch_word
        again = self._last_leader == (leader, epoch)
        if isinstance(self._server.role, LeaderRole):
            if leader is None and self._server.role.has_handed_over:
                return "it has handed over"
            if leader is None and self._last_leader == (self._server.node.worker, epoch):
                return "its lease has run out, and no majority has answered since"
            if again:
                return f"a majority answers again, and {word} {epoch} goes on"
        elif again:
            return f"{leader} is heard again, and {word} {epoch} goes on"
        return self._server.reason

    def _take(self, event: ElectionEvent) -> None:
        server = self._server
        match event:
            case PayloadReceived():
                self._mailbox.take(event.sender, event.payload)
            case WakeUp() | EpochObeyed():
                pass  # an epoch has a majority's votes before anybody commands in it
            case Propose() | ReplaceMember():
                self._propose(event)
            case Persisted(token):
                server.node.persisted(token)
                server.role.on_persisted(token)
            case ConfirmRead(read):
                if isinstance(server.role, LeaderRole) and server.leading:
                    server.role.on_confirm_read(event)
                else:
                    server.node.effects.append(ReadConfirmed(read, confirmed=False))
            case PeerConnected(peer, member):
                self._peers.connected(peer, member)
            case PeerLost(peer, proved_dead):
                self._peers.lost(peer, proved_dead=proved_dead)
            case StepDown(successor):
                if isinstance(server.role, LeaderRole):
                    server.role.on_step_down(successor)
            case TimesChanged(timing):
                server.retime(timing)
            case SnapshotTaken():
                server.node.snapshot_taken(event)
            case Told() | Noticed() | BeginAnew():
                ensure(False, "an election that replicates a log asks no coordination service")
            case _:
                assert_never(event)

    def _propose(self, event: Propose | ReplaceMember) -> None:
        role = self._server.role
        if not isinstance(role, LeaderRole):
            settled = ProposalSettled(event.change, None, NOT_LEADING)
            self._server.node.effects.append(settled)
        elif isinstance(event, Propose):
            role.on_propose(event)
        else:
            role.on_replace_member(event)
