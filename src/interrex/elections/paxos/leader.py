"""A server that leads: phase 1 for those who come later, and phase 2 for every slot.

Source: PMS 2.4, 3 (the leader is the only proposer); PMMC 2.4 (commanders); PML 5.4 (epochs).
Heartbeats, the deadline, reads and handing over are in ``replicated.leader``: PML 5.1, 5.2, and
check-quorum as in Raft (thesis, 6.2).

What it guarantees is one leader per round. Not guaranteed: that no newer leader exists at this
moment.
"""

from interrex.core.ids import ChangeId
from interrex.elections.paxos.changes import MemberChanges
from interrex.elections.paxos.findings import Findings
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
from interrex.elections.replicated.leader import LeaderRole
from interrex.elections.replicated.payload import change_data


class Leader(LeaderRole):
    """The state of one leadership.

    Invariant: it is *established*, and may call itself leader, only once a majority of every
    configuration that governs one of the next ``window`` slots has promised its round, and
    nothing was found to be accepted behind those slots. Then nobody else is in the same round:
    another one would need the same promises, or would have learned all those slots, of which the
    last would have been found.
    """

    _node: Node
    _server: Transitions
    replication: Replication

    def __init__(
        self, node: Node, server: Transitions, findings: Findings, campaign: int, asked_at: int
    ) -> None:
        super().__init__(node, server, asked_at)
        self._findings = findings
        self._campaign = campaign
        self._refused: set[int] = set()
        self.replication = Replication(node, self._lease)
        self._proposals = Proposals(node, self.replication, findings)
        self._changes = MemberChanges(node, self.replication, self._propose_configuration)
        self.established = False

    def _begin(self) -> None:
        """Tells everybody at once, and proposes what was found."""
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
    def _knows_all(self) -> bool:
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

    def _look_after_members(self) -> None:
        self._prepare_more()
        super()._look_after_members()

    def _heartbeat(self, member: int, number: int, timeout: int, bound: int) -> Heartbeat:
        node = self._node
        return Heartbeat(
            member,
            node.member,
            node.round,
            self.established,
            number,
            node.chosen,
            timeout,
            bound,
            self.replication.order,
        )

    def _tell_to_stand(self, member: int) -> None:
        """It also learns who the acceptors are: one that was just let in would ask too few."""
        self.replication.tell_chosen(member)
        self._node.send(member, TakeOver(member, self._node.member, self._node.round))

    # Proposals

    def _has_room_for(self, size: int) -> bool:
        return not self._proposals.too_much(size)

    def _propose(self, change: ChangeId, data: bytes) -> None:
        self._proposals.add(change, change_data(change, data))

    def _propose_configuration(self, data: bytes) -> None:
        self._proposals.add(None, data)

    # Answers

    def on_accepted(self, message: Accepted) -> None:
        self.replication.on_accepted(message)
        self._advance()
        self._send_on(message.source)

    def on_heartbeat_answer(self, message: HeartbeatAnswer) -> None:
        self._take_answer(message.source, message.beat)
        self.replication.on_heartbeat_answer(message)
        self._settle_round()
        self._advance()
        self._send_on(message.source)

    def on_snapshot_wanted(self, message: SnapshotWanted) -> None:
        self.replication.on_snapshot_wanted(message.source, message.index, message.offset)

    def _advance(self) -> None:
        """Learns what a majority of each slot's acceptors has accepted."""
        node = self._node
        while (agreed := self.replication.agreed()) > node.chosen:
            self._learn(agreed)
        if not self.established:
            self._establish()
        self._changes.drive(ready=self._knows_all)
        if self._handover.until is not None and self._proposals.is_empty:
            self._drive_handover()
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
        self._ask_early_reads()

    def _abandon(self) -> list[ChangeId]:
        return self._proposals.abandon()
