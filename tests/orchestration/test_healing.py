"""When a worker is launched: at once, then ever less often while it does not stay."""

import itertools

import pytest

from interrex.core.ids import WorkerName
from interrex.core.spec import LOCAL_HOST, Timing
from interrex.core.time import MS, S, seconds
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.healing import LAST_RETRY, STEADY, Healer, Remedy

ME, OTHER = WorkerName("worker-1"), WorkerName("worker-2")
START = 100 * S
LEADERLESS = seconds(Timing().leaderless_respawn)


class Watcher:
    """One healer, and the one worker that it looks at."""

    def __init__(self, *, leading: bool = True) -> None:
        self.healer = Healer(ME, Timing())
        self.leading = leading
        self.now = START
        self.other = WorkerView(OTHER, LOCAL_HOST, True, START, START)
        self.look()

    def look(self) -> bool:
        """Whether the worker is launched now."""
        mine = WorkerView(ME, LOCAL_HOST, True, START, self.now)
        fleet = Fleet(ME, {ME: mine, OTHER: self.other}, {})
        remedies = self.healer.remedies(fleet, LOCAL_HOST, self.leading, self.now)
        assert all(remedy is Remedy.LAUNCH for _, remedy in remedies)
        return bool(remedies)

    def comes(self) -> None:
        self.other = WorkerView(OTHER, LOCAL_HOST, True, self.now, self.now)
        self.look()

    def dies(self) -> int:
        """How long (ns) it takes until it is launched."""
        died = self.now
        self.other = WorkerView(OTHER, LOCAL_HOST, False, died, died)
        return self.wait_for_launch() - died

    def wait_for_launch(self) -> int:
        while not self.look():
            assert self.healer.wake_at is not None
            assert self.healer.wake_at > self.now
            self.now = self.healer.wake_at
        return self.now

    def lives_for(self, length: int) -> int:
        """It has been launched, comes up, and dies; how long until it is launched again."""
        self.now += 100 * MS
        self.comes()
        self.now += length
        return self.dies()


@pytest.fixture(params=[True, False], ids=["leading", "leaderless"])
def watcher(request: pytest.FixtureRequest) -> Watcher:
    return Watcher(leading=request.param)


def least(watcher: Watcher) -> int:
    return 0 if watcher.leading else LEADERLESS


def test_a_worker_that_was_there_for_long_is_launched_at_once(watcher: Watcher) -> None:
    watcher.now += STEADY
    assert watcher.dies() == least(watcher)
    for _ in range(5):
        assert watcher.lives_for(STEADY) == least(watcher)


def test_a_worker_that_dies_just_after_connecting_is_launched_ever_less_often(
    watcher: Watcher,
) -> None:
    watcher.now += STEADY
    waits = [watcher.dies(), *(watcher.lives_for(10 * MS) for _ in range(8))]
    ideal = [0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert waits == [seconds(wait) + least(watcher) for wait in ideal]


def test_a_worker_that_stays_at_last_is_launched_at_once_when_it_dies_again(
    watcher: Watcher,
) -> None:
    for _ in range(4):
        watcher.dies()
        watcher.lives_for(10 * MS)
    assert watcher.lives_for(STEADY) == least(watcher)


def test_a_worker_that_never_comes_up_is_launched_ever_less_often(watcher: Watcher) -> None:
    watcher.now += STEADY
    watcher.dies()
    at = [watcher.now, *(watcher.wait_for_launch() for _ in range(7))]
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert pauses == [*(S << number for number in range(5)), LAST_RETRY, LAST_RETRY]


def test_lives_that_another_worker_started_count_as_well() -> None:
    leading, follower = Watcher(), Watcher(leading=False)
    for watcher in (leading, follower):
        watcher.now += STEADY
        for _ in range(6):
            watcher.dies()
            watcher.now += 100 * MS
            watcher.comes()
    assert follower.dies() == leading.dies() + LEADERLESS
