"""A server that leads: heartbeats, the log, its own deadline, reads, membership, handing over.

Source: paper 5.3, 5.4, 8; thesis 3.10 (transfer), 4 (membership), 6.2 (check-quorum), 6.4 (reads).

What it guarantees is Raft's: one leader per term. Not guaranteed: that no newer leader exists at
this moment. Past its own deadline it does not call itself leader; receivers refuse old epochs.

Differs from the paper: steps down when its disk has not answered for an election time-out, and
hands over as it does; proposals are settled as unknown at once when it is deposed.
"""

from collections import deque
from typing import NamedTuple

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Entry
from interrex.core.time import earliest
from interrex.elections.interface import (
    ConfirmRead,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
)
from interrex.elections.raft.changes import MemberChanges
from interrex.elections.raft.handover import Handover
from interrex.elections.raft.messages import (
    AppendAccepted,
    AppendRefused,
    Heartbeat,
    HeartbeatAnswer,
    SnapshotWanted,
    TimeoutNow,
)
from interrex.elections.raft.node import Node
from interrex.elections.raft.replication import Replication
from interrex.elections.raft.roles import Transitions
from interrex.elections.replicated.lease import Lease
from interrex.elections.replicated.payload import NOOP, change_data
from interrex.elections.replicated.reads import Reads
from interrex.elections.replicated.succession import succession

MAX_NAME_BYTES = 65_535


class Proposal(NamedTuple):
    at: int
    change: ChangeId
    size: int


class Leader:
    """The state of one leadership.

    Invariant: entries of earlier terms are committed only together with one of this term.
    """

    def __init__(self, node: Node, server: Transitions, asked_at: int) -> None:
        self._node = node
        self._server = server
        self._lease = Lease(asked_at + node.settings.lease_of(node.settings.election_timeout))
        self.replication = Replication(node, self._lease)
        self._proposals: deque[Proposal] = deque()
        self._uncommitted_bytes = 0
        self._reads = Reads()
        self._early_reads: list[int] = []
        self._changes = MemberChanges(node, self.replication, self._append)
        self._handover = Handover(node, self.replication)
        self._heartbeat_at = node.now
        self._lateness = 0
        self._grace_until: int | None = None
        self._forgiven = (-1, 0)
        """The write that got a grace after a stop of our own, by when it began, and until when."""
        self._ended = False
        self._first_index = node.log.last_index + 1

    def begin(self) -> None:
        """Tells everybody at once, and appends the entry that commits what came before (8).

        Its first lease counts from its request for votes. Where that runs out before a majority
        has answered a heartbeat, it waits for an election time-out without calling itself leader.
        """
        self._grace_until = self._node.now + self._node.settings.election_timeout
        self._beat()
        self._append(NOOP)
        self.replication.send_all()
        self._advance()

    @property
    def _grace(self) -> int:
        return 2 * self._node.settings.heartbeat

    @property
    def deadline(self) -> int:
        return self._lease.deadline

    @property
    def wake_at(self) -> int | None:
        return earliest(
            self._heartbeat_at,
            self._deadline_due_at,
            self._disk_due_at,
            self._handover.until,
        )

    @property
    def _deadline_due_at(self) -> int:
        """When the deadline is to be noticed, and then when its grace is over."""
        if self._grace_until is None or self._node.now < self._lease.deadline:
            return self._lease.deadline
        return self._grace_until

    @property
    def _disk_due_at(self) -> int | None:
        """Until when the disk has to answer; a little later once after a stop of our own."""
        since = self._node.disk.waiting_since
        if since is None:
            return None
        due_at = since + self._node.settings.election_timeout
        forgiven, until = self._forgiven
        return max(due_at, until) if forgiven == since else due_at

    @property
    def _has_committed(self) -> bool:
        """Whether an entry of this term is committed: then this leader knows all that is."""
        return self._node.commit >= self._first_index

    # Time

    def on_time(self, *, late: bool) -> None:
        node = self._node
        disk_due_at = self._disk_due_at
        if disk_due_at is not None and node.now >= disk_due_at:
            since = node.disk.waiting_since
            if since is None or not late or self._forgiven[0] == since:
                self.resign("its disk does not answer")
                return
            self._forgiven = (since, node.now + self._grace)
        if node.now >= self._lease.deadline and not self._holds_on(late=late):
            self._server.become_follower(node.term, "a majority does not answer")
            return
        self._handover.on_time()
        if node.now >= self._heartbeat_at:
            late_by = min(node.now - self._heartbeat_at, node.settings.election_timeout)
            self._lateness = max(late_by, self._lateness * 7 // 8)
            self._beat()
            self._changes.drive(ready=self._has_committed)

    def _holds_on(self, *, late: bool) -> bool:
        """Past the deadline: whether to ask the followers once more, after a stop of our own.

        This server does not call itself leader meanwhile.
        """
        if self._node.membership.majority == 1 and self._node.is_voter:
            self._beat()
            return True
        if self._grace_until is None and late:
            self._grace_until = self._node.now + self._grace
            self._heartbeat_at = self._node.now
        return self._grace_until is not None and self._node.now < self._grace_until

    def _beat(self) -> None:
        """One heartbeat round to everybody."""
        node, settings = self._node, self._node.settings
        bound = self._quorum_bound()
        slack = 2 * settings.heartbeat + 2 * self._lateness
        timeout = max(settings.election_timeout, slack + 4 * bound)
        timeout = min(timeout, settings.longest_timeout)
        number = self._lease.begin(node.now, timeout)
        self._heartbeat_at = node.now + settings.heartbeat
        self._rank(number)
        for member, progress in self.replication.progress.items():
            own = min(slack + 4 * progress.round_trips.bound, settings.longest_timeout)
            beat = Heartbeat(
                member,
                node.member,
                node.term,
                number,
                node.commit,
                max(timeout, own),
                bound,
                self.replication.order,
            )
            node.send(member, beat)
        self._settle_round()

    def _quorum_bound(self) -> int:
        """The round trip that the fastest majority seldom exceeds."""
        progress = self.replication.progress
        bounds = sorted(
            progress[one].round_trips.bound
            for one in self._node.membership.voters
            if one in progress
        )
        needed = self._node.membership.majority - 2
        return bounds[needed] if 0 <= needed < len(bounds) else 0

    def _rank(self, number: int) -> None:
        lease, voters = self._lease, self._node.membership.voters
        active = {one for one in voters if lease.last_answer(one) + 4 >= number}
        self.replication.order = succession(
            voters, self._node.member, self.replication.matched, active
        )

    def _settle_round(self) -> None:
        """Renews the lease and confirms reads when a majority has answered a round."""
        node = self._node
        settled = self._lease.settle(node.member, node.membership.voters)
        if settled is None:
            return
        lease = node.settings.lease_of(settled.timeout)
        self._lease.deadline = max(self._lease.deadline, settled.sent_at + lease)
        if node.now < self._lease.deadline:
            self._grace_until = None
        self._confirm(self._reads.confirmed(settled.number))

    # Proposals

    def on_propose(self, event: Propose) -> None:
        settings = self._node.settings
        problem = None
        if self._handover.until is not None:
            problem = "leadership is being handed over"
        elif len(event.data) > settings.max_change_bytes:
            problem = f"{len(event.data)} bytes are more than {settings.max_change_bytes}"
        elif len(event.change.encode()) > MAX_NAME_BYTES:
            problem = "the change's id is too long"
        elif self._uncommitted_bytes + len(event.data) > settings.max_uncommitted_bytes:
            problem = "too much is waiting to be committed"
        if problem is not None:
            self._node.effects.append(ProposalSettled(event.change, None, problem))
            return
        self._append(change_data(event.change, event.data))
        size = len(event.data)
        self._proposals.append(Proposal(self._node.log.last_index, event.change, size))
        self._uncommitted_bytes += size
        self.replication.send_all()

    def _append(self, data: bytes) -> None:
        node = self._node
        node.append((Entry(node.log.last_index + 1, node.term, data),))

    # Answers

    def on_accepted(self, message: AppendAccepted) -> None:
        self.replication.on_accepted(message)
        self._advance()
        self._send_on(message.source)

    def on_refused(self, message: AppendRefused) -> None:
        self.replication.on_refused(message)

    def on_heartbeat_answer(self, message: HeartbeatAnswer) -> None:
        self._lease.answer(message.source, message.round)
        progress = self.replication.progress.get(message.source)
        sent_at = self._lease.sent_at(message.round)
        if progress is not None and sent_at is not None:
            progress.round_trips.measured(self._node.now - sent_at)
        self.replication.on_heartbeat_answer(message)
        self._settle_round()
        self._advance()
        self._send_on(message.source)

    def _send_on(self, member: int) -> None:
        progress = self.replication.progress.get(member)
        if progress is not None and not self._ended:
            self.replication.send(progress)

    def on_snapshot_wanted(self, message: SnapshotWanted) -> None:
        self.replication.on_snapshot_wanted(message)

    def on_persisted(self, token: int) -> None:
        del token
        self._advance()

    def _advance(self) -> None:
        """Commits what a majority holds, if its last entry is of this term (paper, 5.4.2)."""
        node = self._node
        agreed = self.replication.agreed()
        if agreed > node.commit and node.log.term_at(agreed) == node.term:
            self._commit(agreed)
        self._changes.drive(ready=self._has_committed)
        self._handover.drive()
        if not node.is_voter and node.membership.index <= node.commit:
            self.resign("it was removed from the cluster")

    def _commit(self, index: int) -> None:
        node = self._node
        knew_all = self._has_committed
        node.commit_to(index)
        while self._proposals and self._proposals[0].at <= index:
            proposal = self._proposals.popleft()
            self._uncommitted_bytes -= proposal.size
            node.effects.append(ProposalSettled(proposal.change, proposal.at))
        self.replication.send_all()
        self.replication.adopt_members()
        if not knew_all:
            for read in self._early_reads:
                self._ask_read(read)
            self._early_reads.clear()

    # Reads

    def on_confirm_read(self, event: ConfirmRead) -> None:
        if self._has_committed:
            self._ask_read(event.read)
        else:
            self._early_reads.append(event.read)

    def _ask_read(self, read: int) -> None:
        """Waits for the next round; sends it now unless one for reads is still under way."""
        under_way = bool(self._reads) and self._lease.answered < self._lease.number
        self._reads.ask(read, self._lease.number + 1)
        if not under_way:
            self._beat()

    def _confirm(self, reads: list[int]) -> None:
        for read in reads:
            self._node.effects.append(ReadConfirmed(read, confirmed=True))
        if self._reads.newest_round > self._lease.number:
            self._beat()

    # Membership

    def on_replace_member(self, event: ReplaceMember) -> None:
        self._changes.ask(event)
        self._changes.drive(ready=self._has_committed)

    # Handing over

    def on_step_down(self, successor: WorkerName | None) -> None:
        """Starts a transfer to a voter; ignored where that is impossible or under way."""
        node = self._node
        if self._handover.until is not None:
            return
        target = self._best_placed() if successor is None else node.membership.member_of(successor)
        if target is not None and target != node.member:
            self._handover.begin(target)

    def _best_placed(self) -> int | None:
        self._rank(self._lease.number)
        return self.replication.order[0] if self.replication.order else None

    def on_peer_lost(self, member: int) -> None:
        self._handover.on_peer_lost(member)

    def on_peer_connected(self, member: int) -> None:
        """Tells it who leads, and where the log goes on."""
        if member in self.replication.progress:
            self.replication.reconnected(member)
            self._beat()
            self.replication.send(self.replication.progress[member])

    def on_retimed(self) -> None:
        """Its heartbeats come at other times from now on."""
        self._beat()

    def resign(self, reason: str) -> None:
        """Stops leading, and asks the best placed voter to go on."""
        node, target = self._node, self._best_placed()
        if target is not None:
            node.send(target, TimeoutNow(target, node.member, node.term))
        self._server.become_follower(node.term, reason)

    def end(self, reason: str) -> None:
        """Settles everything that waits: this server cannot tell any more what becomes of it."""
        self._ended = True
        effects = self._node.effects
        changes = [waiting.change for waiting in self._proposals] + self._changes.abandon()
        self._proposals.clear()
        for change in changes:
            effects.append(ProposalSettled(change, None, reason))
        for read in [*self._early_reads, *self._reads.abandon()]:
            effects.append(ReadConfirmed(read, confirmed=False))
        self._early_reads.clear()
