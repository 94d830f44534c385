"""A real fleet on a real etcd cluster or ZooKeeper ensemble, whose servers are killed and stopped.

What every election has to heal is in test_deaths and test_damage.
"""

import base64
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from kazoo.client import KazooClient

from bench.etcd_cluster import EtcdCluster
from bench.fleet import Fleet
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.spec import COORDINATED, Timing
from interrex.core.state import Scale
from interrex.elections.etcd.keys import LOG, after, log_key
from interrex.runtime.genesis import find_genesis
from interrex.runtime.questions import ChangeBody
from tests.system.conftest import Electing, shop
from tests.system.test_deaths import assert_each_slot_runs_once, epoch_of

SHORT_SESSION_S = 2.0
NUMBERS = count()
PATIENT = Timing(silent_worker=600.0)
"""Nobody is killed for silence."""


class Service(NamedTuple):
    """The servers, and how to wait until all that run serve."""

    servers: EtcdCluster | ZooKeeperEnsemble
    wait: Callable[[], object]

    def begin_again(self, change: Callable[[int], None]) -> None:
        """All of them are killed and, once something was done to each one's disk, started."""
        servers = list(self.servers.alive)
        for server in servers:
            self.servers.kill(server)
        for server in servers:
            change(server)
            self.servers.start(server)
        self.wait()

    @contextlib.contextmanager
    def stopped(self, servers: list[int]) -> Iterator[None]:
        """Some of them stand still: they keep their connections, and say nothing."""
        for server in servers:
            self.servers.stop(server)
        try:
            yield
        finally:
            for server in servers:
                self.servers.go_on(server)


@pytest.fixture(params=COORDINATED)
def election(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def service(election: str, request: pytest.FixtureRequest) -> Service:
    servers = request.getfixturevalue(election)
    if isinstance(servers, EtcdCluster):
        return Service(servers, servers.wait_agreed)
    return Service(servers, servers.wait_serving)


FleetOn = Callable[..., contextlib.AbstractContextManager[Fleet]]


@pytest.fixture
def fleet_on(election: str, electing: Electing, worker_id: str) -> FleetOn:
    """Makes a fleet that is ready, of a session (s) and times."""

    @contextlib.contextmanager
    def made(session_s: float, timing: Timing | None = None) -> Iterator[Fleet]:
        spec = electing(shop(worker_id), election, session_s)
        if timing is not None:
            spec = msgspec.structs.replace(spec, timing=timing)
        with Fleet(spec) as fleet:
            fleet.wait_ready()
            yield fleet

    return made


def scale(fleet: Fleet, replicas: int) -> None:
    """A change that has to be acknowledged, by whoever leads by then."""
    change = ChangeId(f"scale-{next(NUMBERS)}")
    body = ChangeBody(change, (Scale(ServiceName("web"), replicas),))
    with contextlib.closing(fleet.connect(fleet.workers[0], timeout_s=60)) as connection:
        connection.request("POST", "/v1/changes", msgspec.json.encode(body))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()


def led_anew(fleet: Fleet, worker: WorkerName, old: WorkerName) -> bool:
    status = fleet.status(worker)
    return status is not None and status.leader not in (None, old)


def test_each_server_may_die_and_come_back(fleet: Fleet, service: Service) -> None:
    """So the one that leads the others, too: it does so until its turn comes."""
    before = fleet.replica_pids()
    for server in list(service.servers.alive):
        service.servers.kill(server)
        scale(fleet, 3)
        service.servers.start(server)
        service.wait()
    fleet.wait_ready()
    assert fleet.replica_pids() == before


def test_a_stopped_server_costs_no_change(fleet_on: FleetOn, service: Service) -> None:
    """Clients leave it by their own clocks. One of them leads the others when its turn comes."""
    with fleet_on(3.0) as fleet:
        before = fleet.replica_pids()
        for server in list(service.servers.alive):
            with service.stopped([server]):
                scale(fleet, 3)
            service.wait()
        fleet.wait_ready()
        assert fleet.replica_pids() == before


def test_an_outage_leaves_everything_that_runs_alone(fleet_on: FleetOn, service: Service) -> None:
    """No leader after its deadline; replicas and routes stay; a new leader when it is over."""
    with fleet_on(SHORT_SESSION_S) as fleet:
        before, epoch = fleet.replica_pids(), epoch_of(fleet)
        with service.stopped(list(service.servers.alive)):
            fleet.wait_until(lambda: {status.leader for status in fleet.statuses()} == {None})
            victim = fleet.workers[0]
            assert fleet.replica_pids() == before
            os.kill(fleet.pid_of(victim), signal.SIGKILL)
            fleet.wait_until(lambda: len(fleet.statuses()) == len(fleet.workers))
        fleet.wait_ready()
        assert epoch_of(fleet) > epoch
        assert fleet.replica_pids() == before
        assert_each_slot_runs_once(fleet)


def test_why_nobody_leads_is_told_while_the_service_is_away(
    fleet_on: FleetOn, service: Service
) -> None:
    with fleet_on(SHORT_SESSION_S) as fleet:
        with service.stopped(list(service.servers.alive)):
            fleet.wait_until(lambda: all("gives no session" in why for why in hindrances(fleet)))
        fleet.wait_ready()
        fleet.wait_until(lambda: set(hindrances(fleet)) == {""})


def test_a_change_that_somebody_spoilt_is_told_and_forgiven_once_it_is_removed(
    electing: Electing, worker_id: str, etcd: EtcdCluster
) -> None:
    with Fleet(electing(shop(worker_id), "etcd", SHORT_SESSION_S)) as fleet:
        fleet.wait_ready()
        before, cluster = fleet.replica_pids(), find_genesis(fleet.layout).cluster_id
        folder = f"/interrex/{fleet.spec.name}/{cluster}/"
        changes = {"key": in_base64(folder + LOG), "range_end": in_base64(folder + after(LOG))}
        written = int(etcd.ask(0, "/v3/kv/range", {**changes, "count_only": True})["count"])
        spoilt = {"key": in_base64(folder + log_key(written + 1))}
        assert etcd.ask(0, "/v3/kv/put", {**spoilt, "value": "Z2FyYmFnZQ=="})
        fleet.wait_until(lambda: all("is no change" in why for why in hindrances(fleet)))
        assert etcd.ask(0, "/v3/kv/deleterange", spoilt)
        fleet.wait_ready()
        assert fleet.replica_pids() == before


def test_workers_that_start_after_all_data_was_lost_act_on_nothing_until_it_is_back(
    fleet_on: FleetOn, service: Service
) -> None:
    """They remember, each on its own disk, what was acknowledged."""
    with fleet_on(3.0) as fleet:
        scale(fleet, 2)
        fleet.wait_until(lambda: len(fleet.replica_pids()) == 2)
        fleet.wait_ready()
        before = fleet.replica_pids()
        service.begin_again(service.servers.lose_data)
        for name in fleet.workers:
            pid = fleet.pid_of(name)
            os.kill(pid, signal.SIGKILL)
            fleet.wait_until(lambda pid=pid: started_anew(fleet, pid))  # type: ignore[misc]
        fleet.wait_until(lambda: all(lacks_data(why) for why in hindrances(fleet)))
        assert {status.leader for status in fleet.statuses()} == {None}
        assert all(pid is not None and Path(f"/proc/{pid}").exists() for pid in before.values())
        service.begin_again(service.servers.put_data_back)
        fleet.wait_ready()
        assert fleet.replica_pids() == before
        scale(fleet, 3)
        fleet.wait_until(lambda: len(fleet.replica_pids()) == 3)
        fleet.wait_ready()
        assert_each_slot_runs_once(fleet)


def started_anew(fleet: Fleet, killed: int) -> bool:
    """Whether another process is in the killed one's place, and all answer."""
    shown = fleet.statuses()
    pids = {worker.pid for status in shown for worker in status.workers}
    return len(shown) == len(fleet.workers) and killed not in pids


def lacks_data(why: str) -> bool:
    return "has lost changes" in why or "was set back" in why


def in_base64(key: str) -> str:
    """As etcd's JSON has it."""
    return base64.b64encode(key.encode()).decode()


def hindrances(fleet: Fleet) -> list[str]:
    """Why nobody can lead, as each worker says it."""
    return [status.hindrance for status in fleet.statuses()]


def test_all_servers_killed_and_started_again_keep_the_fleets_state(
    fleet_on: FleetOn, service: Service
) -> None:
    with fleet_on(SHORT_SESSION_S) as fleet:
        scale(fleet, 2)
        fleet.wait_until(lambda: len(fleet.replica_pids()) == 2)
        before = fleet.replica_pids()
        servers = list(service.servers.alive)
        for server in servers:
            service.servers.kill(server)
        fleet.wait_until(lambda: {status.leader for status in fleet.statuses()} == {None})
        assert fleet.replica_pids() == before
        for server in servers:
            service.servers.start(server)
        service.wait()
        fleet.wait_ready()
        assert fleet.replica_pids() == before


def test_a_session_that_expires_unseen_ends_a_leadership(
    fleet_on: FleetOn, service: Service
) -> None:
    """The leader is stopped and nobody kills it. When it goes on, it obeys who leads by then."""
    with fleet_on(SHORT_SESSION_S, PATIENT) as fleet:
        old = fleet.leader()
        survivors = [name for name in fleet.workers if name != old]
        before, epoch, pid = fleet.replica_pids(), epoch_of(fleet), fleet.pid_of(old)
        os.kill(pid, signal.SIGSTOP)
        fleet.wait_until(lambda: all(led_anew(fleet, name, old) for name in survivors))
        status = fleet.status(survivors[0])
        assert status is not None
        assert status.epoch > epoch
        if isinstance(service.servers, ZooKeeperEnsemble):
            assert fenced_in(service.servers, fleet) == status.epoch
        os.kill(pid, signal.SIGCONT)
        fleet.wait_ready()
        assert fleet.pid_of(old) == pid
        assert fleet.replica_pids() == before
        assert_each_slot_runs_once(fleet)


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


def test_a_cluster_founded_anew_does_not_take_up_the_old_ones_state(fleet_on: FleetOn) -> None:
    with fleet_on(SHORT_SESSION_S) as fleet:
        scale(fleet, 1)
    with fleet_on(SHORT_SESSION_S) as fleet:
        status = fleet.status()
        assert status is not None
        assert status.services[ServiceName("web")].desired == 3
