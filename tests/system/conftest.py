"""A real fleet: worker processes, HAProxy and small C servers, in a folder of its own."""

import socket
from collections.abc import Iterator

import pytest

from bench.fleet import Fleet
from bench.servers import build
from interrex.core.ids import ServiceName
from interrex.core.spec import Check, CheckKind, ClusterSpec, Expose, Health, ServiceSpec


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def shop(worker_id: str, replicas: int = 3) -> ClusterSpec:
    """Three workers and a service whose replicas start in a millisecond.

    Test processes that run side by side get ranges of replica ports of their own.
    """
    (port,) = free_ports(1)
    number = int(worker_id.removeprefix("gw") or 0) if worker_id != "master" else 20
    first = 22000 + 400 * number
    check = Check(kind=CheckKind.HTTP, path="/healthz", interval=0.5, timeout=0.5)
    web = ServiceSpec(
        name=ServiceName("web"),
        command=(str(build()), "--port", "{port}"),
        replicas=replicas,
        expose=Expose(port=port),
        health=Health(startup=check, readiness=check, liveness=check),
        stop_timeout=2.0,
    )
    return ClusterSpec(name="shop", ports=(first, first + 399), services={web.name: web})


@pytest.fixture
def fleet(worker_id: str) -> Iterator[Fleet]:
    """A fleet that is ready; everything it started ends with the test."""
    with Fleet(shop(worker_id)) as running:
        running.wait_ready()
        yield running
