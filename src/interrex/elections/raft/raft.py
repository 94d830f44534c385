"""Raft, as a pure state machine behind the election's contract.

Guaranteed: at most one leader per term; what was reported committed is never lost while a majority
of disks survives; every worker sees the same changes in the same order (paper, figure 3).

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); that ``LeaderChanged`` reaches all at the same moment; any
progress without a majority; exactly-once of a proposal that is asked again (its id is for that).

When a leader is announced: ``LeaderChanged`` with this worker itself means: a majority's votes for
this term are on their disks and so is its own, and its deadline has not passed; commands stamped
with the epoch are safe to send, because nobody else can ever lead in it. It does not mean that all
changes of earlier epochs have been handed out yet: who acts on the replicated state asks
``ConfirmRead`` first, which is answered once an entry of this term is committed.

Source: "In Search of an Understandable Consensus Algorithm (Extended Version)", Ongaro and
Ousterhout 2014; "Consensus: Bridging Theory and Practice", Ongaro 2014 ("thesis").
Differs from the paper: see the modules, and docs/raft.md.
"""

from collections.abc import Mapping
from random import Random
from typing import assert_never

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.guarantees import RAFT, Guarantees
from interrex.elections.interface import (
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
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
from interrex.elections.raft.leader import Leader
from interrex.elections.raft.mail import Mailbox
from interrex.elections.raft.peers import Peers
from interrex.elections.raft.server import Server
from interrex.elections.raft.settings import RaftSettings
from interrex.elections.replicated.detection import Loss

NOT_LEADING = "this worker does not lead"


class Raft:
    """One Raft server. Implements ``interrex.elections.interface.Election``."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: RaftSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        """Begins as a follower, with nothing sent: the first ``step`` is due at once.

        Args:
            worker: this worker's name.
            member: its member id, at least 1. A worker that lost its log takes a new one, no
                genesis, and waits for ``ReplaceMember``.
            stored: what its disk holds.
            settings: times and sizes.
            genesis: member ids and workers' names of the first configuration; used only while
                neither log nor snapshot holds one, and the same on every member of it.
            random: for time-outs; only ``getrandbits`` is used.

        Raises:
            InvariantViolation: the disk's content is not this member's, or contradicts itself.
        """
        ensure(member >= 1, "a member id is at least 1")
        self._server = Server(worker, member, stored, settings, genesis, random)
        self._mailbox = Mailbox(self._server)
        self._peers = Peers(self._server)
        self._started = False
        self._left_over: list[ElectionEffect] = []
        """What a step had to say before it met a malformed payload: the next step says it."""
        self._wake_at: int | None = 0
        self._announced: tuple[WorkerName | None, int] = (None, self.epoch)
        self._last_leader: tuple[WorkerName | None, int] = (None, 0)
        """The last leader that was announced, and its term."""

    @property
    def guarantees(self) -> Guarantees:
        """What Raft promises, however it is configured."""
        return RAFT

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""
        return self._wake_at

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows."""
        server = self._server
        if isinstance(server.role, Leader):
            return server.node.worker if server.leading else None
        if server.detection.loss in (Loss.ENDED, Loss.SILENT):
            return None
        return server.detection.leader_worker

    @property
    def epoch(self) -> int:
        """The newest term this worker has seen."""
        return self._server.node.term

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        return self._server.leading

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        role = self._server.role
        return role.deadline if isinstance(role, Leader) else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The voters, by worker name; ``matched`` is known for others only to a leader."""
        role, node = self._server.role, self._server.node
        known = role.replication.matched if isinstance(role, Leader) else {}
        me, mine = node.member, node.log.persisted
        return tuple(
            [
                Member(worker, member, mine if member == me else known.get(member, 0))
                for member, worker in node.membership.by_worker
            ]
        )

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of Raft; end the connection and go on.
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """
        server = self._server
        node = server.node
        effects = node.effects = self._left_over
        node.now = max(node.now, now)
        due = self._wake_at
        if not self._started:
            self._started = True
            server.start()
            due = None
        self._take(event)
        if due is not None and node.now >= due:
            server.on_time(late=node.now - due > node.settings.lateness)
        node.flush()
        known = (self.leader, node.term)
        if known != self._announced:
            effects.append(LeaderChanged(*known, self._reason_for(*known)))
            self._announced = known
            if known[0] is not None:
                self._last_leader = known
        self._wake_at = server.role.wake_at
        self._left_over = []
        return effects

    def _reason_for(self, leader: WorkerName | None, term: int) -> str:
        """Why this is announced now. A transition says so itself; but a leader's lease lapses and
        is renewed, and a follower hears its leader again, without any."""
        again = self._last_leader == (leader, term)
        if isinstance(self._server.role, Leader):
            if leader is None and self._last_leader == (self._server.node.worker, term):
                return "its lease has run out, and no majority has answered since"
            if again:
                return f"a majority answers again, and term {term} goes on"
        elif again:
            return f"{leader} is heard again, and term {term} goes on"
        return self._server.reason

    def _take(self, event: ElectionEvent) -> None:
        server = self._server
        match event:
            case PayloadReceived(sender, payload):
                self._mailbox.take(sender, payload)
            case Propose() | ReplaceMember():
                self._propose(event)
            case Persisted(token):
                server.node.persisted(token)
                server.role.on_persisted(token)
            case WakeUp():
                pass
            case ConfirmRead(read):
                if isinstance(server.role, Leader) and server.leading:
                    server.role.on_confirm_read(event)
                else:
                    server.node.effects.append(ReadConfirmed(read, confirmed=False))
            case PeerConnected(peer, member):
                self._peers.connected(peer, member)
            case PeerLost(peer, proved_dead):
                self._peers.lost(peer, proved_dead=proved_dead)
            case StepDown(successor):
                if isinstance(server.role, Leader):
                    server.role.on_step_down(successor)
            case TimesChanged(timing):
                server.retime(timing)
            case SnapshotTaken():
                server.node.snapshot_taken(event)
            case Told() | Noticed():
                ensure(False, "Raft asks no coordination service")
            case _:
                assert_never(event)

    def _propose(self, event: Propose | ReplaceMember) -> None:
        role = self._server.role
        if not isinstance(role, Leader):
            settled = ProposalSettled(event.change, None, NOT_LEADING)
            self._server.node.effects.append(settled)
        elif isinstance(event, Propose):
            role.on_propose(event)
        else:
            role.on_replace_member(event)
