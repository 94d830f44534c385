"""Bugs in Paxos and in Bully."""

from interrex.simulator.mutants.mutant import bug

_BULLY_EPOCHS = "interrex.elections.bully.epochs"
_BULLY_NODE = "interrex.elections.bully.node"
_CANDIDATE = "interrex.elections.bully.candidate"
_FINDINGS = "interrex.elections.paxos.findings"
_NODE = "interrex.elections.paxos.node"
_PROGRESS = "interrex.elections.paxos.progress"
_PROMISING = "interrex.elections.paxos.promising"
_QUORUM = "interrex.core.quorum"

OF_PAXOS = (
    bug(
        "paxos-ballot-not-persisted",
        "A promise is on disk before it is answered; here it is kept in memory only.",
        _NODE,
        "        self.disk.record(SetFact(PROMISE, value), urgent=True)\n",
        "        if not proposer:\n"
        "            self.disk.record(SetFact(PROMISE, value), urgent=True)\n",
        "Paxos Made Simple, 2.5",
        "paxos",
    ),
    bug(
        "paxos-promise-not-honoured",
        "A round that was promised to one proposer is promised to no other; here to whoever asks.",
        _PROMISING,
        "        free = node.promised_to in (0, message.source)\n",
        "        free = node.promised_to >= 0\n",
        "Paxos Made Simple, 2.2",
        "paxos",
    ),
    bug(
        "paxos-half-a-quorum",
        "A majority is more than half; here half, rounded down, is enough.",
        _QUORUM,
        "    return size // 2 + 1\n",
        "    return max(1, size // 2)\n",
        "Paxos Made Simple, 2.2",
        "paxos",
    ),
    bug(
        "paxos-value-of-any-round",
        "A slot gets the value of the latest round that was reported; here whichever came last.",
        _FINDINGS,
        "            if entry.epoch > max(own, best.epoch if best else 0):\n",
        "            if entry.epoch > 0 or best is None or own == 0:\n",
        "Paxos Made Simple, 2.2",
        "paxos",
    ),
    bug(
        "paxos-reports-not-heeded",
        "A slot gets a value that was accepted before, where there is one; here only its own.",
        _FINDINGS,
        "        if found is not None and found.epoch > slots.round_at(index):\n",
        "        if found is not None and found.epoch > slots.round_at(index) > 0:\n",
        "Paxos Made Simple, 2.2",
        "paxos",
    ),
    bug(
        "paxos-former-answer-believed",
        "Who knows less after a restart is told again; here what it answered before counts.",
        _PROGRESS,
        "        self.match = min(self.match, matched)\n        self.next = received + 1\n",
        "        self.next = max(received, self.match) + 1\n",
        "",
        "paxos",
    ),
)

OF_BULLY = (
    bug(
        "bully-seat-not-in-the-epoch",
        "An epoch ends in its maker's seat, so no two are the same; here it only counts up.",
        _BULLY_EPOCHS,
        "    return (above // STRIDE + 1) * STRIDE + seat\n",
        "    return (above // STRIDE + 1) * STRIDE + min(seat, 1)\n",
        "Garcia-Molina, V",
        "bully",
    ),
    bug(
        "bully-losses-not-told",
        "What a merge takes away is told; here in silence.",
        _BULLY_NODE,
        "        if lost or after < self.commit:\n",
        "        if after < 0:\n",
        "",
        "bully",
    ),
    bug(
        "bully-leads-before-its-epoch-is-stored",
        "Nobody leads in an epoch before it is on its own disk; here as soon as all are halted.",
        _CANDIDATE,
        "        self._is_stored = False\n        self._expected",
        "        self._is_stored = True\n        self._expected",
        "Garcia-Molina, III",
        "bully",
    ),
)
