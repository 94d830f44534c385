"""Who answers on a loading replica's port: itself, by whatever hand, or a stranger."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from bench.run_folder import RUN_VARIABLE
from interrex.core.ids import SlotName
from interrex.core.spec import CheckKind, ServiceSpec
from interrex.runtime.listening import addresses_of, listeners_at, sockets_of
from interrex.runtime.procfs import name_of
from tests.runtime.host_harness import Host, check, service

NEIGHBOUR = SlotName("web.1")
LISTEN = """
import ctypes, os, socket, sys
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
if len(sys.argv) > 1:
    ctypes.CDLL(None).prctl(15, sys.argv[1].encode())
print("listens", file=open(3, "w", closefd=False), flush=True)
while True:
    listener.accept()
"""
RECEIVE = """
import os, socket
with socket.socket(socket.AF_UNIX) as giver:
    giver.connect(os.environ["GIVER"])
    _, handed, _, _ = socket.recv_fds(giver, 1, 1)
print("listens", file=open(3, "w", closefd=False), flush=True)
while True:
    socket.socket(fileno=os.dup(handed[0])).accept()
"""
KEPT = " ".join(f"{name}=${name}" for name in ("PORT", "PATH", RUN_VARIABLE))
"""What a daemon keeps of its environment: by the last it ends with the run of the tests."""


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    made = Host(tmp_path)
    yield made
    made.kill_all()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
    return number


@pytest.fixture
def stranger(port: int) -> Iterator[socket.socket]:
    """This very process listens: no replica, and no child of the worker's."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener


def python(host: Host, script: str, how: str = "exec {}") -> ServiceSpec:
    return host.shell(how.format(f"python3 -c '{script}'"))


async def whose(host: Host, port: int) -> tuple[bool, bool]:
    """Whether the answer is good, and whether a stranger's."""
    probed = await host.probe(check(CheckKind.TCP), port, own=True)
    return probed.ok, probed.stranger


@pytest.mark.parametrize(
    "how",
    [
        "exec {}",
        "{} & wait",
        "setsid {} & sleep 1000",
        f"(setsid env -i {KEPT} {{}} &) ; sleep 1000",
    ],
    ids=["itself", "a worker of it", "in a session of its own", "a daemon without its environment"],
)
async def test_a_replica_may_listen_by_any_of_its_hands(host: Host, port: int, how: str) -> None:
    await host.spawn(python(host, LISTEN, how), port=port)
    await host.hear(1)
    assert await whose(host, port) == (True, False)


async def test_a_replica_may_listen_on_a_socket_that_another_program_holds_too(
    host: Host, port: int, stranger: socket.socket, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as giver:
        giver.bind(str(tmp_path / "giver"))
        giver.listen()
        spec = python(host, RECEIVE)
        spec = service(*spec.command, env={"GIVER": str(tmp_path / "giver")})
        await host.claim()
        host.start(spec)
        giver.settimeout(60)
        receiver, _ = giver.accept()
        socket.send_fds(receiver, [b"x"], [stranger.fileno()])
        receiver.close()
        await host.hear(1)
        await host.next_of_any()
    assert await whose(host, port) == (True, False)


async def test_a_stranger_on_the_port_of_a_loading_replica_is_told_by_name(
    host: Host, port: int, stranger: socket.socket
) -> None:
    await host.spawn(service("sleep", "1000"))
    probed = await host.probe(check(CheckKind.TCP), port, own=True)
    assert (probed.ok, probed.stranger, probed.timed_out) == (False, True, False)
    named = f"{name_of(os.getpid())} (pid {os.getpid()})"
    assert probed.detail == f"port {port} is answered by another program: {named}"
    assert stranger.fileno() >= 0


async def test_another_slots_replica_is_a_stranger(host: Host, port: int) -> None:
    await host.spawn(service("sleep", "1000"))
    neighbour = await host.spawn(python(host, LISTEN), slot=NEIGHBOUR, port=port)
    await host.hear(1)
    probed = await host.probe(check(CheckKind.TCP), port, own=True)
    assert probed.stranger
    assert f"(pid {neighbour})" in probed.detail


async def test_a_program_that_forwards_for_others_is_no_stranger(host: Host, port: int) -> None:
    await host.spawn(service("sleep", "1000"))
    await host.spawn(python(host, LISTEN, "exec {} docker-proxy"), slot=NEIGHBOUR, port=port)
    await host.hear(1)
    assert await whose(host, port) == (True, False)


async def test_who_answers_matters_only_where_it_is_asked(
    host: Host, port: int, stranger: socket.socket
) -> None:
    await host.spawn(service("sleep", "1000"))
    assert (await host.probe(check(CheckKind.TCP), port)).ok
    assert stranger.fileno() >= 0


async def test_nobody_at_all_is_told_as_ever(host: Host, port: int) -> None:
    await host.spawn(service("sleep", "1000"))
    probed = await host.probe(check(CheckKind.TCP), port, own=True)
    assert (probed.ok, probed.stranger) == (False, False)
    assert probed.detail == "connecting: Connection refused"


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_a_listener_is_found_on_every_address_that_the_loopback_reaches(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert listeners_at(port) == {os.fstat(listener.fileno()).st_ino}
        assert listeners_at(port) <= (sockets_of(os.getpid()) or frozenset())
        assert (str(ip_address(address)), port) in addresses_of(os.getpid())


def test_a_listener_elsewhere_and_a_bound_socket_answer_nobody_here() -> None:
    with socket.socket() as elsewhere, socket.socket() as bound:
        elsewhere.bind(("127.0.0.2", 0))
        elsewhere.listen()
        bound.bind(("127.0.0.1", 0))
        assert listeners_at(elsewhere.getsockname()[1]) == frozenset()
        assert listeners_at(bound.getsockname()[1]) == frozenset()
