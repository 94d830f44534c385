"""A real fleet: worker processes, HAProxy and small C servers, in a folder of its own."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bench.etcd_cluster import EtcdCluster
from bench.fleet import Fleet
from bench.processes import free_ports
from bench.run_folder import run_folder
from bench.servers import build
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.ids import ServiceName
from interrex.core.spec import (
    COORDINATED,
    ELECTIONS,
    Check,
    CheckKind,
    ClusterSpec,
    Etcd,
    Expose,
    Health,
    ServiceSpec,
    Timing,
    ZooKeeper,
)
from tests.system.harm import Harm

LONG_SESSION_S = 60.0
"""Whatever goes on within a test's patience has not waited for one to run out."""


def shop(worker_id: str, replicas: int = 3) -> ClusterSpec:
    """Three workers and a service whose replicas start in a millisecond.

    Test processes that run side by side get ranges of replica ports of their own.
    """
    (port,) = free_ports(1)
    number = int(worker_id.removeprefix("gw") or 0) if worker_id != "master" else 20
    first = 22000 + 400 * number
    check = Check(kind=CheckKind.HTTP, path="/healthz", interval=0.5, timeout=0.5)
    living = msgspec.structs.replace(check, timeout=1.0)  # a replica that stalls is not stopped
    web = ServiceSpec(
        name=ServiceName("web"),
        command=(str(build()), "--port", "{port}"),
        replicas=replicas,
        expose=Expose(port=port),
        health=Health(startup=check, readiness=check, liveness=living),
        stop_timeout=2.0,
    )
    return ClusterSpec(name="shop", ports=(first, first + 399), services={web.name: web})


@pytest.fixture(scope="session")
def etcd() -> Iterator[EtcdCluster]:
    """A real cluster of three, which each fleet has keys of its own in."""
    with EtcdCluster(heartbeat_ms=20, election_ms=200) as cluster:
        cluster.wait_agreed()
        yield cluster


@pytest.fixture(scope="session")
def zookeeper() -> Iterator[ZooKeeperEnsemble]:
    """A real ensemble of three, which each fleet has nodes of its own in."""
    with ZooKeeperEnsemble() as ensemble:
        ensemble.wait_serving()
        yield ensemble


Electing = Callable[..., ClusterSpec]
"""Lets a cluster elect by the election of a name; the session (s) where it has one."""


@pytest.fixture
def electing(request: pytest.FixtureRequest) -> Electing:
    def elected(spec: ClusterSpec, election: str, session_s: float = LONG_SESSION_S) -> ClusterSpec:
        spec = msgspec.structs.replace(spec, election=election)
        if election == "etcd":
            cluster: EtcdCluster = request.getfixturevalue("etcd")
            etcd = Etcd(endpoints=cluster.endpoints, session=session_s, timeout=0.5)
            return msgspec.structs.replace(spec, etcd=etcd)
        if election == "zookeeper":
            ensemble: ZooKeeperEnsemble = request.getfixturevalue("zookeeper")
            hosts = tuple(ensemble.hosts.split(","))
            zookeeper = ZooKeeper(hosts=hosts, session=session_s)
            return msgspec.structs.replace(spec, zookeeper=zookeeper)
        return spec

    return elected


@pytest.fixture
def election() -> str:
    """What ``fleet`` elects by, where a test does not say so."""
    return "raft"


EVERY_ELECTION = pytest.mark.parametrize("election", [*ELECTIONS, *COORDINATED])
"""For tests of what is promised whatever a fleet elects by."""


@pytest.fixture
def timing() -> Timing:
    """What ``fleet`` goes by, where a test does not say so."""
    return Timing()


CALM = pytest.mark.parametrize(
    "timing", [Timing(election_timeout=2.0, silent_worker=60.0, lost_host=120.0)], ids=["calm"]
)
"""For tests in which nobody else is to be elected, however slow the machine is."""


@pytest.fixture
def fleet(worker_id: str, election: str, electing: Electing, timing: Timing) -> Iterator[Fleet]:
    """A fleet that is ready; everything it started ends with the test."""
    spec = msgspec.structs.replace(electing(shop(worker_id), election), timing=timing)
    with Fleet(spec) as running:
        running.wait_ready()
        yield running


@pytest.fixture
def harm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Harm]:
    """What may befall the workers of fleets that are started in this test."""
    with tempfile.TemporaryDirectory(prefix="harm-", dir=run_folder()) as folder:
        made = Harm(Path(folder))
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
