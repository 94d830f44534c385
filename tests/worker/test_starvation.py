"""A worker that is itself starved of its cores holds nobody's silence against them."""

import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.core.journal import Note
from interrex.core.state import genesis
from interrex.core.time import MS, S
from interrex.worker.interface import EndWorker, WakeUp, WorkerEffect
from interrex.worker.peers import Peers
from tests.worker.town import Town, cluster, service

pytestmark = pytest.mark.usefixtures("each_election")

PEER = WorkerName("worker-2")


@pytest.fixture
def town() -> Town:
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    return town


def wake(town: Town, late: int, times: int) -> list[WorkerEffect]:
    """Wakes a worker again and again, each time so late, and lets it hear nobody."""
    worker = town.workers[WorkerName("worker-1")]
    effects = []
    for _ in range(times):
        assert worker.wake_at is not None
        town.now = max(town.now, worker.wake_at) + late
        effects += worker.step(WakeUp(), town.now)
    return effects


def killed(effects: list[WorkerEffect]) -> list[WorkerName]:
    return [effect.worker for effect in effects if isinstance(effect, EndWorker)]


def test_one_that_runs_in_time_kills_who_is_silent(town: Town) -> None:
    assert killed(wake(town, 0, 200))


@pytest.mark.parametrize("late", [200 * MS, 500 * MS, 900 * MS, 5 * S])
def test_one_that_is_always_late_kills_nobody(town: Town, late: int) -> None:
    effects, end = [], town.now + 3 * S
    while town.now < end:
        effects += wake(town, late, 1)
    assert killed(effects) == []


def test_people_are_told_that_it_was_not_run(town: Town) -> None:
    told = [effect for effect in wake(town, 900 * MS, 3) if isinstance(effect, Note)]
    [note] = [note for note in told if note.kind == "worker.starved"]
    assert note.text.startswith("worker-1 was not run for 1.8 s when it had to")


@pytest.mark.parametrize(
    ("heard", "lost", "now", "after"),
    [
        (1 * S, 0, 3 * S, 1 * S),
        (1 * S, 1 * S, 3 * S, 2 * S),
        (1 * S, 9 * S, 3 * S, 3 * S),  # never heard in the future
    ],
)
def test_an_absence_is_taken_from_everybodys_silence(
    heard: int, lost: int, now: int, after: int
) -> None:
    me = WorkerName("worker-1")
    peers = Peers(me, HostName("local"), 1, 0)
    peers.joined(PEER, HostName("local"), 2, heard)
    peers.forgive_absence(lost, now)
    fleet = peers.fleet(genesis(cluster(service("web"))).workers, ())
    assert fleet.workers[PEER].heard == after
