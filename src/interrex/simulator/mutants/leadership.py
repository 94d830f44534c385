"""Bugs in leading: the deadline, reads, membership, snapshots, handing over."""

from interrex.simulator.mutants.mutant import Edit, Mutant, bug

_CHANGES = "interrex.elections.raft.changes"
_DETECTION = "interrex.elections.replicated.detection"
_LEADING = "interrex.elections.replicated.leader"
_LEASE = "interrex.elections.replicated.lease"
_NODE = "interrex.elections.raft.node"
_ELECTION = "interrex.elections.replicated.election"
_SETTINGS = "interrex.elections.replicated.settings"

LEADERSHIP = (
    Mutant(
        "no-check-quorum",
        "A leader goes on while a majority answers; here while it hears itself.",
        (
            Edit(
                _LEASE,
                "            agreed = agreed_index(voters, self._answers)\n",
                "            agreed = self._answers[leader] * (leader in voters)\n",
            ),
            Edit(
                _LEASE,
                "            if len(voters) == 1:\n",
                "            if leader in voters:\n",
            ),
        ),
        "thesis, 6.2",
    ),
    bug(
        "lease-from-the-answer",
        "A lease counts from when the answered heartbeat was sent; here from its answer.",
        _LEADING,
        "        self._lease.deadline = max(self._lease.deadline, settled.sent_at + lease)\n",
        "        self._lease.deadline = max(self._lease.deadline, node.now + lease)\n",
        "thesis, 6.4.1",
    ),
    bug(
        "lease-without-margin",
        "A lease is shorter than the followers' patience, as clocks differ; here it is longer.",
        _SETTINGS,
        "        return timeout * (1000 - self.clock_error_per_mille) // 1000\n",
        "        return 3 * timeout\n",
        "thesis, 6.4.1",
    ),
    bug(
        "leads-past-its-deadline",
        "Past its own deadline a leader does not call itself one; here it does.",
        _LEADING,
        "        in_time = self._node.now < self._lease.deadline\n",
        "        in_time = True\n",
        "thesis, 6.4.1",
    ),
    bug(
        "read-without-a-round",
        "A read waits until a majority has answered a round sent after it; here for nothing.",
        _ELECTION,
        "                    server.role.on_confirm_read(event)\n",
        "                    server.node.effects.append(ReadConfirmed(read, confirmed=True))\n",
        "thesis, 6.4",
    ),
    bug(
        "read-by-an-earlier-round",
        "A read waits for a round sent after it was asked; here one sent before confirms it.",
        _LEADING,
        "        self._reads.ask(read, self._lease.number + 1)\n",
        "        self._reads.ask(read, self._lease.answered + 1)\n",
        "thesis, 6.4",
    ),
    bug(
        "read-before-the-no-op",
        "A new leader confirms reads once an entry of its own is committed; here before.",
        _LEADING,
        "        if self._knows_all:\n            self._ask_read(event.read)\n",
        "        if self._knows_all or event.read:\n            self._ask_read(event.read)\n",
        "thesis, 6.4",
    ),
    bug(
        "two-memberships-at-once",
        "A configuration waits until the one before it is committed; here it does not.",
        _CHANGES,
        "        return self._node.membership.index <= self._node.commit\n",
        "        return True\n",
        "thesis, 4.1",
    ),
    bug(
        "snapshot-forgets-the-configuration",
        "A snapshot holds the configuration of its index; here an empty one.",
        _NODE,
        "        configuration = self.membership.at(taken.index)\n",
        "        configuration = NOBODY\n",
        "thesis, 5.1",
    ),
    bug(
        "snapshot-not-handed-out",
        "A server that starts hands out the state in its snapshot; here it starts from nothing.",
        _NODE,
        "        if self.log.snapshot is not None:\n            parts =",
        "        if self.log.snapshot is not None and self.now < 0:\n            parts =",
        "paper, 7",
    ),
    bug(
        "commit-forgotten-behind-a-snapshot",
        "What a leader's snapshot covers is committed and applied; here its state is dropped.",
        _NODE,
        "        self.commit = snapshot.index\n"
        "        self.effects.append(Restored(snapshot.index, parts.data))\n",
        "        self.commit = snapshot.index\n",
        "paper, figure 13",
    ),
    bug(
        "leads-on-after-handing-over",
        "Who has told a successor that it may lead calls itself leader no more; here it does.",
        _LEADING,
        " and in_time and not self.has_handed_over\n",
        " and in_time\n",
    ),
    bug(
        "leader-of-an-older-term-named",
        "A newer term has no leader until one is heard in it; here the older one's is believed.",
        _DETECTION,
        "        self.leader = self.leader_worker = None\n        self.loss = Loss.NONE\n",
        "        self.loss = Loss.NONE\n",
        "paper, 5.2",
    ),
)
