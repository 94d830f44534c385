"""Changes while disks are full: refused or told of within seconds, never lost, never silent."""

import pytest

from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.state import Scale
from interrex.core.time import S
from interrex.worker.interface import Answer, ChangeAsked
from tests.worker.conftest import by_a_majority
from tests.worker.town import Town, cluster, service

pytestmark = pytest.mark.usefixtures("each_election")

WEB = ServiceName("web")


@pytest.fixture
def town() -> Town:
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    town.run_for(S)
    return town


def followers(town: Town) -> list[WorkerName]:
    return [name for name in town.workers if name != town.leader()]


def fill(town: Town, *workers: WorkerName) -> None:
    town.full |= {worker: [] for worker in workers}


def ask(town: Town, number: int, at: WorkerName, replicas: int = 4) -> None:
    change = ChangeId(f"user-{number}")
    town.post(at, ChangeAsked(number, change, (Scale(WEB, replicas),)))


def answer(town: Town, number: int) -> Answer:
    town.run_until(lambda: any(one.request == number for one in town.answers), within=10 * S)
    return next(one for one in town.answers if one.request == number)


def test_a_change_that_full_disks_keep_waiting_is_answered_within_seconds(town: Town) -> None:
    fill(town, *town.workers)
    began = town.now
    ask(town, 1, town.leader())
    told = answer(town, 1)
    assert town.now - began < 5 * S
    assert (told.ok, told.refused) == (False, False)
    assert told.text == (
        "the disks of worker-1, worker-2 and worker-3 are full; "
        "the change waits, and may be applied once there is space"
    )


def test_while_the_disks_are_known_to_be_full_a_change_is_refused_at_once_by_everybody(
    town: Town,
) -> None:
    fill(town, *town.workers)
    ask(town, 1, town.leader())
    answer(town, 1)
    for number, worker in enumerate(town.workers, start=2):
        ask(town, number, worker, replicas=9)
        [told] = [one for one in town.answers if one.request == number]
        assert told.refused
        assert "nothing was changed: free space there, then ask again" in told.text
    for worker in town.workers:
        town.free(worker)
    town.run_until(lambda: len(town.running("web")) == 4 and town.all_ready())
    ask(town, 9, town.leader(), replicas=5)
    assert answer(town, 9).ok


def test_what_waited_for_space_is_applied_once_there_is_some(town: Town) -> None:
    fill(town, *town.workers)
    ask(town, 1, followers(town)[0])
    assert not answer(town, 1).ok
    assert len(town.running("web")) == 3
    for worker in town.workers:
        town.free(worker)
    town.run_until(lambda: len(town.running("web")) == 4 and town.all_ready())
    assert {note.kind for _, _, note in town.notes} >= {"disk.freed"}


@by_a_majority
def test_an_obstacle_that_passes_leaves_a_change_the_time_it_had(town: Town) -> None:
    """Nobody leads for longer than anybody would wait for somebody to act."""
    one, *others = town.workers
    fill(town, *town.workers)
    ask(town, 1, one)
    town.run_for(S)
    town.relaunch = False
    for worker in others:
        town.kill(worker)
    for worker in (one, *others):
        town.free(worker)
    town.run_for(6 * S)
    assert not town.answers
    for worker in others:
        town.boot(worker)
    assert answer(town, 1).ok


def test_a_leaders_full_disk_alone_keeps_nobody_waiting(town: Town) -> None:
    fill(town, town.leader())
    ask(town, 1, town.leader())
    assert answer(town, 1).ok
    ask(town, 2, town.leader(), replicas=5)
    assert answer(town, 2).ok


def test_a_full_disk_beside_a_lost_worker_is_named(town: Town) -> None:
    one, other = followers(town)
    town.relaunch = False
    town.kill(other)
    fill(town, one)
    ask(town, 1, town.leader())
    assert answer(town, 1).text.startswith(f"the disk of {one} is full; the change waits")
