"""Bugs in supervision: starting, adopting, stopping, waiting, holding back."""

from interrex.simulator.mutants.mutant import Edit, Mutant, bug

_BACKOFF = "interrex.supervision.backoff"
_GOVERNOR = "interrex.supervision.governor"
_HEALTH = "interrex.supervision.health"
_HISTORY = "interrex.supervision.history"
_SLOT = "interrex.supervision.slot"
_STANDING = "interrex.supervision.standing"

REPLICAS = (
    Mutant(
        "started-without-the-record",
        "A slot whose record another worker holds is left to it; here it is started all the same.",
        (
            Edit(
                _SLOT,
                "        if event.outcome is ClaimOutcome.LOCKED:\n",
                "        if event.outcome is ClaimOutcome.LOCKED and self._leaving:\n",
            ),
            Edit(
                _SLOT,
                "            case ClaimOutcome.ABSENT:\n",
                "            case ClaimOutcome.ABSENT | ClaimOutcome.LOCKED:\n",
            ),
        ),
    ),
    Mutant(
        "started-before-the-sweep",
        "A slot is started when nothing is left of its last process; here as soon as that is dead.",
        (
            Edit(
                _SLOT,
                "        self._move(Cause.EXITED, now, self.reason if asked else words)\n"
                "        self._sweep()\n",
                "        self._move(Cause.EXITED, now, self.reason if asked else words)\n"
                "        self.pid = None\n"
                "        self._health = None\n",
            ),
            Edit(
                _SLOT,
                "            self._count_failure(words, now)\n"
                "            self._governor.failed(self, now)\n",
                "            self._count_failure(words, now)\n"
                "            self._governor.failed(self, now)\n"
                "        self._proceed(now)\n",
            ),
        ),
    ),
    bug(
        "found-dead-not-swept",
        "What a process left behind is killed, also if it died unwatched; here it is left.",
        _SLOT,
        '        self._sweep()\n        self._note("found_dead"',
        '        self._proceed(now)\n        self._note("found_dead"',
    ),
    bug(
        "adopted-and-started-anew",
        "A running process is adopted as it is; here it is stopped, and another one started.",
        _SLOT,
        "        self._watch(now, adopted=True)\n",
        '        self._stop("adopted", None, now)\n',
    ),
    bug(
        "released-dead",
        "A slot that another worker takes over is released alive; here it is killed first.",
        _SLOT,
        "            self._emit(Release(self.name))\n",
        '            self._emit(Signal(self.name, self.incarnation, "SIGKILL"))\n'
        "            self._emit(Release(self.name))\n",
    ),
    bug(
        "adopted-whatever-it-runs",
        "A process of an older generation is replaced; here it stays.",
        _STANDING,
        "        return generation < wanted.generation or (\n",
        "        return generation < 0 or (\n",
    ),
    bug(
        "incarnations-begin-again",
        "A slot's incarnations are numbered on by its record; here from what this worker knows.",
        _SLOT,
        "        self.newest = max(self.newest, event.incarnation)\n",
        "        self.newest = max(self.newest, 0)\n",
    ),
    bug(
        "not-wanted-not-stopped",
        "What is not wanted any more is stopped; here it runs on.",
        _SLOT,
        "        elif self.state in ALIVE and not self.assignment.wanted:\n",
        "        elif self.state in ALIVE and not self.assignment.wanted and now < 0:\n",
    ),
    bug(
        "stopping-never-killed",
        "A process that does not stop when asked is killed; here it is waited for.",
        _SLOT,
        '        self._emit(Signal(self.name, self.incarnation, "SIGKILL"))\n',
        "",
    ),
    bug(
        "back-off-lost",
        "The next start after a failure waits ever longer; here it never waits.",
        _HISTORY,
        "        self.start_at = now + self._restarts.failed()\n",
        "        self._restarts.failed()\n        self.start_at = now\n",
    ),
    bug(
        "back-off-for-ever",
        "Retrying never stops; here a slot that failed three times in a row waits for ever.",
        _BACKOFF,
        "        self._ceiling = min(round(self._ceiling * delays.factor), delays.cap)\n",
        "        self._ceiling = min(round(self._ceiling * delays.factor), delays.cap) << 20\n",
    ),
    bug(
        "held-never-released",
        "A service held back is started when one replica is well; here the others stay held.",
        _GOVERNOR,
        "                member.start_released(now, at_once=at_once)\n",
        "                member.last_ready\n",
    ),
    bug(
        "held-never-tried",
        "A service held back is tried, one replica at a time, for ever; here never.",
        _GOVERNOR,
        "        self.wake_at = now + self._trials.failed()\n        if self.wake_at <= now:\n",
        "        self.wake_at = now + (self._trials.failed() + S << 20)\n"
        "        if self.wake_at <= now:\n",
    ),
    bug(
        "never-ready-left-alone",
        "A replica that does not become ready in time is started anew; here it is waited for.",
        _HEALTH,
        "        self.deadline = self._began + self.plan.start_timeout\n",
        "        self.deadline = None\n",
    ),
    bug(
        "hung-replica-left-alone",
        "A replica whose liveness fails, and not all others' too, is restarted; here none is.",
        _SLOT,
        "            self._governor.liveness_failed(self, now)\n",
        "            self._suspension = self.reason\n",
    ),
    bug(
        "exit-not-noticed",
        "A process that ends is replaced, whatever its slot was doing; here not while it starts.",
        _SLOT,
        "        if event.incarnation != self.incarnation or not (asked or self.state in ALIVE):\n",
        "        if event.incarnation != self.incarnation or not (\n"
        "            asked or self.state in ALIVE - {State.STARTING}\n"
        "        ):\n",
    ),
)
