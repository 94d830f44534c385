"""Between hosts only certificates of the cluster's CA count, and only for the host they name."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trustme

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Known
from interrex.core.spec import HostSpec, Tls
from interrex.runtime.frames import encode_frame
from interrex.runtime.greeting import encode_greeting
from interrex.runtime.link import Limits
from interrex.runtime.peer_socket import Address, TcpAddress
from tests.runtime.workers_on_sockets import A, B, Node, hello_of, open_sockets

NORTH, SOUTH = HostName("north"), HostName("south")
HOSTS = {A: NORTH, B: SOUTH}
PATIENT = Limits(greeting_s=60.0)


class Authority:
    """A cluster's CA, and files for its hosts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    def files(self, host: str) -> Tls:
        certificate = self._ca.issue_cert(host)
        pem, key = self._folder / f"{host}.pem", self._folder / f"{host}.key"
        certificate.cert_chain_pems[0].write_to_path(str(pem))
        certificate.private_key_pem.write_to_path(str(key))
        return Tls(ca=str(self._folder / "ca.pem"), certificate=str(pem), key=str(key))

    def mixed(self, other: Tls) -> Tls:
        """This CA believed, the other one's certificate shown."""
        return Tls(ca=str(self._folder / "ca.pem"), certificate=other.certificate, key=other.key)


class Town:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "ca")
        self.folder = folder
        self.nodes: list[Node] = []
        self.ports: dict[WorkerName, int] = {}

    def node(
        self,
        name: WorkerName,
        files: Tls | None = None,
        host: HostName | None = None,
        limits: Limits = PATIENT,
    ) -> Node:
        home = host or HOSTS[name]
        tls = files or self.authority.files(home)
        node = Node(name, hello=hello_of(name, home), tls=tls, limits=limits)
        self.ports[name] = node.transport.listen_tcp("127.0.0.1", self.ports.get(name, 0))
        self.nodes.append(node)
        return node

    def introduce(self) -> None:
        everybody: dict[WorkerName, Address] = {
            name: TcpAddress("127.0.0.1", port, HOSTS[name]) for name, port in self.ports.items()
        }
        for node in self.nodes:
            node.transport.set_peers(everybody)

    async def close(self) -> None:
        for node in self.nodes:
            await node.transport.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    before = open_sockets()
    town = Town(tmp_path)
    yield town
    await town.close()
    await asyncio.sleep(0)
    assert open_sockets() == before


async def counted(node: Node, kind: str) -> None:
    """Waits until a fault has been counted: there is no event for it."""
    while not node.transport.counters[kind]:
        await asyncio.sleep(0.001)


async def test_workers_on_two_hosts_meet_and_talk(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    town.introduce()
    await a.next("connected")
    await b.next("connected")
    for payload in (b"small", b"x" * 1_000_000):
        a.transport.send(B, payload)
        b.transport.send(A, payload)
        assert (await a.next("message")).payload == payload
        assert (await b.next("message")).payload == payload


@pytest.mark.parametrize("name", [A, B])
async def test_a_restarted_worker_is_connected_again(town: Town, name: WorkerName) -> None:
    nodes = {A: town.node(A), B: town.node(B)}
    town.introduce()
    for node in nodes.values():
        await node.next("connected")
    left = nodes[B if name == A else A]
    await nodes[name].transport.close()
    heard = await left.next("lost")
    assert not heard.proved
    assert not left.transport.kill_peer(name, 9)
    again = town.node(name)
    again.transport.set_peers(
        {left.name: TcpAddress("127.0.0.1", town.ports[left.name], HOSTS[left.name])}
    )
    await left.next("connected")
    await again.next("connected")


async def test_a_certificate_of_another_host_is_refused(town: Town) -> None:
    """It is a member of the cluster, but not the one it says it is."""
    a, b = town.node(A), town.node(B, town.authority.files("west"))
    town.introduce()
    await counted(a, "refused")
    assert a.listener.is_idle
    assert b.listener.is_idle


async def test_a_host_at_anothers_address_is_refused(town: Town) -> None:
    a, b = town.node(A), town.node(B, host=HostName("west"))
    town.introduce()
    await counted(a, "refused")
    assert a.listener.is_idle
    assert b.listener.is_idle


async def test_a_certificate_of_another_ca_is_refused(town: Town, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign").files(SOUTH)
    a, b = town.node(A), town.node(B, town.authority.mixed(foreign))
    town.introduce()
    await counted(a, "failed_handshakes")
    assert a.listener.is_idle
    assert b.listener.is_idle


async def test_a_caller_of_another_ca_is_refused(town: Town, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign").files(NORTH)
    a, b = town.node(A, town.authority.mixed(foreign)), town.node(B)
    town.introduce()
    await counted(b, "failed_handshakes")
    assert a.listener.is_idle
    assert b.listener.is_idle


WHOM = Known(53, 0, tuple(HostSpec(name=host, address=f"{host}:7000") for host in (NORTH, SOUTH)))


def _strangers(town: Town, index: int, files: Tls | None = None) -> tuple[Node, Node]:
    """The first, whose state is of index 11, does not know the second; that one calls it."""
    a, b = town.node(A), town.node(B, files)
    a.transport.peers_as_of, b.transport.peers_as_of = 11, index
    b.listener.whom = msgspec.structs.replace(WHOM, index=index)
    b.transport.set_peers({A: TcpAddress("127.0.0.1", town.ports[A], NORTH)})
    return a, b


async def test_who_is_not_known_yet_says_whom_there_is_and_is_let_in_once_it_is(town: Town) -> None:
    """It joined while the other was away, and nobody else may be left to tell that one."""
    a, b = _strangers(town, 53)
    assert await a.listener.introductions.get() == (B, SOUTH, WHOM)
    assert a.listener.is_idle
    town.introduce()
    assert (await a.next("connected")).hello == b.transport.hello
    assert (await b.next("connected")).hello == a.transport.hello


async def test_who_is_of_an_older_state_may_have_been_removed_and_says_nothing(town: Town) -> None:
    a, b = _strangers(town, 10)
    for _ in range(3):
        assert await b.listener.refusals.get() == (11, False)
    assert a.listener.introductions.empty()


async def test_who_does_not_prove_where_it_is_is_not_heard(town: Town) -> None:
    a, b = _strangers(town, 53, town.authority.files("west"))
    for _ in range(3):
        assert await b.listener.refusals.get() == (11, False)
    assert a.listener.introductions.empty()


def _client(town: Town) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(town.folder / "ca" / "ca.pem"))
    context.check_hostname = False
    return context


async def test_a_caller_without_a_certificate_connects_and_reads_nothing(town: Town) -> None:
    """TLS 1.3 lets the client finish its handshake before the server has refused it."""
    b = town.node(B)
    reader, writer = await asyncio.open_connection("127.0.0.1", town.ports[B], ssl=_client(town))
    writer.write(encode_frame(encode_greeting(hello_of(A, NORTH))))
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.transport.abort()
    assert b.listener.is_idle
    assert b.transport.counters["failed_handshakes"] == 1


async def test_older_tls_is_refused(town: Town) -> None:
    town.node(B)
    context = _client(town)
    files = town.authority.files(NORTH)
    context.load_cert_chain(files.certificate, files.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", town.ports[B], ssl=context)


@pytest.mark.parametrize("data", [b"\0\0\0\5hello", b"GET / HTTP/1.1\r\n\r\n", os.urandom(500)])
async def test_plain_bytes_at_the_tls_port_are_turned_away(town: Town, data: bytes) -> None:
    b = town.node(B)
    reader, writer = await asyncio.open_connection("127.0.0.1", town.ports[B])
    writer.write(data)
    await reader.read()
    writer.transport.abort()
    assert b.transport.counters["failed_handshakes"] == 1
    assert b.listener.is_idle


async def test_a_caller_who_says_nothing_is_cut_off(town: Town) -> None:
    b = town.node(B, limits=Limits(greeting_s=0.05))
    reader, writer = await asyncio.open_connection("127.0.0.1", town.ports[B])
    assert await reader.read() == b""
    writer.transport.abort()
    await counted(b, "failed_handshakes")


async def test_silent_callers_cannot_keep_a_worker_out(town: Town) -> None:
    a, b = town.node(A), town.node(B, limits=Limits(greeting_s=60.0, strangers=4))
    crowd = [await asyncio.open_connection("127.0.0.1", town.ports[B]) for _ in range(40)]
    for reader, _ in crowd[:-4]:
        assert await reader.read() == b""
    town.introduce()
    await a.next("connected")
    await b.next("connected")
    for _, writer in crowd:
        writer.transport.abort()


async def test_without_tls_files_there_is_no_tcp(tmp_path: Path) -> None:
    node = Node(A)
    with pytest.raises(InterrexError, match=r"\[cluster.tls\]"):
        node.transport.listen_tcp("127.0.0.1", 0)
    node.transport.set_peers({B: TcpAddress("127.0.0.1", 1, SOUTH)})
    await counted(node, "missing_tls")
    await node.transport.close()


async def test_files_that_cannot_be_used_are_named(town: Town, tmp_path: Path) -> None:
    files = town.authority.files(NORTH)
    for broken in (
        Tls(ca=str(tmp_path / "none"), certificate=files.certificate, key=files.key),
        Tls(ca=files.ca, certificate=files.certificate, key=town.authority.files(SOUTH).key),
    ):
        with pytest.raises(InterrexError, match="TLS files cannot be used"):
            Node(A, tls=broken)


async def test_a_taken_port_is_named(town: Town) -> None:
    town.node(B)
    other = Node(A, tls=town.authority.files(NORTH))
    with pytest.raises(InterrexError, match=f"cannot listen on 127.0.0.1:{town.ports[B]}"):
        other.transport.listen_tcp("127.0.0.1", town.ports[B])
    await other.transport.close()
