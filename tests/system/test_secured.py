"""A real fleet on an etcd or a ZooKeeper that asks for certificates, and for a password."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.fleet import Fleet
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.spec import ClusterSpec, Etcd, ZooKeeper
from tests.certificates import server_tls
from tests.etcd_by_tls import etcd_by_tls
from tests.system.conftest import shop
from tests.system.test_coordinated import hindrances, led_anew, scale
from tests.system.test_deaths import assert_each_slot_runs_once, epoch_of

SESSION_S = 3.0


@pytest.fixture
def by_etcd(tmp_path: Path, worker_id: str) -> Iterator[ClusterSpec]:
    with etcd_by_tls(tmp_path, server_tls(tmp_path)) as port:
        etcd = Etcd(
            endpoints=(f"https://127.0.0.1:{port}",),
            session=SESSION_S,
            ca=str(tmp_path / "ca.pem"),
            certificate=str(tmp_path / "h1.pem"),
            key=str(tmp_path / "h1.key"),
        )
        yield msgspec.structs.replace(shop(worker_id), election="etcd", etcd=etcd)


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[ZooKeeperEnsemble]:
    with ZooKeeperEnsemble(users={"shop": "s3cret"}, tls=server_tls(tmp_path)) as ensemble:
        ensemble.wait_serving()
        yield ensemble


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    return file


@pytest.fixture
def by_zookeeper(
    ensemble: ZooKeeperEnsemble, tmp_path: Path, password: Path, worker_id: str
) -> ClusterSpec:
    zookeeper = ZooKeeper(
        hosts=tuple(ensemble.hosts.split(",")),
        session=SESSION_S,
        user="shop",
        password_file=str(password),
        ca=str(tmp_path / "ca.pem"),
        certificate=str(tmp_path / "h1.pem"),
        key=str(tmp_path / "h1.key"),
    )
    return msgspec.structs.replace(shop(worker_id), election="zookeeper", zookeeper=zookeeper)


@pytest.mark.parametrize("service", ["by_etcd", "by_zookeeper"])
def test_a_dead_leader_is_succeeded(service: str, request: pytest.FixtureRequest) -> None:
    with Fleet(request.getfixturevalue(service)) as fleet:
        fleet.wait_ready()
        before, epoch, old = fleet.replica_pids(), epoch_of(fleet), fleet.leader()
        os.kill(fleet.pid_of(old), signal.SIGKILL)
        other = next(name for name in fleet.workers if name != old)
        fleet.wait_until(lambda: led_anew(fleet, other, old))
        fleet.wait_ready()
        scale(fleet, 3)
        assert epoch_of(fleet) > epoch
        assert fleet.replica_pids() == before
        assert_each_slot_runs_once(fleet)


def test_a_password_is_changed_while_the_fleet_runs(
    ensemble: ZooKeeperEnsemble, by_zookeeper: ClusterSpec, password: Path
) -> None:
    with Fleet(by_zookeeper) as fleet:
        fleet.wait_ready()
        before, epoch = fleet.replica_pids(), epoch_of(fleet)
        pids = [fleet.pid_of(name) for name in fleet.workers]
        ensemble.set_users({"shop": "another"})
        for server in list(ensemble.alive):
            ensemble.kill(server)
            ensemble.start(server)
        fleet.wait_until(
            lambda: all("refuses the user 'shop'; let its" in why for why in hindrances(fleet))
        )
        assert fleet.replica_pids() == before
        password.write_text("another\n")
        fleet.wait_ready()
        assert epoch_of(fleet) > epoch
        assert [fleet.pid_of(name) for name in fleet.workers] == pids
        assert fleet.replica_pids() == before
