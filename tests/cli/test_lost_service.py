"""Fleets whose coordination service lost everything while they run, and that are begun anew."""

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from bench.etcd_cluster import EtcdCluster
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.cli import lost_data
from interrex.cli.exits import CommandError
from interrex.cli.lost_data import begin_service_anew
from interrex.elections.interface import NOTHING_LOST
from interrex.runtime.layout import Layout
from interrex.runtime.questions import Outcome
from tests.cli.fake_worker import FakeWorker
from tests.cli.real_fleet import RealFleet

UP = ("up", "shop.toml", "--detach", "--timeout", "45s")


class Service(NamedTuple):
    """A service's servers, and the line of the cluster file that names them."""

    servers: EtcdCluster | ZooKeeperEnsemble
    election: str

    def wait(self) -> None:
        if isinstance(self.servers, EtcdCluster):
            self.servers.wait_agreed()
        else:
            self.servers.wait_serving()

    def begin_again(self, *, empty: bool) -> None:
        """All servers are killed and started, with what their disks hold, or with nothing."""
        servers = list(self.servers.alive)
        for server in servers:
            self.servers.kill(server)
        for server in servers:
            if empty:
                self.servers.lose_data(server)
            self.servers.start(server)
        self.wait()


@contextlib.contextmanager
def etcd() -> Iterator[Service]:
    with EtcdCluster(heartbeat_ms=20, election_ms=200) as cluster:
        endpoints = json.dumps(cluster.endpoints)
        yield Service(cluster, f'{{ etcd = {{ endpoints = {endpoints}, session = "4s" }} }}')


@contextlib.contextmanager
def zookeeper() -> Iterator[Service]:
    with ZooKeeperEnsemble(tick_ms=200) as ensemble:
        hosts = json.dumps(ensemble.hosts.split(","))
        yield Service(ensemble, f'{{ zookeeper = {{ hosts = {hosts}, session = "4s" }} }}')


@pytest.fixture(params=[etcd, zookeeper], ids=["etcd", "zookeeper"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with request.param() as made:
        made.wait()
        made.begin_again(empty=False)  # ZooKeeper counts from further above than when it is empty
        yield made


def lacks_data(fleet: RealFleet) -> bool:
    said = fleet.status()["hindrance"]
    return "interrex up FILE --anew" in said


def test_an_emptied_service_is_gone_on_with_from_what_the_workers_know(
    fleet: RealFleet, service: Service
) -> None:
    """Nothing that runs is touched, epochs rise, and what was asked for is asked for."""
    fleet.write(cluster=f"election = {service.election}")
    fleet.up()
    assert fleet.run("scale", "web", "3").returncode == 0
    fleet.wait_until(lambda: fleet.status()["services"]["web"]["ready"] == 3)
    before, epoch = fleet.replica_pids(), int(fleet.status()["epoch"])
    assert NOTHING_LOST in fleet.run(*UP, "--anew").stderr
    service.begin_again(empty=True)
    fleet.wait_until(lambda: lacks_data(fleet))
    fleet.write(cluster=f"election = {service.election}", replicas=3)
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 0, done
    assert "begins anew from what worker-" in done.stderr
    fleet.wait_until(lambda: fleet.replica_pids() == before)  # another pid never comes back
    assert int(fleet.status()["epoch"]) > epoch
    assert fleet.run("scale", "web", "4").returncode == 0
    fleet.wait_until(lambda: fleet.status()["services"]["web"]["ready"] == 4)
    assert fleet.ask() == 200


def test_where_no_worker_knows_what_was_lost_the_ways_out_are_named(
    fleet: RealFleet, service: Service
) -> None:
    fleet.write(cluster=f"election = {service.election}")
    fleet.up()
    replicas = fleet.replica_pids()
    service.begin_again(empty=True)
    fleet.kill_workers()
    assert "none runs here" in fleet.run(*UP, "--anew").stderr
    assert fleet.run("up", "shop.toml", "--detach", "--timeout", "1s").returncode == 1
    fleet.wait_until(lambda: lacks_data(fleet))
    fleet.wait_until(lambda: fleet.replica_pids() == replicas)  # adopted, and said to run
    assert fleet.status()["services"]["web"]["desired"] == 2
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 1
    assert "knows 0 of" in done.stderr
    assert '"has lost data"' in done.stderr
    assert set(replicas) <= set(fleet.processes()), fleet.story()


def test_only_who_took_it_is_believed_that_it_has_come_about(
    workers: list[FakeWorker], shop: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one has not even noticed that anything is lost."""
    unaware, taker, last = workers
    unaware.says("POST", "/v1/begin-anew", Outcome(ok=False, text=NOTHING_LOST))
    taker.says("POST", "/v1/begin-anew", Outcome(ok=True, text="begins anew"))

    def third_time(wait_s: float) -> None:
        if len(taker.heard) == 3:
            taker.says("POST", "/v1/begin-anew", Outcome(ok=False, text=NOTHING_LOST))

    monkeypatch.setattr("interrex.cli.lost_data.time.sleep", third_time)
    begin_service_anew(shop, "etcd", shop.worker_names())
    assert [len(worker.heard) for worker in (unaware, taker, last)] == [4, 4, 1]


def test_a_new_beginning_that_does_not_come_about_in_time_is_told(
    workers: list[FakeWorker], shop: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes it may be cut off from the service in that moment."""
    monkeypatch.setattr(lost_data, "PATIENCE_S", 0.0)
    for worker in workers:
        worker.says("POST", "/v1/begin-anew", Outcome(ok=True, text="begins anew"))
    with pytest.raises(CommandError, match="did not take it in time\nask again"):
        begin_service_anew(shop, "etcd", shop.worker_names())
    assert [len(worker.heard) for worker in workers] == [1, 0, 0]
