"""Bully, as a pure state machine behind the election's contract.

Guaranteed: no two coordinators ever use the same epoch, also under partition; the highest worker
in reach leads; a change is acknowledged once it is on the disk of every member in reach or, with
``quorum``, of a majority of all members; a new coordinator begins with the newest copy in reach.
With ``quorum`` nothing acknowledged is lost while the disks of a majority survive.

Not guaranteed without ``quorum``: one leader. Every part of a network that falls apart has a
coordinator of its own, with an epoch of its own, and acknowledges changes. When the parts meet,
the newest copy stays (the newest epoch that made a change), and what the others had acknowledged
is reported by ``ChangesLost``. The same holds when the last to know a change are down while an
older copy leads on. Also not guaranteed, with or without: that a coordinator knows at once that it
was deposed (its deadline bounds that with a quorum; the receiver's epoch check excludes it); that
the highest leads, or anybody, where not all that are connected reach each other: the paper's
network is whole or in parts, and so this one should be.

Source: "Elections in a Distributed Computing System", Garcia-Molina, IEEE Transactions on
Computers C-31(1), 1982: sections III (assumptions) and IV (the Bully Algorithm), and from section V
(the Invitation Algorithm) the unique group numbers and the merging of groups.
Differs from the paper: see the modules, and docs/bully.md.
"""

from collections.abc import Mapping
from random import Random
from typing import assert_never

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.bully.coordinator import Leading
from interrex.elections.bully.mail import Mailbox
from interrex.elections.bully.payload import EMPTY, Configuration, Seat
from interrex.elections.bully.peers import Peers
from interrex.elections.bully.server import Server
from interrex.elections.bully.settings import BullySettings
from interrex.elections.guarantees import BULLY, BULLY_WITH_QUORUM, Guarantees
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

MAX_AT_ONCE = 4
"""How many things may follow from an event at the same instant."""
NOT_LEADING = "this worker does not lead"


class Bully:
    """One Bully worker. Implements ``interrex.elections.interface.Election``."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: BullySettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        """Begins without a coordinator, with nothing sent: the first ``step`` is due at once.

        Args:
            worker: this worker's name, which is its identity.
            member: its member id, at least 1. A worker that lost its disk takes a new one, no
                genesis, and leads again only once ``ReplaceMember`` has given it a seat.
            stored: what its disk holds.
            settings: times, sizes and options; priorities are the same on every worker.
            genesis: member ids and workers' names of the first members, the same on each of them;
                used only while no stored state names the members.
            random: only ``getrandbits`` is used.

        Raises:
            InvariantViolation: the disk's content is not this member's, or contradicts itself.
        """
        ensure(member >= 1, "a member id is at least 1")
        first = _first_members(genesis)
        self._server = Server(worker, member, stored, settings, first, random)
        self._mailbox = Mailbox(self._server)
        self._peers = Peers(self._server)
        self._started = False
        self._left_over: list[ElectionEffect] = []
        """What a step had to say before it met a malformed payload: the next step says it."""
        self.wake_at: int | None = 0
        """When to send ``WakeUp`` (ns), None for never."""
        self._announced: tuple[WorkerName | None, int] = (None, self.epoch)

    @property
    def guarantees(self) -> Guarantees:
        """What Bully promises, which depends on ``quorum``."""
        return BULLY_WITH_QUORUM if self._server.node.settings.quorum else BULLY

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows."""
        return self._server.leader

    @property
    def epoch(self) -> int:
        """The newest epoch that this worker obeys, or leads."""
        return self._server.node.promised

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        return self._server.leading

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a coordinator may believe in itself; None when not leading.

        With a quorum it is renewed by a majority's answers; without one by this worker's own
        running: past it, it asks the others before it calls itself coordinator again.
        """
        role = self._server.role
        return role.deadline if isinstance(role, Leading) else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, by worker name; ``matched`` is known for others only to a coordinator."""
        role, node = self._server.role, self._server.node
        found = []
        for member, seat in node.members.members.items():
            matched = role.companions.matched(seat.worker) if isinstance(role, Leading) else 0
            mine = member == node.member
            found.append(Member(seat.worker, member, node.copy.persisted if mine else matched))
        return tuple(sorted(found, key=lambda one: (one.worker, one.member)))

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of Bully; end the connection and go on.
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """
        server = self._server
        node = server.node
        effects = node.effects = self._left_over
        node.now = max(node.now, now)
        due = self.wake_at
        if not self._started:
            self._started = True
            server.start()
            due = None
        self._take(event)
        if due is not None and node.now >= due:
            server.role.on_time(late=node.now - due > node.settings.lateness)
        for _ in range(MAX_AT_ONCE):
            at = server.role.wake_at
            if at is None or at > node.now:
                break
            server.role.on_time(late=False)
        node.flush()
        known = (self.leader, self.epoch)
        if known != self._announced:
            self._announced = known
            effects.append(LeaderChanged(*known, server.reason))
        self.wake_at = server.role.wake_at
        self._left_over = []
        return effects

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
                if isinstance(server.role, Leading) and server.leading:
                    server.role.on_confirm_read(event)
                else:
                    server.node.effects.append(ReadConfirmed(read, confirmed=False))
            case PeerConnected(peer, member):
                self._peers.connected(peer, member)
            case PeerLost(peer, proved_dead):
                self._peers.lost(peer, proved_dead=proved_dead)
            case StepDown(successor):
                if isinstance(server.role, Leading):
                    server.role.on_step_down(successor)
            case EpochObeyed(epoch):
                server.obeyed(epoch)
            case TimesChanged(timing):
                server.retime(timing)
            case SnapshotTaken():
                server.node.snapshot_taken(event)
                server.role.on_snapshot()
            case Told() | Noticed() | BeginAnew():
                ensure(False, "Bully asks no coordination service")
            case _:
                assert_never(event)

    def _propose(self, event: Propose | ReplaceMember) -> None:
        role = self._server.role
        if not isinstance(role, Leading):
            settled = ProposalSettled(event.change, None, NOT_LEADING)
            self._server.node.effects.append(settled)
        elif isinstance(event, Propose):
            role.on_propose(event)
        else:
            role.on_replace_member(event)


def _first_members(genesis: Mapping[int, WorkerName] | None) -> Configuration:
    """Each first member's seat is its place among the member ids."""
    if genesis is None:
        return EMPTY
    return Configuration(
        {one: Seat(genesis[one], seat) for seat, one in enumerate(sorted(genesis), start=1)}
    )
