"""A server that leads: which entries it appends, and when they are committed.

Source: paper 5.3, 5.4, 8. Heartbeats, the deadline, reads and handing over are in
``replicated.leader``: the thesis' 3.10, 6.2 and 6.4.

What it guarantees is Raft's: one leader per term. Not guaranteed: that no newer leader exists at
this moment.
"""

from collections import deque
from typing import NamedTuple

from interrex.core.ids import ChangeId
from interrex.core.storage import Entry
from interrex.elections.interface import ProposalSettled
from interrex.elections.raft.changes import MemberChanges
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
from interrex.elections.replicated.leader import LeaderRole
from interrex.elections.replicated.payload import NOOP, change_data


class Proposal(NamedTuple):
    at: int
    change: ChangeId
    size: int


class Leader(LeaderRole):
    """The state of one leadership.

    Invariant: entries of earlier terms are committed only together with one of this term.
    """

    _node: Node
    replication: Replication

    def __init__(self, node: Node, server: Transitions, asked_at: int) -> None:
        super().__init__(node, server, asked_at)
        self.replication = Replication(node, self._lease)
        self._proposals: deque[Proposal] = deque()
        self._uncommitted_bytes = 0
        self._changes = MemberChanges(node, self.replication, self._append)
        self._first_index = node.log.last_index + 1

    def _begin(self) -> None:
        """Tells everybody at once, and appends the entry that commits what came before (8)."""
        self._beat()
        self._append(NOOP)
        self.replication.send_all()
        self._advance()

    @property
    def _knows_all(self) -> bool:
        """Whether an entry of this term is committed: then this leader knows all that is."""
        return self._node.commit >= self._first_index

    def _heartbeat(self, member: int, number: int, timeout: int, bound: int) -> Heartbeat:
        node, order = self._node, self.replication.order
        return Heartbeat(member, node.member, node.term, number, node.commit, timeout, bound, order)

    def _tell_to_stand(self, member: int) -> None:
        self._node.send(member, TimeoutNow(member, self._node.member, self._node.term))

    # Proposals

    def _has_room_for(self, size: int) -> bool:
        return self._uncommitted_bytes + size <= self._node.settings.max_uncommitted_bytes

    def _propose(self, change: ChangeId, data: bytes) -> None:
        self._append(change_data(change, data))
        self._proposals.append(Proposal(self._node.log.last_index, change, len(data)))
        self._uncommitted_bytes += len(data)
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
        self._take_answer(message.source, message.round)
        self.replication.on_heartbeat_answer(message)
        self._settle_round()
        self._advance()
        self._send_on(message.source)

    def on_snapshot_wanted(self, message: SnapshotWanted) -> None:
        self.replication.on_snapshot_wanted(message.source, message.index, message.offset)

    def _advance(self) -> None:
        """Commits what a majority holds, if its last entry is of this term (paper, 5.4.2)."""
        node = self._node
        if node.commit < node.log.last_index:
            agreed = self.replication.agreed()
            if agreed > node.commit and node.log.term_at(agreed) == node.term:
                self._commit(agreed)
        if self._changes.waiting:
            self._changes.drive(ready=self._knows_all)
        if self._handover.until is not None:
            self._drive_handover()
        if node.member not in node.membership.voters and node.membership.index <= node.commit:
            self.resign("it was removed from the cluster")

    def _commit(self, index: int) -> None:
        node = self._node
        node.commit_to(index)
        while self._proposals and self._proposals[0].at <= index:
            proposal = self._proposals.popleft()
            self._uncommitted_bytes -= proposal.size
            node.effects.append(ProposalSettled(proposal.change, proposal.at))
        self.replication.send_all()
        self.replication.adopt_members()
        self._ask_early_reads()

    def _abandon(self) -> list[ChangeId]:
        changes = [waiting.change for waiting in self._proposals]
        self._proposals.clear()
        return changes
