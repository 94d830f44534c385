"""A server that stands for election: first the question, then the vote.

Source: paper 5.2; pre-vote: thesis 9.6.

Differs from the paper: RequestVote leaves while the candidate's own vote is still being written;
its own vote counts only once it is on disk, and with it all of the log that the request claimed.
``round`` keeps answers to an earlier campaign of the same term (before a crash) from being
counted. A lost election is tried again after a few round trips when the leader is known to be
gone, three times at most, then after a random time-out.
"""

from interrex.elections.raft.messages import (
    PreVote,
    PreVoteAnswer,
    PreVoteWithdrawn,
    RequestVote,
    Vote,
)
from interrex.elections.raft.node import Node
from interrex.elections.raft.roles import Transitions
from interrex.elections.replicated.candidate import CandidateRole
from interrex.elections.replicated.detection import Detection

FAST_RETRIES = 3


class Candidate(CandidateRole):
    """A candidate (``asking`` False) or a pre-candidate (``asking`` True)."""

    _node: Node
    _server: Transitions

    def __init__(
        self,
        node: Node,
        detection: Detection[PreVote],
        server: Transitions,
        *,
        asking: bool,
        timeout: int,
    ) -> None:
        super().__init__(node, server, asking=asking, timeout=timeout)
        self._detection = detection
        self.round = node.campaigns
        self._answers: dict[int, bool] = {}
        self._own_vote = node.disk.token
        """Once this token is on disk, so is this candidate's vote for itself."""
        self._is_stored = asking

    def ask(self) -> None:
        super().ask()
        if self.asking:
            self._answers[self._node.member] = True
            self._tally()

    def _unheard(self) -> list[int]:
        heard = {self._node.member, *self._answers}
        return sorted(self._node.membership.voters.keys() - heard)

    def _ask(self, member: int) -> None:
        node = self._node
        kind = PreVote if self.asking else RequestVote
        node.send(
            member,
            kind(
                member,
                node.member,
                node.term + 1 if self.asking else node.term,
                self.round,
                node.log.last_index,
                node.log.last_term,
                self._detection.ended,
            ),
        )

    def on_persisted(self, token: int) -> None:
        if not self._is_stored and token >= self._own_vote:
            self._is_stored = True
            self._answers[self._node.member] = True
            self._tally()

    def on_pre_vote_answer(self, message: PreVoteAnswer) -> None:
        if self.asking and message.round == self.round:
            self._answer(message.source, granted=message.granted)

    def on_vote(self, message: Vote) -> None:
        if not self.asking and message.round == self.round:
            self._answer(message.source, granted=message.granted)

    def _answer(self, member: int, *, granted: bool) -> None:
        if member not in self._answers:
            self._answers[member] = granted
            self._tally()

    def _tally(self) -> None:
        """Only voters count: this server itself may be one that is being removed."""
        membership = self._node.membership
        answers = [self._answers[one] for one in membership.voters if one in self._answers]
        yes = sum(answers)
        if yes >= membership.majority and self._is_stored:
            self._won(yes)
        elif len(answers) - yes > len(membership.voters) - membership.majority:
            self._server.become_follower(self._node.term, "refused by a majority")

    def _won(self, votes: int) -> None:
        voters = len(self._node.membership.voters)
        if self.asking:
            self._server.become_candidate(f"{votes} of {voters} would vote for it")
        else:
            self._server.become_leader(
                self.asked_at, f"elected in term {self._node.term} by {votes} of {voters}"
            )

    def withdraw(self) -> None:
        """Tells everybody that was asked to forget the question."""
        if not self.asking:
            return
        node = self._node
        for member in self._unheard():
            node.send(member, PreVoteWithdrawn(member, node.member, node.term, self.round))
