"""Peers that are processes of their own: killed, stopped, restarted."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from interrex.core.ids import WorkerName
from interrex.runtime import peer_socket
from interrex.runtime.greeting import Hello
from interrex.runtime.peer_process import PeerProcesses
from interrex.runtime.peer_socket import Credentials, UnixAddress
from interrex.runtime.pidfd import ProcessIdentity, is_dead
from tests.proxies import UnixProxy
from tests.runtime import workers_on_sockets
from tests.runtime.workers_on_sockets import (
    A,
    B,
    C,
    Node,
    hello_of,
    local_node,
    open_sockets,
    socket_of,
)

ROOT = Path(__file__).parent.parent.parent


class Town:
    """``b`` in this process, and processes for ``a`` (which dials) and ``c`` (which knocks)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.node = local_node(folder, B)

    def start(self, name: WorkerName) -> "subprocess.Popen[bytes]":
        program = [sys.executable, workers_on_sockets.__file__, str(self.folder), name]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.processes.append(subprocess.Popen(program, env=environment))
        return self.processes[-1]

    async def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        await self.node.transport.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    before = open_sockets()
    town = Town(tmp_path)
    yield town
    await town.close()
    await asyncio.sleep(0)
    assert open_sockets() == before


async def proof(node: Node) -> Hello:
    """The proof of a death, which may come with the loss or right after it."""
    heard = await node.next("lost")
    if not heard.proved:
        heard = await node.next("died")
    assert heard.hello
    return heard.hello


@pytest.mark.parametrize("name", [A, C])
async def test_a_killed_peer_is_proved_dead_and_its_successor_is_connected(
    town: Town, name: WorkerName
) -> None:
    incarnations = set()
    for _ in range(3):
        process = town.start(name)
        connected = await town.node.next("connected")
        assert connected.hello
        assert connected.hello.pid == process.pid
        assert town.node.transport.send(name, b"echo")
        assert (await town.node.next("message")).payload == b"echo"
        process.kill()
        assert await proof(town.node) == connected.hello
        incarnations.add(connected.hello.process)
    assert len(incarnations) == 3


@pytest.mark.parametrize("name", [A, C])
async def test_a_silent_peer_is_killed_through_its_pidfd(town: Town, name: WorkerName) -> None:
    process = town.start(name)
    await town.node.next("connected")
    process.send_signal(signal.SIGSTOP)
    assert town.node.transport.send(name, b"no answer will come")
    assert town.node.transport.kill_peer(name, signal.SIGKILL)
    await proof(town.node)
    assert process.wait() == -signal.SIGKILL
    assert not town.node.transport.kill_peer(name, signal.SIGKILL)


async def test_a_cut_connection_is_suspicion_and_the_death_after_it_is_proof(
    town: Town, tmp_path: Path
) -> None:
    path = socket_of(tmp_path, WorkerName("proxy"))
    proxy = UnixProxy(path, socket_of(tmp_path, C))
    await proxy.start()
    town.node.transport.set_peers({C: UnixAddress(path)})
    process = town.start(C)
    await town.node.next("connected")
    proxy.refusing = True
    proxy.reset()
    assert not (await town.node.next("lost")).proved
    process.kill()
    died = await town.node.next("died")
    assert died.hello
    assert died.hello.pid == process.pid
    await proxy.close()


async def test_a_stopped_peer_can_be_killed_though_its_connection_is_cut(
    town: Town, tmp_path: Path
) -> None:
    path = socket_of(tmp_path, WorkerName("proxy"))
    proxy = UnixProxy(path, socket_of(tmp_path, C))
    await proxy.start()
    town.node.transport.set_peers({C: UnixAddress(path)})
    process = town.start(C)
    await town.node.next("connected")
    process.send_signal(signal.SIGSTOP)
    proxy.refusing = True
    proxy.reset()
    assert not (await town.node.next("lost")).proved
    assert town.node.transport.kill_peer(C, signal.SIGKILL)
    await town.node.next("died")
    await proxy.close()


class Deaths:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[Hello] = asyncio.Queue()
        self.ended: asyncio.Queue[Hello] = asyncio.Queue()
        self.processes = PeerProcesses(self.heard.put_nowait, self.ended.put_nowait)


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["/bin/sleep", "1000"])


def hello_from(process: "subprocess.Popen[bytes]") -> Hello:
    identity = ProcessIdentity.of(process.pid)
    assert identity
    return msgspec.structs.replace(hello_of(A), pid=identity.pid, start_time=identity.start_time)


@pytest.mark.parametrize("with_pidfd", [True, False])
async def test_kernels_that_give_no_pidfd_are_served_by_pid_and_start_time(
    with_pidfd: bool,
) -> None:
    deaths, process = Deaths(), sleeper()
    hello = hello_from(process)
    pidfd = os.pidfd_open(process.pid) if with_pidfd else None
    assert deaths.processes.watch(hello, process.pid, pidfd)
    assert not deaths.processes.is_dead(hello)
    process.kill()
    assert await deaths.heard.get() == hello
    process.wait()
    deaths.processes.close()


async def test_a_pid_that_names_somebody_else_proves_nothing() -> None:
    deaths, process = Deaths(), sleeper()
    hello = hello_from(process)
    liar = msgspec.structs.replace(hello, start_time=hello.start_time - 1)
    elsewhere = msgspec.structs.replace(hello, pid_namespace=1)
    for each in (liar, elsewhere):
        assert not deaths.processes.watch(each, os.getpid(), None)
        assert not deaths.processes.signal(each, signal.SIGKILL)
    assert process.poll() is None
    process.kill()
    process.wait()


async def test_reconnecting_does_not_collect_descriptors() -> None:
    deaths, process = Deaths(), sleeper()
    hello = hello_from(process)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        assert deaths.processes.watch(hello, process.pid, os.pidfd_open(process.pid))
    assert len(os.listdir("/proc/self/fd")) == before + 1
    deaths.processes.close()
    assert len(os.listdir("/proc/self/fd")) == before
    process.kill()
    process.wait()


async def test_another_users_process_is_not_talked_to(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root everybody's socket can be opened; who is at the other end still counts."""
    real = peer_socket.peer_credentials

    def stranger(sock: object) -> Credentials:
        return real(sock)._replace(uid=os.geteuid() + 1)  # type: ignore[arg-type]

    monkeypatch.setattr("interrex.runtime.accepting.peer_credentials", stranger)
    with peer_socket.connect_unix(socket_of(town.folder, B)) as caller:
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(caller, 100) == b""
    assert town.node.transport.counters["strange_users"] == 1


async def test_a_pidfd_from_the_socket_names_the_process_behind_it(tmp_path: Path) -> None:
    path = socket_of(tmp_path, A)
    listening = peer_socket.listen_unix(path)
    with listening, peer_socket.connect_unix(path) as dialed:
        credentials = peer_socket.peer_credentials(dialed)
    assert (credentials.pid, credentials.uid) == (os.getpid(), os.geteuid())
    if credentials.pidfd is not None:  # an older kernel has none
        assert not is_dead(credentials.pidfd)
        os.close(credentials.pidfd)
