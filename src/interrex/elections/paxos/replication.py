"""The leader's side of phase 2: what each acceptor is sent, and what its answers mean.

Source: PMS 2.2 (phase 2), 2.3 (the leader is the distinguished learner), 3 (many instances at
once); PMMC 2.4 (commanders); PML 5.5 (catching up).
"""

from interrex.core.quorum import agreed_index
from interrex.core.storage import Snapshot
from interrex.elections.paxos.messages import (
    Accept,
    Accepted,
    Chosen,
    HeartbeatAnswer,
    InstallSnapshot,
)
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.progress import Progress, State
from interrex.elections.paxos.transfer import chunk
from interrex.elections.replicated.lease import Lease
from interrex.elections.replicated.replication import LogReplication


class Replication(LogReplication[Progress]):
    """The acceptors and learners of one leadership.

    Invariants: ``matched`` holds, for every member, a slot up to which its disk is known to hold
    this leader's values; all slots of this server up to ``proposed`` hold them too.
    """

    _node: Node

    def __init__(self, node: Node, lease: Lease) -> None:
        super().__init__(node, lease, node.slots)
        self.proposed = node.chosen
        """The last slot that this leader has proposed in, or knows the value of."""
        self.adopt_members()

    def last_proposed(self) -> int:
        return self.proposed

    def adopt_members(self) -> None:
        """Follows the configurations; who acts for none of the next slots is served no more."""
        members = self._node.membership.all
        for member in members:
            if member != self._node.member and member not in self.progress:
                self.progress[member] = Progress(member)
                self.matched[member] = 0
        for member in [one for one in self.progress if one not in members]:
            self.tell_chosen(member)  # that it goes, if it holds what says so
            del self.progress[member], self.matched[member]

    def tell_chosen(self, member: int) -> None:
        """Lets a member learn all that is chosen, as far as it holds it."""
        node = self._node
        chosen = min(node.chosen, self.matched[member])
        node.send(member, Chosen(member, node.member, node.round, chosen))

    def found(self, member: int, chosen: int) -> None:
        """An acceptor says, in its promise, up to where it has learned everything."""
        progress = self.progress.get(member)
        if progress is not None and progress.state is State.LOST:
            self._go_on_from(progress, chosen, chosen)

    def agreed(self) -> int:
        """Up to which slot a majority of each slot's acceptors holds the value on disk."""
        node, membership = self._node, self._node.membership
        self.matched[node.member] = min(node.slots.persisted, self.proposed)
        reached = node.chosen
        while reached < self.proposed:
            end = membership.last_governed_like(reached + 1)
            agreed = agreed_index(membership.governing(reached + 1), self.matched)
            if end is None or agreed < end:
                reached = max(reached, agreed)
                break
            reached = end
        return min(reached, self.proposed)

    def reconnected(self, member: int) -> None:
        """Nothing that was under way arrives any more: its next answer says where it stands."""
        progress = self.progress.get(member)
        if progress is not None:
            progress.become_lost()

    # Sending

    def send(self, progress: Progress) -> None:
        """Sends all that may be sent now."""
        node = self._node
        while progress.state is State.REPLICATE:
            if progress.next > self.proposed:
                self._send_chosen(progress)
                return
            if progress.inflight and not self._may_send_more(progress):
                return
            if progress.next < node.slots.first:
                snapshot = node.slots.snapshot
                if snapshot is None:
                    return
                progress.become_snapshot(snapshot)
                break
            self._send_values(progress)
        if progress.state is State.SNAPSHOT:
            self._send_chunk(progress)

    def _send_values(self, progress: Progress) -> None:
        node, start = self._node, progress.next
        values, size = node.slots.batch(start, self.proposed, node.settings.batch_bytes)
        message = Accept(
            progress.member, node.member, node.round, start, node.chosen, self.order, values
        )
        node.send(progress.member, message)
        progress.sent(start + len(values) - 1, self._lease.number)
        progress.sent_bytes += size
        progress.commit_sent = node.chosen

    def _send_chosen(self, progress: Progress) -> None:
        chosen = min(self._node.chosen, progress.match)
        if progress.commit_sent < chosen and not progress.inflight:
            progress.commit_sent = chosen
            node = self._node
            node.send(progress.member, Chosen(progress.member, node.member, node.round, chosen))

    def _chunk(self, member: int, snapshot: Snapshot, offset: int) -> InstallSnapshot:
        node = self._node
        size = node.settings.snapshot_chunk_bytes
        return chunk(node.member, member, node.round, snapshot, offset, size, leads=True)

    # Answers

    def on_accepted(self, message: Accepted) -> None:
        """Notes what is on the acceptor's disk; the caller sends on."""
        progress = self.progress.get(message.source)
        if progress is None:
            return
        self._accepted(progress, message.matched)
        if progress.state is State.LOST:
            self._go_on_from(progress, message.matched, message.matched)

    def _accepted(self, progress: Progress, matched: int) -> None:
        if progress.accepted(matched):
            self.matched[progress.member] = matched
        snapshot = progress.snapshot
        if snapshot is not None and matched >= snapshot.index:
            self._go_on_from(progress, matched, matched)

    def _go_on_from(self, progress: Progress, received: int, matched: int) -> None:
        progress.become_replicate(received, matched)
        self.matched[progress.member] = progress.match
        self._count_unsent(progress)

    def _count_unsent(self, progress: Progress) -> None:
        slots = self._node.slots
        start = max(progress.next, slots.first)
        unsent = sum(len(entry.data) for entry in slots.slice(start, self.proposed))
        progress.sent_bytes = slots.appended_bytes - unsent

    def on_heartbeat_answer(self, message: HeartbeatAnswer) -> None:
        """Finds what was lost: the answer is to a beat sent after it, and does not know it.

        The caller sends on.
        """
        progress = self.progress.get(message.source)
        if progress is None:
            return
        self._accepted(progress, message.matched)
        if progress.state is State.LOST:
            self._go_on_from(progress, message.received, message.matched)
        elif message.beat > progress.sent_round:
            if progress.state is State.SNAPSHOT:
                progress.paused = False
                progress.goes_back = True
            elif message.received < progress.next - 1:
                self._go_on_from(progress, message.received, message.matched)
