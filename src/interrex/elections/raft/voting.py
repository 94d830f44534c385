"""Whether to grant a vote, or the question before it. The same rules in every role.

Source: paper 5.2 and 5.4.1; thesis 9.6 (pre-vote). When a question is answered is in
``replicated.questions``.

Differs from the thesis: candidates that are not in this server's configuration may be granted a
vote: it may be this server that has not learned of them yet (thesis 4.1); a removed server cannot
win, because its log is older.
"""

from interrex.elections.raft.messages import PreVote, PreVoteAnswer, RequestVote, Vote
from interrex.elections.raft.node import Node
from interrex.elections.replicated.questions import Questions


class Voting(Questions[PreVote]):
    """The voter in a server."""

    _node: Node

    def _answer(self, message: PreVote) -> bool:
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
