"""Keeping workers alive: who is started again, and who is killed because it hangs.

The same rule runs in every worker. The leader acts at once; the others act on their own host
only, and only if no leader has within a short time, so that the recursion ends even without a
quorum. Doing it twice is harmless: a worker's folder is locked by its one process.
"""

from enum import Enum

import msgspec

from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import Timing
from interrex.core.time import MS, S, earliest, seconds
from interrex.orchestration.fleet import Fleet, WorkerView

FIRST_RETRY = 1 * S
LAST_RETRY = 30 * S
STEADY = 5 * S
"""A worker that was connected for so long (ns) has come up: its next death is a first one."""
RANK_STEP = 50 * MS


class Remedy(Enum):
    """What a worker needs."""

    LAUNCH = "launch"
    KILL = "kill"


class _Attempt(msgspec.Struct):
    """What came of launching a worker: ``lives`` in a row that were too short, ``launches`` since
    then that led to none, when it may be tried again (ns), and since when it is connected."""

    lives: int = 0
    launches: int = 0
    not_before: int = 0
    up_since: int | None = None


class Healer:
    """Decides which workers to launch and to kill.

    Launching is repeated with growing intervals, for ever: a worker takes a moment to come up,
    and one that cannot, or dies soon after it has, must not make the machine busy. Whoever dies is
    started at once the first time, like a replica. Short lives are counted by every worker, whoever
    launched them, so that all wait alike; a new leadership begins anew.
    """

    def __init__(self, me: WorkerName, timing: Timing) -> None:
        self._me = me
        self._timing = timing
        self._attempts: dict[WorkerName, _Attempt] = {}
        self._killed: dict[WorkerName, int] = {}
        self._wake_at: int | None = None

    def retime(self, timing: Timing) -> None:
        """Go by these times from now on."""
        self._timing = timing

    @property
    def wake_at(self) -> int | None:
        """When something may be due (ns)."""
        return self._wake_at

    def remedies(
        self, fleet: Fleet, host: HostName | None, leading: bool, now: int
    ) -> list[tuple[WorkerName, Remedy]]:
        """What is due now.

        Args:
            fleet: everybody, as seen from here.
            host: look at this host's workers only; None for all of them.
            leading: whether this worker leads: then nothing is waited for.
            now: ns.
        """
        self._wake_at = None
        due: list[tuple[WorkerName, Remedy]] = []
        for worker, view in sorted(fleet.workers.items()):
            if worker == self._me or host not in (None, view.host):
                continue
            self._notice(view)
            if view.connected:
                near = view.host == fleet.workers[self._me].host
                remedy = self._kill_if_silent(view, leading, now) if near else None
            else:
                remedy = self._launch_if_gone(fleet, view, leading, now)
            if remedy is not None:
                due.append((worker, remedy))
        return due

    def _notice(self, view: WorkerView) -> None:
        """Whether it has come or gone since the last look, and how long it was there."""
        attempt = self._attempts.setdefault(view.worker, _Attempt())
        if view.connected:
            attempt.up_since = view.since
        elif attempt.up_since is not None:
            lived = view.since - attempt.up_since
            lives = attempt.lives + 1 if lived < STEADY else 0
            held_back = _interval(lives - 2) if lives > 1 else 0
            self._attempts[view.worker] = _Attempt(lives, not_before=view.since + held_back)

    def _kill_if_silent(self, view: WorkerView, leading: bool, now: int) -> Remedy | None:
        patience = seconds(self._timing.silent_worker)
        if not leading:
            patience += patience // 4
        due = max(view.heard + patience, self._killed.get(view.worker, 0))
        if now < due:
            self._wake_at = earliest(self._wake_at, due)
            return None
        self._killed[view.worker] = now + S
        self._wake_at = earliest(self._wake_at, now + S)
        return Remedy.KILL

    def _launch_if_gone(
        self, fleet: Fleet, view: WorkerView, leading: bool, now: int
    ) -> Remedy | None:
        attempt = self._attempts[view.worker]
        due = attempt.not_before
        if not leading and attempt.launches == 0:
            due = max(due, view.since) + seconds(self._timing.leaderless_respawn)
            due += RANK_STEP * self._rank(fleet, view.host)
        if now < due:
            self._wake_at = earliest(self._wake_at, due)
            return None
        attempt.not_before = now + _interval(max(attempt.lives - 1, 0) + attempt.launches)
        attempt.launches += 1
        self._wake_at = earliest(self._wake_at, attempt.not_before)
        return Remedy.LAUNCH

    def _rank(self, fleet: Fleet, host: HostName) -> int:
        """This worker's place among the live ones of the host, so that they do not act at once."""
        alive = sorted({*fleet.connected(host), self._me})
        return alive.index(self._me)


def _interval(failures: int) -> int:
    """How long (ns) to wait after so many failures beyond the first."""
    return min(FIRST_RETRY << min(failures, 8), LAST_RETRY)
