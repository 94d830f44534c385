"""A server that wants to lead: first the question, then phase 1.

Source: PMS 2.2 (phase 1), 2.4 (one distinguished proposer), 3 (one phase 1 for all slots); PMMC
2.4 (a scout), 4.2 (a preempted leader waits before it tries again).

Differs from the papers: Prepare leaves while the proposer's own promise is still being written; it
counts once it is on disk. ``campaign`` keeps answers to an earlier life of this process from being
counted. A round is asked for (``asking``) before it is begun, unless the leader is known to be
gone, so that a server that was cut off raises nobody's round. A lost duel is tried again after a
wait that doubles and is drawn at random.
"""

from interrex.elections.paxos.findings import Findings
from interrex.elections.paxos.messages import Ask, AskAnswer, AskWithdrawn, Promise, Refused
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.roles import Transitions
from interrex.elections.replicated.candidate import CandidateRole
from interrex.elections.replicated.detection import Detection

FAST_RETRIES = 5


class Candidate(CandidateRole):
    """A proposer in phase 1, or (``asking``) one that asks whether to begin it."""

    _node: Node
    _server: Transitions

    def __init__(
        self,
        node: Node,
        detection: Detection[Ask],
        server: Transitions,
        *,
        asking: bool,
        timeout: int,
    ) -> None:
        super().__init__(node, server, asking=asking, timeout=timeout)
        self._detection = detection
        self.campaign = node.campaigns
        self._findings = Findings(node)
        self._granted: set[int] = set()
        self._refused: set[int] = set()
        self._own_promise = node.disk.token
        """Once this token is on disk, so is this proposer's promise to itself."""

    def ask(self) -> None:
        super().ask()
        if self.asking:
            self._granted.add(self._node.member)
            self._tally()

    def _unheard(self) -> list[int]:
        heard = self._granted | self._refused | self._findings.promised | {self._node.member}
        return sorted(self._node.membership.electorate.keys() - heard)

    def _ask(self, member: int) -> None:
        node, ended = self._node, self._detection.ended
        if self.asking:
            start = node.chosen + 1
            question = Ask(member, node.member, node.round + 1, self.campaign, start, ended)
            node.send(member, question)
        else:
            node.send(member, self._findings.prepare(member, self.campaign, ended))

    def on_persisted(self, token: int) -> None:
        is_own = self._node.member in self._findings.promised
        if not self.asking and not is_own and token >= self._own_promise:
            self._findings.own_promise()
            self._tally()

    def on_ask_answer(self, message: AskAnswer) -> None:
        if not self.asking or message.campaign != self.campaign:
            return
        (self._granted if message.granted else self._refused).add(message.source)
        self._tally()

    def on_refused(self, message: Refused) -> None:
        if not self.asking and message.campaign == self.campaign:
            self._refused.add(message.source)
            self._tally()

    def on_promise(self, message: Promise) -> None:
        """Phase 1b; what is still missing of a long one is asked for."""
        if self.asking or message.campaign != self.campaign:
            return
        node = self._node
        if self._findings.is_round_taken(message):
            self._server.become_follower(node.round, "another proposes in this round")
            return
        more = self._findings.take(message)
        if more is None:
            self._tally()
        else:
            ended = self._detection.ended
            again = self._findings.prepare(message.source, self.campaign, ended, more)
            node.send(message.source, again)

    def _tally(self) -> None:
        membership = self._node.membership
        agreeing = self._granted if self.asking else self._findings.promised
        ready = self.asking or self._node.member in agreeing
        if ready and membership.has_quorum(agreeing):
            self._won(len(agreeing))
        elif not membership.can_reach_quorum(self._refused - agreeing):
            self._server.become_follower(self._node.round, "refused by a majority")

    def _won(self, agreeing: int) -> None:
        acceptors = len(self._node.membership.electorate)
        if self.asking:
            self._server.become_candidate(f"{agreeing} of {acceptors} would promise")
        else:
            reason = f"round {self._node.round} was promised by {agreeing} of {acceptors}"
            self._server.become_leader(self.asked_at, self._findings, self.campaign, reason)

    def withdraw(self) -> None:
        """Tells everybody that was asked to forget the question."""
        if not self.asking:
            return
        node = self._node
        for member in self._unheard():
            node.send(member, AskWithdrawn(member, node.member, node.round, self.campaign))
