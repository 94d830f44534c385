"""A real fleet on a real ZooKeeper ensemble: leaders and servers are killed and stopped.

Sessions are long here: whatever goes on within a test's patience has not waited for one to run out.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from itertools import count

import msgspec
import pytest
from kazoo.client import KazooClient

from bench.fleet import Fleet
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.spec import Timing, ZooKeeper
from interrex.core.state import Scale
from interrex.runtime.genesis import find_genesis
from interrex.runtime.questions import ChangeBody
from tests.system.conftest import shop
from tests.system.test_deaths import assert_each_slot_runs_once, wait_without

LONG_SESSION_S = 60.0
NUMBERS = count()
USUAL = Timing()


@pytest.fixture(scope="module")
def ensemble() -> Iterator[ZooKeeperEnsemble]:
    with ZooKeeperEnsemble() as ensemble:
        ensemble.wait_serving()
        yield ensemble


def fleet_on(
    ensemble: ZooKeeperEnsemble, worker_id: str, session_s: float, timing: Timing = USUAL
) -> Fleet:
    options = ZooKeeper(hosts=tuple(ensemble.hosts.split(",")), session=session_s)
    return Fleet(
        msgspec.structs.replace(
            shop(worker_id), election="zookeeper", zookeeper=options, timing=timing
        )
    )


@pytest.fixture
def fleet(ensemble: ZooKeeperEnsemble, worker_id: str) -> Iterator[Fleet]:
    """A fleet that is ready; everything it started ends with the test."""
    with fleet_on(ensemble, worker_id, LONG_SESSION_S) as running:
        running.wait_ready()
        yield running


def scale(fleet: Fleet, replicas: int) -> None:
    """A change that has to be acknowledged, by whoever leads by then."""
    change = ChangeId(f"scale-{next(NUMBERS)}")
    body = ChangeBody(change, (Scale(ServiceName("web"), replicas),))
    with contextlib.closing(fleet.connect(fleet.workers[0], timeout_s=40)) as connection:
        connection.request("POST", "/v1/changes", msgspec.json.encode(body))
        assert connection.getresponse().status == 200


def epoch_of(fleet: Fleet) -> int:
    status = fleet.status(fleet.leader())
    assert status is not None
    return status.epoch


def test_each_dead_leader_is_succeeded_by_proof_and_started_again(fleet: Fleet) -> None:
    before = fleet.replica_pids()
    epochs = []
    for _ in range(3):
        epochs.append(epoch_of(fleet))
        victim = fleet.pid_of(fleet.leader())
        os.kill(victim, signal.SIGKILL)
        wait_without(fleet, {victim})
    assert epochs == sorted(set(epochs))
    assert fleet.replica_pids() == before
    assert_each_slot_runs_once(fleet)


def test_a_hung_leader_is_killed_and_succeeded(fleet: Fleet) -> None:
    before = fleet.replica_pids()
    victim = fleet.pid_of(fleet.leader())
    os.kill(victim, signal.SIGSTOP)
    wait_without(fleet, {victim})
    assert fleet.replica_pids() == before


def test_a_leader_that_may_live_is_fenced_before_its_successor_leads(
    ensemble: ZooKeeperEnsemble, worker_id: str
) -> None:
    """It is stopped, nobody kills it, and its session runs out: every other worker refuses its
    epoch, which the ensemble is told of, before the next one leads."""
    patient = Timing(silent_worker=600.0)
    with fleet_on(ensemble, worker_id, 2.0, timing=patient) as fleet:
        fleet.wait_ready()
        old = fleet.leader()
        survivors = [name for name in fleet.workers if name != old]
        before, epoch, pid = fleet.replica_pids(), epoch_of(fleet), fleet.pid_of(old)
        os.kill(pid, signal.SIGSTOP)
        fleet.wait_until(lambda: all(led_anew(fleet, name, old) for name in survivors))
        status = fleet.status(survivors[0])
        assert status is not None
        assert fenced_in(ensemble, fleet) == status.epoch > epoch
        os.kill(pid, signal.SIGCONT)
        fleet.wait_ready()
        assert fleet.pid_of(old) == pid
        assert fleet.replica_pids() == before
        assert_each_slot_runs_once(fleet)


def led_anew(fleet: Fleet, worker: WorkerName, old: WorkerName) -> bool:
    status = fleet.status(worker)
    return status is not None and status.leader not in (None, old)


def fenced_in(ensemble: ZooKeeperEnsemble, fleet: Fleet) -> int:
    """Up to which epoch whoever led before is fenced, as ZooKeeper has it."""
    client = KazooClient(ensemble.hosts)
    client.start()
    try:
        cluster = find_genesis(fleet.layout).cluster_id
        data, _ = client.get(f"/interrex/{fleet.spec.name}/{cluster}/fenced")
        return int(data)
    finally:
        client.stop()
        client.close()


def test_an_acknowledged_change_survives_the_death_of_all_workers(fleet: Fleet) -> None:
    scale(fleet, 2)
    victims = {fleet.pid_of(name) for name in fleet.workers}
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    fleet.wait_until(lambda: fleet.launch_one(fleet.workers[2]))
    wait_without(fleet, victims)
    status = fleet.status()
    assert status is not None
    assert status.services[ServiceName("web")].desired == 2


def test_the_leader_hands_over_to_whom_it_is_asked_for(fleet: Fleet) -> None:
    before, epoch = fleet.replica_pids(), epoch_of(fleet)
    leader = fleet.leader()
    heir = next(name for name in fleet.workers if name != leader)
    assert fleet.ask(leader, "POST", "/v1/step-down", {"successor": heir})["ok"]
    fleet.wait_until(lambda: {status.leader for status in fleet.statuses()} == {heir})
    assert epoch_of(fleet) > epoch
    assert fleet.replica_pids() == before


def test_each_server_may_die_and_come_back(fleet: Fleet, ensemble: ZooKeeperEnsemble) -> None:
    before = fleet.replica_pids()
    for server in list(ensemble.alive):
        ensemble.kill(server)
        scale(fleet, 3)
        ensemble.start(server)
        ensemble.wait_serving()
    fleet.wait_ready()
    assert fleet.replica_pids() == before


def test_a_stopped_server_costs_no_change(ensemble: ZooKeeperEnsemble, worker_id: str) -> None:
    """It keeps its connections and says nothing: clients leave it by their own clocks."""
    with fleet_on(ensemble, worker_id, 3.0) as fleet:
        fleet.wait_ready()
        before = fleet.replica_pids()
        for server in list(ensemble.alive):
            ensemble.stop(server)
            try:
                scale(fleet, 3)
            finally:
                ensemble.go_on(server)
            ensemble.wait_serving()
        fleet.wait_ready()
        assert fleet.replica_pids() == before


def test_an_outage_of_zookeeper_leaves_everything_that_runs_alone(
    ensemble: ZooKeeperEnsemble, worker_id: str
) -> None:
    """No leader after its deadline; replicas and routes stay; a new leader when it is back."""
    with fleet_on(ensemble, worker_id, 2.0) as fleet:
        fleet.wait_ready()
        before, epoch = fleet.replica_pids(), epoch_of(fleet)
        servers = list(ensemble.alive)
        for server in servers:
            ensemble.stop(server)
        try:
            fleet.wait_until(lambda: {status.leader for status in fleet.statuses()} == {None})
            victim = fleet.workers[0]
            assert fleet.replica_pids() == before
            os.kill(fleet.pid_of(victim), signal.SIGKILL)
            fleet.wait_until(lambda: len(fleet.statuses()) == len(fleet.workers))
        finally:
            for server in servers:
                ensemble.go_on(server)
        fleet.wait_ready()
        assert epoch_of(fleet) > epoch
        assert fleet.replica_pids() == before
        assert_each_slot_runs_once(fleet)


def test_a_cluster_founded_anew_does_not_take_up_the_old_ones_state(
    ensemble: ZooKeeperEnsemble, worker_id: str
) -> None:
    with fleet_on(ensemble, worker_id, 2.0) as fleet:
        fleet.wait_ready()
        scale(fleet, 1)
    with fleet_on(ensemble, worker_id, 2.0) as fleet:
        fleet.wait_ready()
        status = fleet.status()
        assert status is not None
        assert status.services[ServiceName("web")].desired == 3
