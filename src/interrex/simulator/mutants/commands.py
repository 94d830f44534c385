"""Bugs in a worker: the epoch gate, changes that are applied once, leading too early, healing."""

from interrex.simulator.mutants.mutant import Edit, Mutant, bug

_BALANCERS = "interrex.worker.balancers"
_GATE = "interrex.worker.gate"
_HEALING = "interrex.orchestration.healing"
_LEAVING = "interrex.worker.leaving"
_OVERSIGHT = "interrex.worker.oversight"
_PEERS = "interrex.worker.peers"
_STATE = "interrex.core.state"
_WORKER = "interrex.worker.worker"

COMMANDS = (
    Mutant(
        "stale-epoch-accepted",
        "A command of an older epoch than the newest obeyed is refused; here it is obeyed.",
        (
            Edit(
                _GATE,
                "        if epoch_of(command) < self._highest:\n            return False\n",
                "        if epoch_of(command) < self._highest:\n            return True\n",
            ),
            Edit(
                _GATE,
                "        ensure(epoch_of(command) >= self._highest,"
                ' "an old command is never let in")\n',
                "",
            ),
        ),
    ),
    bug(
        "epoch-not-persisted",
        "The highest epoch is on disk before it is obeyed; here it is kept in memory only.",
        _GATE,
        '            records.append(SetFact(EPOCH_FACT, b"%d" % self._highest))\n',
        "",
    ),
    bug(
        "obeyed-before-disk",
        "A command waits until its epoch is on disk; here it is obeyed at once, and once more.",
        _WORKER,
        "            self._tell_what_was_obeyed()\n        elif not self._gate.must_wait:\n",
        "            self._tell_what_was_obeyed()\n"
        "            self._obey(command)\n"
        "        elif not self._gate.must_wait:\n",
    ),
    bug(
        "election-told-too-early",
        "The election hears of its own writes as they are done; here of all with the first one.",
        _WORKER,
        "        if done := [token for token in self._election_tokens if token <= event.token]:\n",
        "        if done := list(self._election_tokens):\n",
    ),
    bug(
        "leads-before-it-is-confirmed",
        "A leader acts when a majority has confirmed that it knows all; here when it is elected.",
        _WORKER,
        "        return [*self._requests.entrusted(), self._requests.new_read(None)]\n",
        "        self.oversight.begin(self.state)\n        return []\n",
    ),
    bug(
        "numbers-begin-again",
        "A leader that leads on in its epoch numbers its commands on; here it begins anew.",
        _OVERSIGHT,
        "        issued = issued if epoch == self._election.epoch else 0\n",
        "        issued = 0\n",
    ),
    bug(
        "stored-snapshot-decoded",
        "A stored snapshot is the election's to read; here the worker takes it for its state.",
        _WORKER,
        "        self._gate = EpochGate(stored.facts)\n",
        "        if stored.snapshot is not None:\n"
        "            self.state = decode_state(stored.snapshot.data)\n"
        "        self._gate = EpochGate(stored.facts)\n",
    ),
    bug(
        "change-applied-twice",
        "A change is applied once, however often it is asked for; here each time.",
        _STATE,
        "    if change.id in state.applied:\n        return False\n",
        "",
    ),
    bug(
        "change-forgotten-in-snapshots",
        "The ids of applied changes are part of the state; here a snapshot leaves them out.",
        _STATE,
        "    return _encoder.encode(state)\n",
        "    return _encoder.encode(msgspec.structs.replace(state, applied={}))\n",
    ),
    bug(
        "user-told-before-it-is-applied",
        "A user's change is answered when it is applied; here when it is sent to the leader.",
        "interrex.worker.requests",
        "                self._emit(Send(self._election.leader, submit))\n",
        "                self._emit(Send(self._election.leader, submit))\n"
        '                self.submitted(Submitted(submit.change, state.index + 1, ""), now)\n',
    ),
    bug(
        "lost-command-not-repeated",
        "What was sent to a worker that was lost is sent again; here it counts as obeyed.",
        _WORKER,
        "            lead.worker_lost(event.peer)\n",
        "",
    ),
    bug(
        "worker-never-launched",
        "A worker that is gone is started again; here nobody does.",
        _HEALING,
        "        if now < due:\n"
        "            self._wake_at = earliest(self._wake_at, due)\n"
        "            return None\n"
        "        attempt.not_before",
        "        if now < due or attempt.launches >= 0:\n"
        "            return None\n"
        "        attempt.not_before",
    ),
    Mutant(
        "own-pause-taken-for-silence",
        "Who was stopped itself holds nobody's silence against them; here it kills them all.",
        (
            Edit(
                _PEERS,
                "        self._heard = dict.fromkeys(self._heard, now)\n",
                "        self._heard = dict(self._heard)\n",
            ),
            Edit(
                _PEERS,
                "        self._heard = "
                "{peer: min(heard + lost, now) for peer, heard in self._heard.items()}\n",
                "        del lost, now\n",
            ),
        ),
    ),
    bug(
        "balancer-told-once",
        "A balancer that did not follow is told again; here it is left with its old routes.",
        _BALANCERS,
        "        if event.problem:\n            following.again_at = now + RETRY_AFTER\n",
        "        if event.problem:\n            following.again_at = None\n",
    ),
    bug(
        "news-lost-while-following",
        "What changes while a balancer follows a table is told after that; here with what is next.",
        _WORKER,
        "                self._looks.changed = True  # and what has changed meanwhile is told\n",
        "                self._looks.appoint(self._balancers.wake_at)\n",
    ),
    bug(
        "leaves-while-replicas-run",
        "A worker that is taken down ends when all that it supervised has; here it forgets one.",
        _LEAVING,
        "        own = supervisor.reports()\n",
        "        own = supervisor.reports()[1:]\n",
    ),
)
