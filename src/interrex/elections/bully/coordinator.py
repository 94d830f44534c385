"""A worker that leads: beats, copies, what is agreed, its own deadline, reads, handing over.

Source: paper, section IV (a coordinator in state Normal, "Recovery" and "Check" of the others);
section V for two coordinators that meet and merge.

Guaranteed: nobody else ever leads in its epoch. Not guaranteed without a quorum: that there is no
other coordinator out of its reach, with an epoch of its own, whose changes are acknowledged there.
With a quorum that other one gets nothing acknowledged.

Differs from the paper: it meets other coordinators by their beats instead of looking for them; it
leads on alone, without a quorum, when all others are gone; with one it stops at its deadline.
"""

from collections import deque
from typing import NamedTuple

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Entry
from interrex.core.time import earliest
from interrex.elections.bully.changes import MemberChanges
from interrex.elections.bully.companions import Companions
from interrex.elections.bully.messages import (
    NOBODY,
    Beat,
    BeatAnswer,
    ChunkWanted,
    Copied,
    HandOver,
    Joined,
    Refused,
)
from interrex.elections.bully.node import Node
from interrex.elections.bully.payload import NOOP, change_data
from interrex.elections.bully.roles import Claim, Transitions
from interrex.elections.bully.rounds import Rounds
from interrex.elections.bully.watch import Watch
from interrex.elections.interface import (
    ConfirmRead,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
)
from interrex.elections.replicated.reads import Reads

MAX_NAME_BYTES = 65_535
LONG_REIGN = 64
"""After so many time-outs of leading, a worker counts as steady again."""


class Proposal(NamedTuple):
    at: int
    change: ChangeId
    size: int


class Leading:
    """The state of one leadership.

    Invariants: all that was gathered is agreed before a read is confirmed; with a quorum, nothing
    of an older epoch counts as agreed but together with something of this one.
    """

    def __init__(self, node: Node, watch: Watch, server: Transitions, claim: Claim) -> None:
        self._node = node
        self._watch = watch
        self._server = server
        self._claim = claim
        self.epoch = claim.epoch
        self.appointed = claim.appointed
        self.companions = Companions(node, watch.connected, claim.epoch)
        self._rounds = Rounds()
        self._proposals: deque[Proposal] = deque()
        self._open_bytes = 0
        self._reads = Reads()
        self._early_reads: list[int] = []
        self._changes = MemberChanges(node, self.companions, self._append_and_send)
        self._began = node.now
        self._beat_at = node.now
        self._lateness = 0
        lease = node.settings.lease_of(node.settings.election_timeout)
        self.deadline = (claim.asked_at if node.settings.quorum else node.now) + lease
        self._verifying: int | None = None
        """The round that has to be answered before this worker, which was not running for a while,
        calls itself coordinator again."""
        self._first = node.copy.version
        self._successor: WorkerName | None = None
        self._hand_over_until: int | None = None
        self._forgiven = (-1, 0)
        """The write that got a grace after a stop of our own, by when it began, and until when."""
        self._grace_until: int | None = None
        """Past the deadline: until when a majority may still answer."""
        self._graced = False
        self._ended = False

    def begin(self) -> None:
        """Tells everybody, and gives them the copy that was gathered."""
        node = self._node
        if node.settings.quorum:
            self._append(NOOP)
            self._first = node.copy.version
        for worker, _ in self.companions:
            asks = worker not in self._claim.standings
            self.companions.tell(worker, appointed=self.appointed, asks=asks)
        for worker, standing in sorted(self._claim.standings.items()):
            if worker in self._watch.connected:
                self.companions.joined(worker, standing)
        self._beat()
        self._advance()

    @property
    def believes(self) -> bool:
        """Whether it may call itself coordinator now."""
        in_time = self._node.now < self.deadline
        return self._verifying is None and in_time and not self._has_handed_over

    @property
    def _has_handed_over(self) -> bool:
        """Whether a successor was told that it may lead."""
        return self._hand_over_until is not None and self._successor is None

    @property
    def wake_at(self) -> int | None:
        return earliest(
            self._beat_at, self._deadline_due_at, self._disk_due_at, self._hand_over_until
        )

    @property
    def _disk_due_at(self) -> int | None:
        """Until when the disk has to answer; after a stop of our own it gets as long again."""
        since = self._node.disk.waiting_since
        if since is None:
            return None
        forgiven, until = self._forgiven
        due_at = since + self._node.settings.election_timeout
        return max(due_at, until) if forgiven == since else due_at

    @property
    def _deadline_due_at(self) -> int | None:
        if self._verifying is not None:
            return None
        if self._node.now < self.deadline or self._grace_until is None:
            return self.deadline
        return self._grace_until

    @property
    def _knows_all(self) -> bool:
        """Whether all that was gathered is agreed."""
        return self._node.commit >= self._first

    # Time

    def on_time(self, *, late: bool) -> None:
        node = self._node
        disk_due_at = self._disk_due_at
        if disk_due_at is not None and node.now >= disk_due_at:
            since = node.disk.waiting_since
            if since is None or not late or self._forgiven[0] == since:
                self._resign("its disk does not answer")
                return
            self._forgiven = (since, node.now + 2 * node.settings.heartbeat)
        if late:
            self.companions.forgive()
        if node.now >= self.deadline and not self._holds_on(late=late):
            self._server.become_waiting("a majority does not answer")
            return
        if self._hand_over_until is not None and node.now >= self._hand_over_until:
            if self._has_handed_over:
                self._form_again("whoever it handed over to did not take over")
                return
            self._hand_over_until = self._successor = None
        if self.companions.set_silent_aside(self._timeout):
            self._settle_round()
            self._advance()
        if node.now >= self._beat_at and not self._ended:
            late_by = min(node.now - self._beat_at, node.settings.election_timeout)
            self._lateness = max(late_by, self._lateness * 7 // 8)
            self._beat()
            self._changes.drive(ready=self._knows_all)
            if node.now - self._began >= LONG_REIGN * node.settings.election_timeout:
                self._watch.led_long()

    def _holds_on(self, *, late: bool) -> bool:
        """Past the deadline: with a quorum waits a little for a majority to answer; without one it
        was itself not running, and asks whoever it can reach whether they still obey it."""
        node = self._node
        if node.settings.quorum:
            if self._grace_until is None or (late and not self._graced):
                self._graced = late
                self._grace_until = node.now + node.settings.election_timeout
                self._beat_at = node.now
            return node.now < self._grace_until
        if self._verifying is None:
            self.companions.forgive()
            self._beat_at = node.now
            self._verifying = self._rounds.number + 1
        return True

    @property
    def _timeout(self) -> int:
        """How long the others wait for this worker, and it for them."""
        settings = self._node.settings
        bounds = [companion.round_trips.bound for _, companion in self.companions]
        slack = 2 * settings.heartbeat + 2 * self._lateness
        timeout = max(settings.election_timeout, slack + 4 * self._bound(bounds))
        return min(timeout, settings.longest_timeout)

    def _bound(self, bounds: list[int]) -> int:
        """The round trip that those who are needed seldom exceed."""
        if not self._node.settings.quorum:
            return max(bounds, default=0)
        needed = len(self._node.members.members) // 2 - 1
        return sorted(bounds)[needed] if 0 <= needed < len(bounds) else 0

    def _beat(self) -> None:
        """One round to everybody."""
        node = self._node
        timeout = self._timeout
        number = self._rounds.begin(node.now, timeout)
        self._beat_at = node.now + node.settings.heartbeat
        if not node.settings.quorum and self._verifying is None:
            self.deadline = node.now + node.settings.lease_of(timeout)
        bound = self._bound([companion.round_trips.bound for _, companion in self.companions])
        for worker, companion in self.companions:
            if not companion.joined and number > 1:
                self.companions.tell(worker, appointed=self.appointed)
            if companion.unanswered_since is None:
                companion.unanswered_since = node.now
            beat = Beat(
                node.member, self.epoch, number, node.commit, timeout, bound, self.appointed
            )
            node.send(worker, beat)
        self._settle_round()

    def _settle_round(self) -> None:
        """Renews the deadline and confirms reads when enough have answered a round."""
        node = self._node
        number = self.companions.answered(self._rounds)
        settled = self._rounds.get(number)
        if settled is not None:
            lease = node.settings.lease_of(settled.timeout)
            if node.settings.quorum:
                self.deadline = max(self.deadline, settled.sent_at + lease)
                if node.now < self.deadline:
                    self._grace_until, self._graced = None, False
            elif self._verifying is not None and number >= self._verifying:
                self._verifying = None
                self.deadline = node.now + lease
        for read in self._reads.confirmed(number):
            node.effects.append(ReadConfirmed(read, confirmed=self.believes))
        if self._reads.newest_round > self._rounds.number:
            self._beat()

    # Proposals

    def on_propose(self, event: Propose) -> None:
        settings = self._node.settings
        problem = None
        if self._hand_over_until is not None:
            problem = "leadership is being handed over"
        elif len(event.data) > settings.max_change_bytes:
            problem = f"{len(event.data)} bytes are more than {settings.max_change_bytes}"
        elif len(event.change.encode()) > MAX_NAME_BYTES:
            problem = "the change's id is too long"
        elif self._open_bytes + len(event.data) > settings.max_uncommitted_bytes:
            problem = "too much is waiting to be copied"
        if problem is not None:
            self._node.effects.append(ProposalSettled(event.change, None, problem))
            return
        self._append(change_data(event.change, event.data))
        size = len(event.data)
        self._proposals.append(Proposal(self._node.copy.version, event.change, size))
        self._open_bytes += size
        self._send_all()

    def _append(self, data: bytes) -> None:
        node = self._node
        node.append((Entry(node.copy.version + 1, self.epoch, data),))

    def _append_and_send(self, data: bytes) -> None:
        self._append(data)
        self._send_all()

    def _send_all(self) -> None:
        for _, companion in self.companions:
            companion.sending.drive(self._rounds.number)

    # Answers

    def on_joined(self, message: Joined, worker: WorkerName) -> None:
        node = self._node
        node.hear_of_seats(message.standing.seats)
        if message.standing.stamp > node.copy.stamp:
            self._form_again(f"{worker} holds a newer copy")
            return
        self.companions.joined(worker, message.standing)
        self._advance()

    def on_copied(self, message: Copied, worker: WorkerName) -> None:
        companion = self.companions.get(worker)
        if companion is not None and companion.joined:
            companion.sending.on_copied(message.matched, self._rounds.number)
            self._advance()

    def on_wanted(self, message: ChunkWanted, worker: WorkerName) -> None:
        companion = self.companions.get(worker)
        if companion is not None:
            companion.sending.on_wanted(message, self._rounds.number)

    def on_beat_answer(self, message: BeatAnswer, worker: WorkerName) -> None:
        companion = self.companions.get(worker)
        if companion is None:
            return
        self._rounds.answer(worker, message.number)
        answered = self._rounds.get(message.number)
        if answered is not None:
            companion.round_trips.measured(self._node.now - answered.sent_at)
        following = self._rounds.get(self._rounds.last_answer(worker) + 1)
        companion.unanswered_since = following.sent_at if following is not None else None
        companion.aside = False
        if companion.joined:
            companion.sending.on_beat_answer(message, self._rounds.number)
        self._settle_round()
        self._advance()

    def on_snapshot(self) -> None:
        """A whole state was asked of the worker, and is here."""
        self._send_all()

    def on_persisted(self, token: int) -> None:
        del token
        self._advance()

    def _advance(self) -> None:
        """Agrees on what is on enough disks."""
        if self._ended:
            return
        node = self._node
        agreed = min(self.companions.agreed(), node.copy.persisted)
        of_this_epoch = node.copy.epoch_at(agreed) == self.epoch
        if agreed > node.commit and (of_this_epoch or not node.settings.quorum):
            self._commit(agreed)
        self._changes.drive(ready=self._knows_all)
        self._drive_hand_over()
        if node.member not in node.members.members and node.copy.configured_at <= node.commit:
            self._resign("it was removed from the cluster")

    def _commit(self, index: int) -> None:
        node = self._node
        node.commit_to(index)
        while self._proposals and self._proposals[0].at <= index:
            proposal = self._proposals.popleft()
            self._open_bytes -= proposal.size
            node.effects.append(ProposalSettled(proposal.change, proposal.at))
        self._send_all()
        if self._knows_all:
            early, self._early_reads = self._early_reads, []
            for read in early:
                self._ask_read(read)

    # Reads

    def on_confirm_read(self, event: ConfirmRead) -> None:
        if self._knows_all:
            self._ask_read(event.read)
        else:
            self._early_reads.append(event.read)

    def _ask_read(self, read: int) -> None:
        """Confirmed by a round that is sent from now on."""
        under_way = bool(self._reads.waiting)
        self._reads.ask(read, self._rounds.number + 1)
        if not under_way:
            self._beat()

    # Membership

    def on_replace_member(self, event: ReplaceMember) -> None:
        self._changes.ask(event)
        self._changes.drive(ready=self._knows_all)

    # Others

    def on_peer_connected(self, worker: WorkerName) -> None:
        self.companions.came(worker)
        self.companions.tell(worker, appointed=self.appointed)

    def on_peer_lost(self, worker: WorkerName) -> None:
        self.companions.went(worker)
        if worker == self._successor:
            self._hand_over_until = self._successor = None
        self._settle_round()
        self._advance()

    def tell(self, worker: WorkerName) -> None:
        """Says who leads, to one that does not know or does not obey."""
        self.companions.tell(worker, appointed=self.appointed)

    def on_retimed(self) -> None:
        """Its beats come at other times from now on."""
        self._beat()

    def on_refused(self, message: Refused, worker: WorkerName) -> None:
        """Somebody obeys a newer epoch: its coordinator is above this one, or has to be halted."""
        if message.epoch <= self.epoch:
            return
        named = message.leader if message.leader != self._node.worker else NOBODY
        if named != NOBODY and self._yields_to(named):
            self._server.become_waiting(f"{worker} obeys {named}")
        else:
            self._form_again(f"{worker} has seen a newer epoch")

    def on_obeyed(self) -> None:
        """This very worker has obeyed a newer epoch, and refuses its own commands."""
        self._form_again("it has obeyed a newer epoch itself")

    def meet(self, worker: WorkerName, epoch: int) -> bool:
        """Another coordinator is in reach. Returns whether to give way to it.

        The higher of the two takes both sides over; it makes an epoch above both.
        """
        if self._yields_to(worker):
            return epoch > self.epoch
        if epoch > self.epoch:
            self._form_again(f"it met {worker}, another coordinator")
        return False

    def _yields_to(self, worker: WorkerName) -> bool:
        """Who is above it, or has taken over while this worker was not running."""
        return not self._node.is_above(worker) or not self.believes

    def _form_again(self, reason: str) -> None:
        """The sides merge under a new epoch of this worker, which begins with the newest copy."""
        self._server.form(reason, appointed=self.appointed)

    # Handing over

    def on_step_down(self, successor: WorkerName | None) -> None:
        """Starts to hand over to a member in reach; ignored where that is impossible."""
        candidates = [worker for worker in self.companions.group if successor in (None, worker)]
        if self._hand_over_until is not None or not candidates:
            return
        self._successor = max(candidates, key=self._node.order.rank)
        self._hand_over_until = self._node.now + self._timeout
        self._drive_hand_over()

    def _drive_hand_over(self) -> None:
        """Tells the successor once it holds the whole copy."""
        node, successor = self._node, self._successor
        if successor is None or self.companions.matched(successor) < node.copy.version:
            return
        node.send(successor, HandOver(node.member, self.epoch))
        self._successor = None
        self._server.reason = "it has handed over"

    def _resign(self, reason: str) -> None:
        """Stops leading, and asks the next best to go on."""
        group = self.companions.group
        if group:
            node = self._node
            node.send(max(group, key=node.order.rank), HandOver(node.member, self.epoch))
        self._server.become_waiting(reason)

    def end(self, reason: str) -> None:
        """Settles everything that waits: this worker cannot tell any more what becomes of it."""
        self._ended = True
        effects = self._node.effects
        changes = [waiting.change for waiting in self._proposals] + self._changes.abandon()
        self._proposals.clear()
        for change in changes:
            effects.append(ProposalSettled(change, None, reason))
        for read in [*self._early_reads, *self._reads.abandon()]:
            effects.append(ReadConfirmed(read, confirmed=False))
        self._early_reads.clear()
