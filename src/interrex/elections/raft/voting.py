"""Whether to grant a vote, or the question before it. The same rules in every role.

Source: paper 5.2 and 5.4.1; thesis 4.2.3 (a server that hears a leader ignores candidates) and
9.6 (pre-vote).

Differs from the thesis: a request that says ``ended`` = this server's term is believed: the
leadership of that term is over for good. Candidates that are not in this server's configuration
may be granted a vote: it may be this server that has not learned of them yet (thesis 4.1); a
removed server cannot win, because its log is older.
"""

from collections.abc import Callable

from interrex.core.ids import WorkerName
from interrex.elections.raft.messages import PreVote, PreVoteAnswer, RequestVote, Vote
from interrex.elections.raft.node import Node
from interrex.elections.replicated.detection import Detection


class Voting:
    """The voter in a server. ``believes`` tells whether it leads inside its own deadline."""

    def __init__(
        self, node: Node, detection: Detection[PreVote], believes: Callable[[], bool]
    ) -> None:
        self._node = node
        self._detection = detection
        self._believes = believes

    def hears_a_leader(self) -> bool:
        """Whether to leave candidates unanswered."""
        return self._believes() or not self._detection.has_lost

    def ignores(self, message: RequestVote) -> bool:
        """A newer term is not even looked at while a leader is heard (disruptive servers)."""
        return self.hears_a_leader() and message.ended != self._node.term

    def on_pre_vote(self, message: PreVote, worker: WorkerName) -> bool:
        """Answers now, or remembers the question until the leader is lost.

        Returns whether it was refused because of the candidate's log.
        """
        if message.term > self._node.term and self.hears_a_leader():
            self._detection.remember(message, worker)
            return False
        return self._answer_pre_vote(message)

    def _answer_pre_vote(self, message: PreVote) -> bool:
        node = self._node
        newer = message.term > node.term
        granted = newer and self._is_up_to_date(message)
        if newer and not granted:
            self._detection.passed.add(message.source)
        term = message.term if granted else node.term
        node.send(
            message.source,
            PreVoteAnswer(message.source, node.member, term, message.round, granted),
        )
        return newer and not granted

    def weigh_again(self) -> None:
        """The leader is lost: answers what was remembered."""
        for question in self._detection.take_remembered():
            self._answer_pre_vote(question)

    def on_request_vote(self, message: RequestVote) -> bool:
        """Gives this term's vote, or refuses it. Returns whether it was given."""
        node = self._node
        free = node.vote in (0, message.source) and self._detection.leader is None
        granted = message.term == node.term and free and self._is_up_to_date(message)
        answer = Vote(message.source, node.member, node.term, message.round, granted)
        if not granted:
            if message.term == node.term and not self._is_up_to_date(message):
                self._detection.passed.add(message.source)
            node.send(message.source, answer)
            return False
        if node.vote == 0:
            node.set_term(node.term, message.source)
        node.send_when_stored(message.source, answer)
        return True

    def _is_up_to_date(self, message: PreVote | RequestVote) -> bool:
        return self._node.log.is_up_to_date(message.last_index, message.last_term)
