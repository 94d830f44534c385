"""What people do to a real etcd that a fleet rests on: told by status, and why nothing changes."""

import base64
import contextlib
from collections.abc import Iterator

import msgspec
import pytest

from bench.etcd_cluster import EtcdCluster
from bench.fleet import Fleet
from interrex.core.ids import ChangeId, ServiceName
from interrex.core.spec import Etcd
from interrex.core.state import Scale
from interrex.runtime.genesis import find_genesis
from interrex.runtime.questions import ChangeBody, Outcome
from tests.system.conftest import shop

ROOT = {"name": "root", "password": "s3cret"}


@pytest.fixture
def own_etcd() -> Iterator[EtcdCluster]:
    with EtcdCluster() as cluster:
        cluster.wait_agreed()
        yield cluster


@pytest.fixture
def fleet(own_etcd: EtcdCluster, worker_id: str) -> Iterator[Fleet]:
    etcd = Etcd(endpoints=own_etcd.endpoints, session=3.0, timeout=0.8)
    spec = msgspec.structs.replace(shop(worker_id), election="etcd", etcd=etcd)
    with Fleet(spec) as fleet:
        fleet.wait_ready()
        yield fleet


def scale(fleet: Fleet, number: int, replicas: int) -> Outcome:
    body = ChangeBody(ChangeId(f"scale-{number}"), (Scale(ServiceName("web"), replicas),))
    with contextlib.closing(fleet.connect(fleet.workers[0], timeout_s=60)) as connection:
        connection.request("POST", "/v1/changes", msgspec.json.encode(body))
        return msgspec.json.decode(connection.getresponse().read(), type=Outcome)


def hindrances(fleet: Fleet) -> list[str]:
    return [status.hindrance for status in fleet.statuses()]


def alarm(etcd: EtcdCluster, action: str) -> None:
    member = int(etcd.view(0)[2])
    asked = {"action": action, "memberID": str(member), "alarm": "NOSPACE"}
    assert "header" in etcd.ask(0, "/v3/maintenance/alarm", asked)


def test_a_full_etcd_is_told_by_everybody_and_changes_wait_for_space(
    fleet: Fleet, own_etcd: EtcdCluster
) -> None:
    before = fleet.replica_pids()
    alarm(own_etcd, "ACTIVATE")
    told = scale(fleet, 1, 2)
    assert not told.ok
    assert "database space exceeded" in told.text
    fleet.wait_until(lambda: all("etcdctl alarm disarm" in why for why in hindrances(fleet)))
    assert all(status.leader is not None for status in fleet.statuses())
    refused = scale(fleet, 2, 1)
    assert refused.refused
    assert "nothing was changed" in refused.text
    assert fleet.replica_pids() == before
    alarm(own_etcd, "DEACTIVATE")
    fleet.wait_until(lambda: len(fleet.replica_pids()) == 2)
    fleet.wait_until(lambda: set(hindrances(fleet)) == {""})


def test_authentication_that_is_switched_on_is_told_with_what_to_do(
    fleet: Fleet, own_etcd: EtcdCluster
) -> None:
    before = fleet.replica_pids()
    assert "header" in own_etcd.ask(0, "/v3/auth/user/add", ROOT)
    assert "header" in own_etcd.ask(0, "/v3/auth/role/add", {"name": "root"})
    assert "header" in own_etcd.ask(0, "/v3/auth/user/grant", {"user": "root", "role": "root"})
    assert "header" in own_etcd.ask(0, "/v3/auth/enable", {})
    fleet.wait_until(lambda: all("etcdctl auth disable" in why for why in hindrances(fleet)))
    told = scale(fleet, 1, 2)
    assert not told.ok
    assert "user name is empty" in told.text
    assert fleet.replica_pids() == before


def test_a_leaders_key_that_is_written_over_is_written_again(
    fleet: Fleet, own_etcd: EtcdCluster
) -> None:
    leader, cluster = fleet.leader(), find_genesis(fleet.layout).cluster_id
    key = base64.b64encode(f"/interrex/{fleet.spec.name}/{cluster}/leader".encode()).decode()
    spoilt = {"key": key, "value": base64.b64encode(b"garbage").decode()}
    assert "header" in own_etcd.ask(0, "/v3/kv/put", spoilt)

    def is_written_again() -> bool:
        found = own_etcd.ask(0, "/v3/kv/range", {"key": key})["kvs"][0]
        return leader.encode() in base64.b64decode(found["value"]) and int(found["lease"]) > 0

    fleet.wait_until(is_written_again)
    assert scale(fleet, 1, 2).ok
    assert fleet.leader() == leader
