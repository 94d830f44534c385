"""Bugs in the log: what is acknowledged, what is committed, what is cut off."""

from interrex.simulator.mutants.mutant import Edit, Mutant, bug

_CORE_QUORUM = "interrex.core.quorum"
_DISK = "interrex.elections.replicated.disk"
_FOLLOWER = "interrex.elections.raft.follower"
_LEADER = "interrex.elections.raft.leader"
_MAIL = "interrex.elections.raft.mail"
_MEMBERSHIP = "interrex.elections.raft.membership"
_NODE = "interrex.elections.raft.node"
_REPLICATION = "interrex.elections.raft.replication"

ENTRIES = (
    bug(
        "acknowledged-before-disk",
        "A follower acknowledges what is on its disk; here what it has received.",
        _FOLLOWER,
        "        return min(self.verified, self._node.log.persisted)\n",
        "        return self.verified\n",
        "paper, figure 2",
    ),
    bug(
        "unverified-log-acknowledged",
        "A follower acknowledges what it knows to be the leader's; here all that it has.",
        _FOLLOWER,
        "        return min(self.verified, self._node.log.persisted)\n",
        "        return self._node.log.persisted\n",
        "paper, 5.3",
    ),
    bug(
        "own-log-taken-for-the-leaders",
        "A new leader's log is the same up to what is committed; here up to the end.",
        _FOLLOWER,
        "        self.verified = node.commit\n",
        "        self.verified = node.log.last_index\n",
        "paper, 5.3",
    ),
    bug(
        "previous-term-not-compared",
        "Entries fit where index and term of the one before agree; here the index is enough.",
        _FOLLOWER,
        "        elif log.term_at(prev_index) != message.prev_term:\n",
        "        elif log.term_at(prev_index) is None:\n",
        "paper, 5.3",
    ),
    bug(
        "conflict-not-cut-off",
        "An entry that conflicts with the leader's goes, and all behind it; here it stays.",
        _FOLLOWER,
        "            if term == entry.epoch:\n",
        "            if term is not None:\n",
        "paper, 5.3",
    ),
    bug(
        "late-append-cuts-off",
        "Entries that are there already are left alone; here a late message cuts off newer ones.",
        _FOLLOWER,
        "            if term == entry.epoch:\n",
        "            if position < 0:\n",
        "paper, 5.3",
    ),
    bug(
        "commit-beyond-verified",
        "A follower commits what it knows to be the leader's; here all that it has.",
        _FOLLOWER,
        "            self._node.commit_to(min(commit, self.verified))\n",
        "            self._node.commit_to(min(commit, self._node.log.last_index))\n",
        "paper, figure 2",
    ),
    bug(
        "commit-without-majority",
        "An entry is committed on a majority's disks; here with one disk less.",
        _CORE_QUORUM,
        "    return indices[-majority(len(indices))] if indices else 0\n",
        "    return indices[-max(1, majority(len(indices)) - 1)] if indices else 0\n",
        "paper, 5.3",
    ),
    bug(
        "older-term-committed-by-counting",
        "Entries of earlier terms are committed with one of the leader's own; here by counting.",
        _LEADER,
        "        if agreed > node.commit and node.log.term_at(agreed) == node.term:\n",
        "        if agreed > node.commit:\n",
        "paper, 5.4.2",
    ),
    bug(
        "own-entry-counted-early",
        "The leader's own disk counts once it has the entry; here before.",
        _REPLICATION,
        "        self.matched[node.member] = node.log.persisted\n",
        "        self.matched[node.member] = node.log.last_index\n",
        "thesis, 10.2.1",
    ),
    bug(
        "stale-match-counted",
        "Only answers of this term say how far a log is; here those of earlier terms do too.",
        _MAIL,
        "        if isinstance(role, Leader) and message.term == self._server.node.term:\n",
        "        if isinstance(role, Leader):\n",
        "paper, 5.1",
    ),
    bug(
        "sent-entries-counted",
        "A follower holds what it has acknowledged; here what was sent to it counts.",
        _REPLICATION,
        "        progress.sent(prev_index + len(entries), self._lease.number)\n",
        "        progress.sent(prev_index + len(entries), self._lease.number)\n"
        "        self.matched[progress.member] = prev_index + len(entries)\n",
        "paper, 5.3",
    ),
    bug(
        "acknowledged-before-committed",
        "A change is settled when it is committed; here when it is in the leader's log.",
        _LEADER,
        "        self._proposals.append(Proposal(self._node.log.last_index, change, len(data)))\n",
        "        self._node.effects.append(ProposalSettled(change, self._node.log.last_index))\n",
        "paper, 5.3",
    ),
    bug(
        "deposed-leader-says-done",
        "A deposed leader cannot tell what becomes of a change; here it says that it is done.",
        "interrex.elections.replicated.leader",
        "            effects.append(ProposalSettled(change, None, reason))\n",
        "            effects.append(ProposalSettled(change, self._node.commit, reason))\n",
    ),
    bug(
        "old-write-proves-new-entries",
        "A write proves nothing of entries that took the place of those it wrote; here it does.",
        _DISK,
        "            batch.reaches = min(batch.reaches, index - 1)\n",
        "            batch.reaches = max(batch.reaches, 0)\n",
    ),
    bug(
        "truncation-not-persisted",
        "What is cut off is cut off on disk too; here only in memory.",
        _NODE,
        "        self.disk.record(TruncateFrom(index))\n",
        "",
        "paper, 5.3",
    ),
    Mutant(
        "older-leader-followed",
        "Mail of an older term's leader is refused; here it is followed.",
        (
            Edit(
                _MAIL,
                "        if message.term < node.term:\n"
                "            node.send(message.source, m.NewerTerm(",
                "        if message.term < 0:\n            node.send(message.source, m.NewerTerm(",
            ),
        ),
        "paper, 5.1",
    ),
    bug(
        "cut-off-configuration-kept",
        "A configuration falls out with the entry that held it; here it stays.",
        _MEMBERSHIP,
        "        while len(self._history) > 1 and self._history[-1][0] >= index:\n"
        "            self._history.pop()\n",
        "",
        "thesis, 4.1",
    ),
    bug(
        "snapshots-configuration-ignored",
        "Who installs a snapshot goes by its configuration; here by the one it had.",
        _MEMBERSHIP,
        '        """Begins anew from the leader\'s snapshot."""\n'
        "        self._history = [(index, configuration)]\n",
        "        self._history = [(index, self.current)]\n",
        "thesis, 5.1",
    ),
    bug(
        "snapshot-with-the-newest-configuration",
        "A snapshot has the configuration in force at its index; here a later one, not committed.",
        _MEMBERSHIP,
        "        return found\n",
        "        return self.current\n",
        "thesis, 5.1",
    ),
)
