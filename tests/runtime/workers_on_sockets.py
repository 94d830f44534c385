"""Transports to test with: in this process, and in processes of their own.

Run as a program (FOLDER NAME) it is a worker that sends every message back.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import uvloop

from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Known
from interrex.core.spec import Tls
from interrex.runtime.greeting import Hello
from interrex.runtime.link import Limits
from interrex.runtime.peer_socket import Address, UnixAddress
from interrex.runtime.pidfd import ProcessIdentity
from interrex.runtime.transport import Transport

A, B, C = WorkerName("a"), WorkerName("b"), WorkerName("c")
HOST = HostName("here")

_incarnations = itertools.count(1)


def hello_of(name: WorkerName, host: HostName = HOST) -> Hello:
    """What a worker in this process says of itself."""
    process = ProcessIdentity.of(os.getpid())
    assert process
    return Hello(
        cluster="shop",
        cluster_id="c0ffee",
        worker=name,
        host=host,
        member=ord(name[0]),
        incarnation=next(_incarnations),
        pid=process.pid,
        start_time=process.start_time,
        boot_id=process.boot_id,
        pid_namespace=process.pid_namespace,
    )


class Heard(NamedTuple):
    """One call of a transport's listener. ``proved`` is for a loss."""

    what: str
    worker: WorkerName
    hello: Hello | None = None
    proved: bool = False
    payload: bytes = b""


class Listener:
    """Keeps what a transport tells, in order."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.refusals: asyncio.Queue[tuple[int, bool]] = asyncio.Queue()
        self.reasons: asyncio.Queue[tuple[WorkerName, str]] = asyncio.Queue()
        self.beginnings: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_late = False
        self.whom: Known | None = None
        """What it tells a peer that does not know it."""
        self.introductions: asyncio.Queue[tuple[WorkerName, HostName, Known]] = asyncio.Queue()
        self.ended: asyncio.Queue[Hello] = asyncio.Queue()
        """Apart: the end of a process comes when the kernel has cleared up, after anything."""

    def peer_connected(self, hello: Hello) -> None:
        self._heard.put_nowait(Heard("connected", hello.worker, hello))

    def peer_lost(self, hello: Hello, proved_dead: bool) -> None:
        self._heard.put_nowait(Heard("lost", hello.worker, hello, proved_dead))

    def peer_died(self, hello: Hello) -> None:
        self._heard.put_nowait(Heard("died", hello.worker, hello))

    def not_known(self, index: int, led: bool) -> None:
        self.refusals.put_nowait((index, led))

    def introduction(self) -> Known | None:
        return self.whom

    def introduced(self, worker: WorkerName, host: HostName, known: Known) -> None:
        self.introductions.put_nowait((worker, host, known))

    def peer_refuses(self, worker: WorkerName, reason: str) -> None:
        self.reasons.put_nowait((worker, reason))

    def comes_late(self) -> None:
        self.is_late = True

    def told_beginning(self, genesis: bytes) -> None:
        self.beginnings.put_nowait(genesis)

    def peer_ended(self, hello: Hello) -> None:
        self.ended.put_nowait(hello)

    def message(self, worker: WorkerName, payload: bytes) -> None:
        self._heard.put_nowait(Heard("message", worker, payload=payload))

    async def next(self, what: str) -> Heard:
        """The next call, which has to be this one."""
        heard = await self._heard.get()
        assert heard.what == what, heard
        return heard

    async def until(self, what: str) -> Heard:
        """The next call of this kind; others are passed over."""
        while True:
            heard = await self._heard.get()
            if heard.what == what:
                return heard

    @property
    def is_idle(self) -> bool:
        return self._heard.empty()


class Node:
    """A transport and its listener."""

    def __init__(
        self,
        name: WorkerName,
        *,
        hello: Hello | None = None,
        tls: Tls | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self.listener = Listener()
        self.next, self.until = self.listener.next, self.listener.until
        self.transport = Transport(hello or hello_of(name), self.listener, tls=tls, limits=limits)


def socket_of(folder: Path, name: WorkerName) -> Path:
    """Where a worker of this host listens."""
    home = folder / name
    home.mkdir(mode=0o700, exist_ok=True)
    return home / "peer.sock"


def addresses(folder: Path, names: Iterable[WorkerName] = (A, B, C)) -> dict[WorkerName, Address]:
    return {name: UnixAddress(socket_of(folder, name)) for name in names}


def local_node(
    folder: Path,
    name: WorkerName,
    peers: dict[WorkerName, Address] | None = None,
    **how: Limits | Hello,
) -> Node:
    """A worker that listens on its Unix socket and looks for the others."""
    node = Node(name, **how)  # type: ignore[arg-type]
    node.transport.listen_unix(socket_of(folder, name))
    node.transport.set_peers(addresses(folder) if peers is None else peers)
    return node


def open_sockets() -> int:
    """How many sockets and pidfds this process has open."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listdir itself had open
            count += "socket:" in (link := os.readlink(f"/proc/self/fd/{descriptor}"))
            count += "pidfd" in link
    return count


class _Echo:
    transport: Transport

    def peer_connected(self, hello: Hello) -> None:
        pass

    def peer_lost(self, hello: Hello, proved_dead: bool) -> None:
        pass

    def peer_died(self, hello: Hello) -> None:
        pass

    def not_known(self, index: int, led: bool) -> None:
        pass

    def introduction(self) -> Known | None:
        return None

    def introduced(self, worker: WorkerName, host: HostName, known: Known) -> None:
        pass

    def peer_refuses(self, worker: WorkerName, reason: str) -> None:
        pass

    def comes_late(self) -> None:
        pass

    def told_beginning(self, genesis: bytes) -> None:
        pass

    def peer_ended(self, hello: Hello) -> None:
        pass

    def message(self, worker: WorkerName, payload: bytes) -> None:
        self.transport.send(worker, payload)


async def serve(folder: Path, name: WorkerName) -> None:
    echo = _Echo()
    echo.transport = Transport(hello_of(name), echo)
    echo.transport.listen_unix(socket_of(folder, name))
    echo.transport.set_peers(addresses(folder))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), WorkerName(sys.argv[2])))
