"""Multi-Paxos, as a pure state machine behind the election's contract.

Every server is proposer, acceptor and learner. A stable leader runs phase 1 once, over all slots
that it has not learned, and then phase 2 for one slot after the other. The round of its ballot is
the epoch.

Guaranteed: at most one leader per round; what was reported committed is never lost while a majority
of disks survives; every worker sees the same changes in the same order (PMS 2.1: only a proposed
value is chosen, only one is, and nobody learns of one that is not).

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); that ``LeaderChanged`` reaches all at the same moment; any
progress without a majority; exactly-once of a proposal that is asked again (its id is for that).

When a leader is announced: ``LeaderChanged`` with this worker itself means: a majority's promises
of this round are on their disks and so is its own, and its deadline has not passed; commands
stamped with the epoch are safe to send, because nobody else can ever lead in it (the invariant is
in ``leader``). It does not mean that all changes of earlier epochs have been handed out yet: who
acts on the replicated state asks ``ConfirmRead`` first, which is answered once every slot in which
an earlier leader may have got something chosen is learned.

Source: "Paxos Made Simple", Lamport 2001 ("PMS"); "Paxos Made Moderately Complex", van Renesse and
Altinbuken 2015 ("PMMC"); "Paxos Made Live", Chandra, Griesemer and Redstone 2007 ("PML").
Differs from the papers: see the modules, and docs/paxos.md.
"""

from collections.abc import Mapping
from random import Random
from typing import assert_never

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.guarantees import PAXOS, Guarantees
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
from interrex.elections.paxos.follower import Follower
from interrex.elections.paxos.leader import Leader
from interrex.elections.paxos.mail import Mailbox
from interrex.elections.paxos.peers import Peers
from interrex.elections.paxos.server import Server
from interrex.elections.paxos.settings import PaxosSettings
from interrex.elections.replicated.detection import Loss

NOT_LEADING = "this worker does not lead"


class Paxos:
    """One Paxos server. Implements ``interrex.elections.interface.Election``."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: PaxosSettings,
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
        """The last leader that was announced, and its round."""

    @property
    def guarantees(self) -> Guarantees:
        """What Paxos promises, however it is configured."""
        return PAXOS

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""
        return self._wake_at

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows."""
        server = self._server
        role = server.role
        if isinstance(role, Leader):
            return server.node.worker if server.leading else None
        if server.detection.loss in (Loss.ENDED, Loss.SILENT):
            return None
        is_named = isinstance(role, Follower) and role.is_named
        return server.detection.leader_worker if is_named else None

    @property
    def epoch(self) -> int:
        """The newest round this worker has seen."""
        return self._server.node.round

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        return self._server.leading

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        role = self._server.role
        return role.deadline if isinstance(role, Leader) and role.established else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The voters, by worker name; ``matched`` is known for others only to a leader."""
        role, node = self._server.role, self._server.node
        matched = dict(role.replication.matched) if isinstance(role, Leader) else {}
        matched[node.member] = node.slots.persisted
        voters = sorted(node.membership.voters.items(), key=lambda item: item[::-1])
        return tuple(Member(worker, member, matched.get(member, 0)) for member, worker in voters)

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of Paxos; end the connection and go on.
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
        known = (self.leader, node.round)
        if known != self._announced:
            effects.append(LeaderChanged(*known, self._reason_for(*known)))
            self._announced = known
            if known[0] is not None:
                self._last_leader = known
        self._wake_at = server.role.wake_at
        self._left_over = []
        return effects

    def _reason_for(self, leader: WorkerName | None, number: int) -> str:
        """Why this is announced now. A transition says so itself; but a leader's lease lapses and
        is renewed, and a follower hears its leader again, without any."""
        again = self._last_leader == (leader, number)
        if isinstance(self._server.role, Leader):
            if leader is None and self._last_leader == (self._server.node.worker, number):
                return "its lease has run out, and no majority has answered since"
            if again:
                return f"a majority answers again, and round {number} goes on"
        elif again:
            return f"{leader} is heard again, and round {number} goes on"
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
                ensure(False, "Paxos asks no coordination service")
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
