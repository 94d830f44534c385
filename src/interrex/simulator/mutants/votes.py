"""Bugs in voting: who gets a vote, when it may leave, and how votes are counted."""

from interrex.simulator.mutants.mutant import Edit, Mutant, bug

_CANDIDATE = "interrex.elections.raft.candidate"
_DISK = "interrex.elections.replicated.disk"
_LOG = "interrex.elections.raft.log"
_MAIL = "interrex.elections.raft.mail"
_NODE = "interrex.elections.raft.node"
_QUESTIONS = "interrex.elections.replicated.questions"
_QUORUM = "interrex.core.quorum"
_VOTING = "interrex.elections.raft.voting"

VOTES = (
    bug(
        "vote-not-persisted",
        "A vote is on disk before it is answered; here it is kept in memory only.",
        _VOTING,
        "            node.set_term(node.term, message.source)\n",
        "            node.vote = message.source\n",
        "paper, figure 2",
    ),
    bug(
        "vote-answered-early",
        "A vote leaves once it is on disk; here it leaves while it is being written.",
        _VOTING,
        "        node.send_when_stored(message.source, answer)\n",
        "        node.send(message.source, answer)\n",
        "paper, figure 2",
    ),
    bug(
        "own-vote-counted-early",
        "A candidate's own vote counts once it is on disk; here it counts at once.",
        _CANDIDATE,
        "        self._is_stored = asking\n",
        "        self._is_stored = True\n        self._answers[node.member] = True\n",
        "paper, figure 2",
    ),
    bug(
        "second-vote",
        "One vote a term; here whoever asks gets one.",
        _VOTING,
        "        free = node.vote in (0, message.source) and self._detection.leader is None\n",
        "        free = self._detection.leader is None\n",
        "paper, 5.2",
    ),
    bug(
        "half-a-quorum",
        "A majority is more than half; here half, rounded down, is enough.",
        _QUORUM,
        "    return size // 2 + 1\n",
        "    return max(1, size // 2)\n",
        "paper, 5.2",
    ),
    bug(
        "log-not-compared",
        "Only a log as up to date as the voter's gets its vote; here any does.",
        _LOG,
        "        return (last_term, last_index) >= (self.last_term, self.last_index)\n",
        "        return last_index >= 0\n",
        "paper, 5.4.1",
    ),
    bug(
        "log-compared-by-length",
        "Of two logs the one with the later last term is newer; here the longer one is.",
        _LOG,
        "        return (last_term, last_index) >= (self.last_term, self.last_index)\n",
        "        return (last_index, last_term) >= (self.last_index, self.last_term)\n",
        "paper, 5.4.1",
    ),
    Mutant(
        "stale-votes-counted",
        "A vote counts in the campaign that asked for it; here one of an earlier term counts too.",
        (
            Edit(
                _CANDIDATE,
                "        if not self.asking and message.round == self.round:\n",
                "        if not self.asking:\n",
            ),
            Edit(
                _MAIL,
                "                if isinstance(role, Candidate)"
                " and message.term == self._server.node.term:\n",
                "                if isinstance(role, Candidate):\n",
            ),
        ),
        "paper, 5.1",
    ),
    bug(
        "refusals-counted",
        "A vote that is refused is none; here every answer counts as a vote.",
        _CANDIDATE,
        "            self._answers[member] = granted\n",
        "            self._answers[member] = True\n",
        "paper, 5.2",
    ),
    bug(
        "pre-vote-while-led",
        "A pre-vote is granted by those who have lost the leader; here by those who hear it too.",
        _QUESTIONS,
        "        if question.asked_epoch > self._node.epoch and self.hears_a_leader():\n",
        "        if question.asked_epoch > self._node.epoch and self._believes():\n",
        "thesis, 9.6",
    ),
    bug(
        "disruptive-server-heeded",
        "Who hears a leader ignores a candidate of a newer term; here it follows that term.",
        _QUESTIONS,
        "        return self.hears_a_leader() and ended != self._node.epoch\n",
        "        return False\n",
        "thesis, 4.2.3",
    ),
    bug(
        "no-pre-vote",
        "Before it raises the term a server asks whether it would win; here it never asks.",
        "interrex.elections.replicated.follower",
        "        return bool(detection.ended) and not detection.tried and is_next\n",
        "        return detection.timeout > 0 or is_next\n",
        "thesis, 9.6",
    ),
    bug(
        "term-not-persisted",
        "A newer term is on disk before anything is done in it; here only a term with a vote is.",
        _NODE,
        "        self.disk.record(SetFact(VOTE, value), urgent=True)\n",
        "        if vote:\n            self.disk.record(SetFact(VOTE, value), urgent=True)\n",
        "paper, figure 2",
    ),
    bug(
        "promise-released-by-any-write",
        "A promise leaves when the write behind which it stands is done; here with any write.",
        _DISK,
        "        while self._held and self._held[0][0] <= token:\n",
        "        while self._held:\n",
    ),
    bug(
        "lost-election-not-tried-again",
        "An election that nobody wins is tried again after a time-out; here never.",
        "interrex.elections.replicated.candidate",
        "        self.deadline = node.now + timeout\n",
        "        self.deadline = node.now + (timeout << 20)\n",
        "paper, 5.2",
    ),
)
