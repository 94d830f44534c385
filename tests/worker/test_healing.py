"""Three levels of healing, on the very workers that run in production."""

from collections.abc import Callable

import pytest

from interrex.core.ids import SlotName, WorkerName
from interrex.core.routes import EndpointState
from interrex.core.time import MS, S
from interrex.elections.guarantees import guarantees_of
from tests.worker.town import Town, cluster, service

pytestmark = pytest.mark.usefixtures("each_election")


@pytest.fixture
def town() -> Town:
    """Three workers, three replicas behind two balancers, all ready."""
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    return town


def followers(town: Town) -> list[WorkerName]:
    leader = town.leader()
    return [name for name in town.workers if name != leader]


def test_a_new_fleet_places_its_replicas_on_different_workers(town: Town) -> None:
    holders = {by for host in town.hosts.values() for slot, by in host.locks.items()}
    assert holders == set(town.workers)
    assert town.running("web") == ["web.0", "web.1", "web.2"]
    assert town.running("balancer") == ["balancer.0", "balancer.1"]


def test_the_survivors_know_a_new_leader_soon_after_the_old_one_is_proved_dead(town: Town) -> None:
    dead = town.leader()
    town.kill(dead)
    notice = 2 * MS
    assert town.run_until(lambda: town.agrees() and town.leaders() != [dead]) < notice + 2 * MS


def test_a_dead_leader_is_started_again_and_no_service_process_notices(town: Town) -> None:
    before = town.pids()
    town.kill(town.leader())
    town.run_for(100 * MS)
    town.run_until(town.all_ready)
    assert town.pids() == before
    assert len(town.workers) == 3


def test_a_dead_worker_is_started_by_the_leader_at_once(town: Town) -> None:
    worker = followers(town)[0]
    town.kill(worker)
    assert town.run_until(lambda: worker in town.launched) < 10 * MS
    assert town.launched == [worker]


def test_without_a_quorum_a_live_worker_starts_the_dead_ones_of_its_host(town: Town) -> None:
    survivor = followers(town)[0]
    before = town.pids()
    for worker in [name for name in town.workers if name != survivor]:
        town.kill(worker)
    town.run_for(10 * MS)
    town.run_until(town.all_ready)
    assert town.pids() == before


def test_a_dead_replica_is_started_again_on_the_same_port(town: Town) -> None:
    port = town.hosts[next(iter(town.hosts))].processes[SlotName("web.1")].port
    town.kill_replica(SlotName("web.1"))
    town.run_for(2 * MS)
    town.run_until(town.all_ready)
    assert town.hosts[next(iter(town.hosts))].processes[SlotName("web.1")].port == port


def test_a_replica_that_is_ready_while_its_death_is_still_being_followed_gets_requests(
    town: Town,
) -> None:
    """Not only with whatever changes next: so one of three replicas was left out for long."""
    town.run_for(3 * S)
    town.following_takes = 20 * MS
    town.kill_replica(SlotName("web.1"))
    town.run_for(200 * MS)
    assert town.all_ready()
    told = {
        (balancer, endpoint.slot): endpoint.state
        for balancer, table in town.tables.items()
        for route in table.services
        for endpoint in route.endpoints
    }
    assert len(told) == 6
    assert set(told.values()) == {EndpointState.READY}


def test_a_silent_worker_is_killed_and_replaced_while_its_replicas_live_on(town: Town) -> None:
    before = town.pids()
    hung = followers(town)[0]
    town.stopped.add(hung)
    took = town.run_until(lambda: hung in town.launched)
    assert 1 * S < took < 3 * S
    town.run_for(200 * MS)
    town.run_until(town.all_ready)
    assert town.pids() == before


def test_a_stopped_leader_is_replaced_as_leader_and_as_process(town: Town) -> None:
    before = town.pids()
    hung = town.leader()
    town.stopped.add(hung)
    others = [name for name in town.workers if name != hung]

    def others_agree() -> bool:
        return {town.workers[name].election.leader for name in others} <= set(others)

    # Without a quorum nobody leads in the stead of members that were there a time-out ago.
    most = 600 * MS if guarantees_of(town.spec).quorum else 800 * MS
    assert town.run_until(others_agree) < most
    town.run_until(lambda: hung in town.launched)
    town.run_for(200 * MS)
    town.run_until(town.all_ready)
    assert town.pids() == before


def test_a_worker_that_does_not_come_back_hands_its_replicas_to_a_neighbour(town: Town) -> None:
    before = town.pids()
    town.relaunch = False
    gone = followers(town)[0]
    town.kill(gone)

    def adopted() -> bool:
        locks = next(iter(town.hosts.values())).locks
        return set(locks) == set(before) and gone not in locks.values()

    assert town.run_until(adopted) > 1 * S
    assert town.pids() == before


def test_a_worker_that_comes_back_late_gets_a_share_of_the_load_again(town: Town) -> None:
    before = town.pids()
    town.relaunch = False
    gone = followers(town)[0]
    town.kill(gone)
    town.run_for(4 * S)
    town.relaunch = True
    town.boot(gone)
    town.run_until(lambda: gone in next(iter(town.hosts.values())).locks.values())
    town.run_for(1 * S)
    town.run_until(town.all_ready)
    assert town.pids() == before


@pytest.mark.parametrize("victims", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_any_number_of_workers_killed_together_comes_back(victims: int, seed: int) -> None:
    town = Town(cluster(service("web", 4)), seed)
    town.start()
    town.run_until(town.all_ready)
    before = town.pids()
    for worker in sorted(town.workers)[:victims]:
        town.kill(worker)
    if not town.workers:
        town.boot(WorkerName("worker-2"))
    town.run_for(10 * MS)
    town.run_until(town.all_ready)
    assert town.pids() == before


def test_every_pair_of_deaths_heals() -> None:
    parts: list[Callable[[Town], object]] = [
        lambda town: town.kill(town.leader()) if town.leaders() else None,
        lambda town: town.kill(sorted(set(town.workers) - set(town.leaders()))[0]),
        lambda town: town.kill_replica(SlotName("web.0")),
        lambda town: town.kill_replica(SlotName("balancer.0")),
    ]
    for first in parts:
        for second in parts:
            town = Town(cluster(service("web", 3, port=8080)))
            town.start()
            town.run_until(town.all_ready)
            first(town)
            second(town)
            town.run_for(5 * MS)
            town.run_until(town.all_ready)
            assert town.running("web") == ["web.0", "web.1", "web.2"]
