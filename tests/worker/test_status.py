"""What ``up`` waits for: everything that is asked for runs and does what it is there for."""

import msgspec
import pytest

from interrex.core.ids import HostName, ServiceName, SlotName, WorkerName
from interrex.core.spec import LOCAL_HOST, HostSpec, Timing
from interrex.core.state import BarredPort, Placement, genesis
from interrex.core.time import MS, S
from interrex.worker.status import is_ready, missing_parts, status_of
from tests.worker.town import Town, cluster, service


def test_a_balancer_is_waited_for_until_it_follows_the_routes() -> None:
    """One that runs without any listens nowhere, and may have to start again for them."""
    town = Town(cluster(service("web", 2, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    town.run_for(500 * MS)
    status = status_of(town.workers[town.leader()], town.now)
    assert is_ready(status)
    first, *others = status.balancer
    late = msgspec.structs.replace(first, routes=None)
    assert missing_parts(msgspec.structs.replace(status, balancer=[late, *others])) == [
        f"{first.name} follows no routes yet"
    ]


def test_a_balancer_that_cannot_listen_is_not_ready_until_it_can() -> None:
    town = Town(cluster(service("web", 2, port=8080)))
    town.left_out = "web cannot be reached: another program listens on port 8080"
    town.start()
    town.run_for(5 * S)
    status = status_of(town.workers[town.leader()], town.now)
    assert {(one.state, one.reason) for one in status.balancer} == {("running", town.left_out)}
    assert missing_parts(status) == [
        f"{one.name} is running ({town.left_out})" for one in status.balancer
    ]
    town.left_out = ""
    town.run_for(3 * S)
    status = status_of(town.workers[town.leader()], town.now)
    assert is_ready(status)
    assert {(one.state, one.reason) for one in status.balancer} == {("ready", "")}


@pytest.mark.parametrize(("patience_s", "state"), [(2.0, "silent"), (60.0, "following")])
def test_a_worker_is_called_silent_when_it_may_be_killed_for_that(
    patience_s: float, state: str
) -> None:
    """It says something every fourth part of that time, so not every two seconds at least."""
    spec = msgspec.structs.replace(cluster(), timing=Timing(silent_worker=patience_s))
    town = Town(spec)
    town.start()
    town.run_until(town.all_ready)
    leader, stopped, other = sorted(town.workers, key=lambda name: name != town.leader())
    town.relaunch = False
    town.stopped.add(stopped)
    town.run_for(1900 * MS)
    views = {one.name: one for one in status_of(town.workers[leader], town.now + S).workers}
    assert views[stopped].state == state
    assert views[other].state == "following"


def test_a_lost_host_that_the_file_names_no_more_is_told_of_and_not_waited_for() -> None:
    town = Town(cluster(service("web", 2)))
    town.start()
    town.run_until(town.all_ready)
    leader = town.workers[town.leader()]
    far, worker = HostName("far"), WorkerName("far-1")
    gone = Placement(SlotName("balancer.4"), worker, far, 0, 1, 1)
    leader.state.workers[worker] = far
    leader.state.evicted = (gone,)
    leader.state.barred = (BarredPort(LOCAL_HOST, 21000, ServiceName("web")),)
    status = status_of(leader, town.now)
    assert {one.name: one.state for one in status.workers}[worker] == "away"
    assert is_ready(status)
    assert status.remains.startswith("1 replica or balancer to be stopped once far is back")
    assert "1 port barred to other services" in status.remains


@pytest.mark.parametrize("heard", [False, True])
def test_without_a_majority_hosts_are_missed_and_what_to_do_if_the_cluster_has_moved_is_said(
    heard: bool,
) -> None:
    """Nobody else can tell it: those whom it knows are gone, and the others do not know it. One
    that was left with it does not lead either."""
    hosts = tuple(HostSpec(HostName(name), f"10.0.0.{name}:7700", 1) for name in "abcd")
    town = Town(msgspec.structs.replace(cluster(service("web", 1)), hosts=hosts))
    town.start()
    town.run_until(town.all_ready)
    away = "cd" if heard else "bcd"
    for host in away:
        town.cut_off(host)

    def hindrance() -> str:
        return status_of(town.workers[WorkerName("a-1")], town.now).hindrance

    town.run_for(5 * S)
    assert hindrance() == ""
    town.run_for(10 * S)
    assert hindrance().startswith(f"not heard for long: host {', '.join(away)}; only if")
    assert "interrex down --purge" in hindrance()
    for host in away:
        town.heal(host)
    town.run_until(town.all_ready)
    assert hindrance() == ""


def test_where_no_change_is_known_what_the_workers_supervise_is_told() -> None:
    """As after a coordination service has lost all: what runs was adopted, and nobody leads."""
    town = Town(cluster(service("web", 2, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    worker = town.workers[town.leader()]
    known = status_of(worker, town.now)
    worker.state = genesis(cluster())
    status = status_of(worker, town.now)
    (web,), (asked_for,) = status.services.values(), known.services.values()
    assert (web.desired, web.ready) == (0, 2)
    assert web.replicas == asked_for.replicas
    assert status.balancer == known.balancer
