"""A server that leads: phase 2 for every slot, heartbeats, its own deadline, reads, handing over.

Source: PMS 2.4, 3 (the leader is the only proposer); PMMC 2.4 (commanders); PML 5.1 (a leader that
may have been replaced), 5.2 (leases), 5.4 (epochs); check-quorum as in Raft (thesis, 6.2).

What it guarantees is one leader per round. Not guaranteed: that no newer leader exists at this
moment. Past its own deadline it does not call itself leader; receivers refuse old epochs.

Differs from the papers: reads ask a majority by a heartbeat, and never rely on the lease alone;
the leader steps down when its disk has not answered for an election time-out, and hands over as
it does; proposals are settled as unknown at once when it is deposed.
"""

from interrex.core.ids import WorkerName
from interrex.core.quorum import majority
from interrex.core.time import earliest
from interrex.elections.interface import (
    ConfirmRead,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
)
from interrex.elections.paxos.changes import MemberChanges
from interrex.elections.paxos.findings import Findings
from interrex.elections.paxos.handover import Handover
from interrex.elections.paxos.messages import (
    Accepted,
    Heartbeat,
    HeartbeatAnswer,
    Promise,
    Refused,
    SnapshotWanted,
    TakeOver,
)
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.proposals import Proposals
from interrex.elections.paxos.replication import Replication
from interrex.elections.paxos.roles import Transitions
from interrex.elections.replicated.lease import Lease
from interrex.elections.replicated.payload import change_data
from interrex.elections.replicated.reads import Reads
from interrex.elections.replicated.succession import succession

MAX_NAME_BYTES = 65_535


class Leader:
    """The state of one leadership.

    Invariant: it is *established*, and may call itself leader, only once a majority of every
    configuration that governs one of the next ``window`` slots has promised its round, and
    nothing was found to be accepted behind those slots. Then nobody else is in the same round:
    another one would need the same promises, or would have learned all those slots, of which the
    last would have been found.
    """

    def __init__(
        self, node: Node, server: Transitions, findings: Findings, campaign: int, asked_at: int
    ) -> None:
        self._node = node
        self._server = server
        self._findings = findings
        self._campaign = campaign
        self._refused: set[int] = set()
        self._lease = Lease(asked_at + node.settings.lease_of(node.settings.election_timeout))
        self.replication = Replication(node, self._lease)
        self._proposals = Proposals(node, self.replication, findings)
        self._reads = Reads()
        self._early_reads: list[int] = []
        self._changes = MemberChanges(node, self.replication, self._propose)
        self._handover = Handover(node, self.replication)
        self._heartbeat_at = node.now
        self._lateness = 0
        self._grace_until: int | None = None
        self._forgiven = (-1, 0)
        """The write that got a grace after a stop of our own, by when it began, and until when."""
        self._ended = False
        self.established = False

    def begin(self) -> None:
        """Tells everybody at once, and proposes what was found.

        Its first lease counts from its Prepare. Where that runs out before a majority has
        answered a heartbeat, it waits for an election time-out without calling itself leader.
        """
        self._grace_until = self._node.now + self._node.settings.election_timeout
        self._establish()
        if not self.established:
            self._beat()
        for member, chosen in self._findings.known.items():
            self.replication.found(member, chosen)
        self._proposals.pump()
        self.replication.send_all()
        self._prepare_more()
        self._advance()

    def _establish(self) -> None:
        node = self._node
        found_within = self._proposals.found_to < node.chosen + node.settings.window
        if found_within and node.membership.has_quorum(self._findings.promised):
            self.established = True
            self._beat()

    # Phase 1 for those who become acceptors later

    def _prepare_more(self) -> None:
        """Acceptors of a configuration that was learned since have to promise as well."""
        node, findings = self._node, self._findings
        if node.membership.has_quorum(findings.promised):
            return
        findings.go_on()
        for member in findings.missing(node.membership.electorate):
            if member != node.member:
                node.send(member, findings.prepare(member, self._campaign, 0))

    def on_promise(self, message: Promise) -> None:
        """A promise that came later than a majority, or of an acceptor that came later."""
        if message.campaign != self._campaign:
            return
        node, findings = self._node, self._findings
        wanted = not node.membership.has_quorum(findings.promised)
        more = findings.take(message)
        if more is not None:
            node.send(message.source, findings.prepare(message.source, self._campaign, 0, more))
            return
        self.replication.found(message.source, message.chosen)
        if wanted:
            self._proposals.found()
            self._proposals.pump()
            self._advance()
        self._send_on(message.source)

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
    def _has_learned_all(self) -> bool:
        """Whether this leader knows all that was ever acknowledged."""
        return self.established and self._proposals.has_learned_all

    def on_refused(self, message: Refused) -> None:
        """An acceptor that came later has promised this round to somebody else before.

        Where no majority of them is left, only a later round goes on.
        """
        if message.campaign != self._campaign:
            return
        membership, promised = self._node.membership, self._findings.promised
        self._refused.add(message.source)
        if not membership.has_quorum(promised) and (
            not membership.can_reach_quorum(self._refused - promised)
        ):
            self._server.begin_anew("those who came later have promised its round to another")

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
            self._server.become_follower(node.round, "a majority does not answer")
            return
        self._handover.on_time()
        if node.now >= self._heartbeat_at:
            late_by = min(node.now - self._heartbeat_at, node.settings.election_timeout)
            self._lateness = max(late_by, self._lateness * 7 // 8)
            self._beat()
            self._prepare_more()
            self._changes.drive(ready=self._has_learned_all)

    def _holds_on(self, *, late: bool) -> bool:
        """Past the deadline: whether to ask the followers once more, after a stop of our own.

        This server does not call itself leader meanwhile.
        """
        if self._node.membership.is_alone(self._node.member):
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
                node.round,
                self.established,
                number,
                node.chosen,
                max(timeout, own),
                bound,
                self.replication.order,
            )
            node.send(member, beat)
        self._settle_round()

    def _quorum_bound(self) -> int:
        """The round trip that the fastest majority seldom exceeds."""
        progress = self.replication.progress
        bounds = []
        for voters in self._node.membership.groups:
            others = sorted(progress[one].round_trips.bound for one in voters if one in progress)
            needed = majority(len(voters)) - 2
            bounds.append(others[needed] if 0 <= needed < len(others) else 0)
        return max(bounds, default=0)

    def _rank(self, number: int) -> None:
        lease, voters = self._lease, self._node.membership.voters
        active = {one for one in voters if lease.last_answer(one) + 4 >= number}
        self.replication.order = succession(
            voters, self._node.member, self.replication.matched, active
        )

    def _settle_round(self) -> None:
        """Renews the lease and confirms reads when a majority has answered a round."""
        node = self._node
        settled = self._lease.settle(node.member, *node.membership.groups)
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
        elif self._proposals.too_much(len(event.data)):
            problem = "too much is waiting to be chosen"
        if problem is not None:
            self._node.effects.append(ProposalSettled(event.change, None, problem))
            return
        self._proposals.add(event.change, change_data(event.change, event.data))

    def _propose(self, data: bytes) -> None:
        self._proposals.add(None, data)

    # Answers

    def on_accepted(self, message: Accepted) -> None:
        self.replication.on_accepted(message)
        self._advance()
        self._send_on(message.source)

    def on_heartbeat_answer(self, message: HeartbeatAnswer) -> None:
        self._lease.answer(message.source, message.beat)
        progress = self.replication.progress.get(message.source)
        sent_at = self._lease.sent_at(message.beat)
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
        """Learns what a majority of each slot's acceptors has accepted."""
        node = self._node
        while (agreed := self.replication.agreed()) > node.chosen:
            self._learn(agreed)
        if not self.established:
            self._establish()
        self._changes.drive(ready=self._has_learned_all)
        self._handover.drive(ready=self._proposals.is_empty)
        if not node.may_campaign and not self._ended:
            self.resign("it was removed from the cluster")

    def _learn(self, index: int) -> None:
        node, membership = self._node, self._node.membership
        before = (membership.groups, membership.newest)
        node.learn_to(index)
        self._proposals.learned(index)
        if before != (membership.groups, membership.newest):
            self.replication.adopt_members()
            self._prepare_more()
        self._proposals.pump()
        self.replication.send_all()
        if self._early_reads and self._has_learned_all:
            for read in self._early_reads:
                self._ask_read(read)
            self._early_reads.clear()

    # Reads

    def on_confirm_read(self, event: ConfirmRead) -> None:
        if self._has_learned_all:
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
        self._changes.drive(ready=self._has_learned_all)

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
        """Tells it who leads; its answer says where to go on."""
        if member in self.replication.progress:
            self.replication.reconnected(member)
            self._beat()

    def on_retimed(self) -> None:
        """Its heartbeats come at other times from now on."""
        self._beat()

    def resign(self, reason: str) -> None:
        """Stops leading, and asks the best placed voter to go on."""
        node, target = self._node, self._best_placed()
        if target is not None:
            node.send(target, TakeOver(target, node.member, node.round))
        self._server.become_follower(node.round, reason)

    def end(self, reason: str) -> None:
        """Settles everything that waits: this server cannot tell any more what becomes of it."""
        self._ended = True
        effects = self._node.effects
        for change in [*self._proposals.abandon(), *self._changes.abandon()]:
            effects.append(ProposalSettled(change, None, reason))
        for read in [*self._early_reads, *self._reads.abandon()]:
            effects.append(ReadConfirmed(read, confirmed=False))
        self._early_reads.clear()
