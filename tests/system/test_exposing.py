"""Exposed ports of a real fleet, while services come and go and strangers are about."""

import http.client
import socket
import urllib.request
from collections.abc import Iterator

import msgspec
import pytest

from bench.fleet import Fleet
from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.spec import ClusterSpec, Expose, ServiceSpec
from interrex.core.state import ApplySpec, Restart
from interrex.runtime.questions import ChangeBody

WEB = ServiceName("web")


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """Somebody else's listener."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def exposing(spec: ClusterSpec, *ports: int) -> ClusterSpec:
    """``web`` and, for each of these ports, a service of one replica like it."""
    web = spec.services[WEB]
    more = {
        (name := ServiceName(f"other{port}")): other(web, name, Expose(port=port)) for port in ports
    }
    return msgspec.structs.replace(spec, services={WEB: web, **more})


def other(web: ServiceSpec, name: ServiceName, expose: Expose) -> ServiceSpec:
    return msgspec.structs.replace(web, name=name, replicas=1, expose=expose)


def apply(fleet: Fleet, spec: ClusterSpec, number: int) -> None:
    """As `interrex apply` does: answered once it is agreed upon, not once it has been done."""
    body = ChangeBody(ChangeId(f"apply-{number}"), (ApplySpec(spec),))
    assert fleet.ask(WorkerName("worker-1"), "POST", "/v1/changes", body)["ok"]
    fleet.spec = spec


def status_of(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        return int(answer.status)


def serves(port: int) -> bool:
    try:
        return status_of(port) == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_port_that_a_stranger_has_is_told_of_and_holds_no_other_service_up(
    fleet: Fleet, stranger: socket.socket
) -> None:
    port = stranger.getsockname()[1]
    exposed = fleet.spec.services[WEB].expose
    assert exposed is not None
    before = fleet.replica_pids()
    apply(fleet, exposing(fleet.spec, port), 1)
    body = ChangeBody(ChangeId("restart-1"), (Restart(WEB),))
    assert fleet.ask(WorkerName("worker-1"), "POST", "/v1/changes", body)["ok"]
    fleet.wait_until(lambda: all_replaced(fleet, before))
    assert status_of(exposed.port) == 200
    assert f"another program listens on port {port}" in fleet.logs()
    reason = f"other{port} cannot be reached: another program listens on port {port}"
    fleet.wait_until(lambda: balancers(fleet) == {("running", reason)})
    assert not fleet.is_ready()
    stranger.close()
    fleet.wait_until(lambda: serves(port))
    fleet.wait_until(lambda: balancers(fleet) == {("ready", "")})


def balancers(fleet: Fleet) -> set[tuple[str, str]]:
    status = fleet.status()
    return {(one.state, one.reason) for one in status.balancer} if status is not None else set()


def all_replaced(fleet: Fleet, before: dict[str, int | None]) -> bool:
    now = fleet.replica_pids()
    return all(now[slot] not in (None, pid) for slot, pid in before.items())


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.2"])
def test_a_service_is_exposed_on_another_address_and_back(fleet: Fleet, address: str) -> None:
    began = fleet.spec
    web = began.services[WEB]
    assert web.expose is not None
    moved = msgspec.structs.replace(web, expose=Expose(port=web.expose.port, address=address))
    for number, spec in enumerate((msgspec.structs.replace(began, services={WEB: moved}), began)):
        apply(fleet, spec, number)
        reached = fleet.spec.services[WEB].expose
        assert reached is not None
        fleet.wait_until(lambda where=reached: is_exposed(where))  # type: ignore[misc]
        fleet.wait_ready()


def is_exposed(where: Expose) -> bool:
    """Whether it is reached there, and closed at the other address."""
    return reached("127.0.0.2", where.port) is (where.address != "127.0.0.1") and reached(
        "127.0.0.1", where.port
    ) is (where.address != "127.0.0.2")


def reached(address: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((address, port)) == 0
