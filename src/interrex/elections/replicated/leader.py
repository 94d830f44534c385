"""A server that leads: heartbeats, its own deadline, reads, handing over.

Source: Raft's thesis 3.10 (transfer), 6.2 (check-quorum), 6.4 (reads); PML 5.1 (a leader that may
have been replaced), 5.2 (leases).

Not guaranteed: that no newer leader exists at this moment. Past its own deadline it does not call
itself leader; receivers refuse old epochs.

Differs from the papers: in calm times every second heartbeat is a sign of life only, which nobody
answers, and each of the others is answered by a majority in turn; reads ask a majority by a
heartbeat, and never rely on the lease alone; the leader steps down when its disk has not answered
for an election time-out, and hands over as it does; proposals are settled as unknown at once when
it is deposed.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.quorum import majority
from interrex.core.time import earliest
from interrex.elections.interface import (
    ConfirmRead,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
)
from interrex.elections.replicated.changes import MemberChanges
from interrex.elections.replicated.handover import Handover
from interrex.elections.replicated.lease import UNANSWERED, Lease
from interrex.elections.replicated.node import DurableNode
from interrex.elections.replicated.reads import Reads
from interrex.elections.replicated.replication import LogReplication
from interrex.elections.replicated.roles import Transitions
from interrex.elections.replicated.succession import succession

MAX_NAME_BYTES = 65_535


class LeaderRole:
    """The state of one leadership."""

    established = True
    """Whether nobody else can lead in this epoch: then it may call itself leader."""
    replication: LogReplication[Any]
    _changes: MemberChanges

    def __init__(self, node: DurableNode[Any], server: Transitions, asked_at: int) -> None:
        self._node = node
        self._server = server
        self._lease = Lease(asked_at + node.settings.lease_of(node.settings.election_timeout))
        self._handover = Handover(node, self._tell_to_stand)
        self._reads = Reads()
        self._early_reads: list[int] = []
        self._heartbeat_at = node.now
        self._lateness = 0
        self._grace_until: int | None = None
        self._forgiven = (-1, 0)
        """The write that got a grace after a stop of our own, by when it began, and until when."""
        self._ended = False

    # What an election's own leader says

    def _begin(self) -> None:
        """Tells everybody at once, and sees to what came before."""
        raise NotImplementedError

    @property
    def _knows_all(self) -> bool:
        """Whether this leader knows all that was ever acknowledged."""
        raise NotImplementedError

    def _heartbeat(self, member: int, number: int, timeout: int, bound: int) -> msgspec.Struct:
        """The message of one heartbeat, of a round or UNANSWERED."""
        raise NotImplementedError

    def _tell_to_stand(self, member: int) -> None:
        """Lets a member campaign at once: this server hands over."""
        raise NotImplementedError

    def _has_room_for(self, size: int) -> bool:
        """Whether so many bytes more may wait to be committed."""
        raise NotImplementedError

    def _propose(self, change: ChangeId, data: bytes) -> None:
        """Proposes a change that nothing speaks against."""
        raise NotImplementedError

    def _advance(self) -> None:
        """Commits what the disks of a majority hold."""
        raise NotImplementedError

    def _abandon(self) -> list[ChangeId]:
        """The changes that are not settled, and forgets them."""
        raise NotImplementedError

    def begin(self) -> None:
        """Has just won.

        Its first lease counts from its request to be elected. Where that runs out before a
        majority has answered a heartbeat, it waits for an election time-out without calling
        itself leader.
        """
        self._grace_until = self._node.now + self._node.settings.election_timeout
        self._begin()

    # Time

    @property
    def _grace(self) -> int:
        return 2 * self._node.settings.heartbeat

    @property
    def deadline(self) -> int:
        return self._lease.deadline

    @property
    def leading(self) -> bool:
        """Whether it may call itself leader, as of the last step."""
        in_time = self._node.now < self._lease.deadline
        return self.established and in_time and not self.has_handed_over

    @property
    def has_handed_over(self) -> bool:
        """Whether a successor was told that it may lead."""
        return self._handover.told

    @property
    def wake_at(self) -> int | None:
        noticed_at = self._lease.deadline
        if self._grace_until is not None and self._node.now >= noticed_at:
            noticed_at = self._grace_until
        since = self._node.disk.waiting_since
        disk_due_at = None if since is None else self._disk_due_at(since)
        return earliest(self._heartbeat_at, noticed_at, disk_due_at, self._handover.until)

    def _disk_due_at(self, since: int) -> int:
        """Until when the disk has to answer what it was given then; a little later once after a
        stop of our own."""
        due_at = since + self._node.settings.election_timeout
        forgiven, until = self._forgiven
        return max(due_at, until) if forgiven == since else due_at

    def on_time(self, *, late: bool) -> None:
        node = self._node
        since = node.disk.waiting_since
        if since is not None and node.now >= self._disk_due_at(since):
            if not late or self._forgiven[0] == since:
                self.resign("its disk does not answer")
                return
            self._forgiven = (since, node.now + self._grace)
        if node.now >= self._lease.deadline and not self._holds_on(late=late):
            self._server.become_follower(node.epoch, "a majority does not answer")
            return
        if self._handover.must_be_given_up():
            self._give_handover_up()
            if self._ended:
                return
        if node.now >= self._heartbeat_at:
            self._lateness = max(self._late_by, self._lateness * 7 // 8)
            self._beat(self._who_answers())
            self._look_after_members()

    @property
    def _late_by(self) -> int:
        """How much later than it was due a heartbeat is sent now (ns)."""
        late_by = self._node.now - self._heartbeat_at
        return min(max(late_by, 0), self._node.settings.election_timeout)

    def _holds_on(self, *, late: bool) -> bool:
        """Past the deadline: whether to ask the followers once more, after a stop of our own.

        This server does not call itself leader meanwhile.
        """
        if self._node.membership.is_alone(self._node.member):
            self._beat()
            return True
        if self._grace_until is None and late:
            self._grace_until = self._node.now + self._grace
            self._lateness = max(self._late_by, self._lateness)
            self._heartbeat_at = self._node.now
        return self._grace_until is not None and self._node.now < self._grace_until

    def _look_after_members(self) -> None:
        if self._changes.waiting:
            self._changes.drive(ready=self._knows_all)

    def _who_answers(self) -> Collection[int]:
        """Who is to answer the heartbeat that is due. Everybody, but in calm times: nobody every
        second time, and else, with this server, a majority in turn."""
        everybody = self.replication.progress
        if not self._is_calm:
            return everybody
        lease, heartbeat, now = self._lease, self._node.settings.heartbeat, self._node.now
        left = lease.deadline - now
        if now - lease.sent_at < 2 * heartbeat - heartbeat // 2:
            return () if left >= 2 * heartbeat else everybody
        return (self._in_turn() or everybody) if left >= heartbeat + heartbeat // 2 else everybody

    @property
    def _is_calm(self) -> bool:
        """Whether everybody has answered what they were last asked, nothing is under way, nothing
        comes late."""
        replication = self.replication
        return (
            not self._reads.waiting
            and 2 * self._lateness + 4 * replication.slowest <= self._node.settings.heartbeat
            and self._lease.is_answered_by(replication.progress.keys())
            and replication.is_done
        )

    def _in_turn(self) -> list[int]:
        """So many other voters as are a majority with this server, others each time."""
        node = self._node
        voters = node.membership.voters
        if len(node.membership.groups) > 1 or node.member not in voters:
            return []
        others = [member for member in self.replication.progress if member in voters]
        needed = majority(len(voters)) - 1
        first = self._lease.number * needed
        return [others[(first + more) % len(others)] for more in range(min(needed, len(others)))]

    def _beat(self, answering: Collection[int] | None = None) -> None:
        """One heartbeat to everybody, and a round of its own where somebody is to answer it: all,
        unless told whom."""
        node, settings = self._node, self._node.settings
        if answering is None:
            answering = self.replication.progress
        bound = self._quorum_bound()
        slack = 2 * settings.heartbeat + 2 * self._lateness
        longest = settings.longest_timeout
        timeout = min(max(settings.election_timeout, slack + 4 * bound), longest)
        self._heartbeat_at = node.now + settings.heartbeat
        begins = bool(answering) or not self.replication.progress
        if begins:
            self._lease.begin(node.now, timeout, answering)
            self._rank(self._lease.number)
        for member, progress in self.replication.progress.items():
            own = min(slack + 4 * progress.round_trips.bound, longest)
            number = self._lease.number if member in answering else UNANSWERED
            node.send(member, self._heartbeat(member, number, max(timeout, own), bound))
        if begins:
            self._settle_round()

    def _quorum_bound(self) -> int:
        """The round trip that the fastest majority seldom exceeds."""
        progress = self.replication.progress
        bound = 0
        for voters in self._node.membership.groups:
            others = sorted([progress[one].round_trips.bound for one in voters if one in progress])
            needed = majority(len(voters)) - 2
            if 0 <= needed < len(others) and others[needed] > bound:
                bound = others[needed]
        return bound

    def _rank(self, number: int) -> None:
        voters = self._node.membership.voters
        active = self._lease.active(voters, number - 4)
        self.replication.order = succession(
            voters, self._node.member, self.replication.matched, active
        )

    def _settle_round(self) -> None:
        """Renews the lease and confirms reads when a majority has answered a round."""
        node = self._node
        settled = self._lease.settle(node.member, node.membership.groups)
        if settled is None:
            return
        lease = node.settings.lease_of(settled.timeout)
        self._lease.deadline = max(self._lease.deadline, settled.sent_at + lease)
        if node.now < self._lease.deadline:
            self._grace_until = None
        if self._reads.waiting:
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
        elif not self._has_room_for(len(event.data)):
            problem = "too much is waiting to be committed"
        if problem is not None:
            self._node.effects.append(ProposalSettled(event.change, None, problem))
            return
        self._propose(event.change, event.data)

    # Answers

    def _take_answer(self, member: int, number: int) -> None:
        """A member has answered the heartbeat round of this number."""
        sent_at = self._lease.answer(member, number)
        progress = self.replication.progress.get(member)
        if progress is not None and sent_at is not None:
            progress.round_trips.measured(self._node.now - sent_at)

    def _send_on(self, member: int) -> None:
        progress = self.replication.progress.get(member)
        if progress is not None and not self._ended:
            self.replication.send(progress)

    def on_persisted(self, token: int) -> None:
        del token
        self._advance()

    # Reads

    def on_confirm_read(self, event: ConfirmRead) -> None:
        if self._knows_all:
            self._ask_read(event.read)
        else:
            self._early_reads.append(event.read)

    def _ask_early_reads(self) -> None:
        """Those that were asked before this leader knew all, once it does."""
        if self._early_reads and self._knows_all:
            for read in self._early_reads:
                self._ask_read(read)
            self._early_reads.clear()

    def _ask_read(self, read: int) -> None:
        """Waits for the next round; sends it now unless one for reads is still under way."""
        under_way = bool(self._reads.waiting) and self._lease.answered < self._lease.number
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
        self._changes.drive(ready=self._knows_all)

    # Handing over

    def on_step_down(self, successor: WorkerName | None) -> None:
        """Starts a transfer to a voter; ignored where that is impossible or under way."""
        node = self._node
        if self._handover.until is not None:
            return
        target = self._best_placed() if successor is None else node.membership.member_of(successor)
        if target is not None and target != node.member:
            self._handover.begin(target)
            self._drive_handover()

    def _drive_handover(self) -> None:
        self._handover.drive(self.replication.matched, self.replication.last_proposed())

    def _best_placed(self) -> int | None:
        self._rank(self._lease.number)
        return self.replication.order[0] if self.replication.order else None

    def _give_handover_up(self) -> None:
        if not self._handover.give_up():
            self._server.begin_anew("whoever it handed over to did not take over")

    def on_peer_lost(self, member: int) -> None:
        if self._handover.is_to(member):
            self._give_handover_up()

    def on_peer_connected(self, member: int) -> None:
        """Tells it who leads, and where the log goes on."""
        progress = self.replication.progress.get(member)
        if progress is not None:
            self.replication.reconnected(member)
            self._beat()
            self.replication.send(progress)

    def on_retimed(self) -> None:
        """Its heartbeats come at other times from now on."""
        self._beat()

    def resign(self, reason: str) -> None:
        """Stops leading, and asks the best placed voter to go on."""
        target = self._best_placed()
        if target is not None:
            self._tell_to_stand(target)
        self._server.become_follower(self._node.epoch, reason)

    def end(self, reason: str) -> None:
        """Settles everything that waits: this server cannot tell any more what becomes of it."""
        self._ended = True
        effects = self._node.effects
        for change in [*self._abandon(), *self._changes.abandon()]:
            effects.append(ProposalSettled(change, None, reason))
        for read in [*self._early_reads, *self._reads.abandon()]:
            effects.append(ReadConfirmed(read, confirmed=False))
        self._early_reads.clear()
