"""Real HAProxy processes and small servers under test; whatever is started here ends here."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bench.servers import build
from interrex.balancer.names import frontend_name
from interrex.core.ids import ServiceName, SlotName, slot_name
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import BalancerSpec, Check, CheckKind, Expose
from interrex.runtime import haproxy, haproxy_ports
from interrex.runtime.haproxy import Balancer, Followed
from interrex.runtime.haproxy_socket import ask_once

PATIENCE_S = 60.0
"""A hang is a failure; nothing passes or fails by being fast."""
READY, DRAIN, DOWN = EndpointState.READY, EndpointState.DRAIN, EndpointState.DOWN
SPEC = BalancerSpec(connect_timeout=0.1)
SOON_S = 0.2
"""When one that is known to hang is taken for that."""
CHECK = Check(kind=CheckKind.HTTP, path="/healthz")
_PORTS_A_WORKER = 1_500


def free_ports() -> Iterator[int]:
    """Ports that nobody listens on; parallel test workers take theirs from different ranges."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    first = 12_000 + worker % 5 * _PORTS_A_WORKER
    for port in random.sample(range(first, first + _PORTS_A_WORKER), _PORTS_A_WORKER):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


@contextlib.contextmanager
def haproxy_may_take(answer_s: float) -> Iterator[None]:
    """Take a process that has not answered for so long for a hung one."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PUBLISH_TIMEOUT_S", "PROBE_TIMEOUT_S", "RELOAD_TIMEOUT_S"):
            patch.setattr(haproxy, name, answer_s)
        patch.setattr(haproxy, "STARTING_TIMEOUT_S", answer_s)
        patch.setattr(haproxy, "SIBLING_TIMEOUT_S", min(answer_s, 1.0))  # it blocks the starter
        patch.setattr(haproxy_ports, "_ASK_TIMEOUT_S", answer_s)
        yield


def listening_sockets(port: int) -> int:
    """How many TCP sockets listen on a port: processes that share one count once."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def children(pid: int) -> list[int]:
    """The children of a process, a master's workers."""
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so, of what HAProxy tells nobody unasked."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.005)


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's TCP sockets that listen."""
    listening = {
        f"socket:[{row.split()[9]}]"
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for row in Path(table).read_text().splitlines()[1:]
        if row.split()[3] == "0A"
    }
    return listening & {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}


async def ended(pid: int) -> None:
    """Wait until a process has ended, whoever its parent is."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop.add_reader(descriptor, over.set)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class Scene:
    """A host: small servers, balancers beside each other, and one exposed service ``web``.

    Args:
        folder: a temporary one.
        replicas: how many servers there are; their names (``web.0``) are what they answer.
    """

    def __init__(self, folder: Path, replicas: int = 3) -> None:
        self.folder = folder
        self.ports = free_ports()
        self.port = next(self.ports)
        self.requests = folder / "requests.log"
        self.requests.touch()
        self.replica_ports = [next(self.ports) for _ in range(replicas)]
        self.replicas: dict[int, subprocess.Popen[bytes]] = {}
        self.balancers: dict[int, Balancer] = {}
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._version = 0
        self._tiny = build()

    # Replicas

    def start_replica(self, number: int) -> None:
        port, name = self.replica_ports[number], f"web.{number}"
        self.replicas[number] = subprocess.Popen(
            [self._tiny, "--port", str(port), "--name", name, "--log", str(self.requests)]
        )

    def start_replicas(self) -> None:
        for number in range(len(self.replica_ports)):
            self.start_replica(number)

    async def replicas_listen(self) -> None:
        """Wait until all that were started do: one that refuses is taken from the routes."""

        async def all_listen() -> bool:
            return all(listening_sockets(self.replica_ports[number]) for number in self.replicas)

        await until(all_listen)

    def kill_replica(self, number: int) -> None:
        process = self.replicas.pop(number)
        process.kill()
        process.wait()

    def logged(self, request: str) -> int:
        """How often a server has begun to carry out ``METHOD PATH``."""
        lines = self.requests.read_text().splitlines()
        return sum(line.startswith(f"{request} ") for line in lines)

    # Routes

    def table(self, *states: EndpointState, epoch: int = 1) -> RouteTable:
        """The next version of the table, with the first slots in these states."""
        self._version += 1
        endpoints = tuple(
            Endpoint(slot_name(ServiceName("web"), number), "127.0.0.1", port, state)
            for number, (port, state) in enumerate(zip(self.replica_ports, states, strict=False))
        )
        route = ServiceRoute(ServiceName("web"), Expose(port=self.port), CHECK, endpoints)
        return RouteTable(epoch, self._version, (route,))

    def all_ready(self) -> RouteTable:
        return self.table(*[READY] * len(self.replica_ports))

    async def publish(self, table: RouteTable, number: int = 0) -> Followed:
        return await self.balancer(number).publish(table, SPEC)

    # Balancers

    def balancer(self, number: int = 0) -> Balancer:
        if number not in self.balancers:
            slot = SlotName(f"balancer.{number}")
            self.balancers[number] = Balancer(self.folder / "balancer" / slot, slot)
        return self.balancers[number]

    async def start_balancer(self, number: int = 0, spec: BalancerSpec = SPEC) -> tuple[str, ...]:
        """Start a balancer and wait until it answers; returns its command line."""
        balancer = self.balancer(number)
        command = await asyncio.to_thread(balancer.command, spec)
        self._spawn_balancer(number, command)

        async def answers() -> bool:
            return await balancer.probe() is None

        await until(answers)
        return command

    async def fail_to_start_balancer(self, number: int) -> str:
        """Start one that ends by itself; returns what all of that number have printed."""
        command = await asyncio.to_thread(self.balancer(number).command, SPEC)
        self._spawn_balancer(number, command)
        await self.balancer_ended(number)
        return (self.folder / f"balancer.{number}.log").read_text()

    def _spawn_balancer(self, number: int, command: tuple[str, ...]) -> None:
        with (self.folder / f"balancer.{number}.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )

    async def serve(self, balancers: int = 1) -> None:
        """Start all replicas, and balancers that send to them."""
        self.start_replicas()
        await self.replicas_listen()
        table = self.all_ready()
        for number in range(balancers):
            await self.publish(table, number)
            await self.start_balancer(number)

    def signal_balancer(self, number: int, what: signal.Signals) -> None:
        """To the whole of it: master and workers."""
        os.killpg(self.processes[number].pid, what)

    async def kill_balancer(self, number: int) -> None:
        self.signal_balancer(number, signal.SIGKILL)
        await self.balancer_ended(number)

    async def balancer_ended(self, number: int) -> None:
        process = self.processes.pop(number)
        await ended(process.pid)
        process.wait()

    # Requests

    async def ask(self, path: str = "/", method: str = "GET", port: int | None = None) -> str:
        """One request on a connection of its own: the status and the body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        try:
            body = "Content-Length: 2\r\n\r\nhi" if method == "POST" else "\r\n"
            head = f"{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{body}"
            writer.write(head.encode())
            async with asyncio.timeout(PATIENCE_S):
                answer = (await reader.read(-1)).decode()
        finally:
            writer.transport.abort()
        head, _, body = answer.partition("\r\n\r\n")
        status = head.split(" ")[1] if head else "nothing"
        return f"{status} {body}"

    async def requests_reach(self, slot: str, count: int = 1) -> None:
        """Wait until so many requests are under way on a server of the first balancer."""

        async def reached() -> bool:
            return await self.balancer().drained(SlotName(slot)) == count

        await until(reached)

    async def requests_come(self, count: int) -> None:
        """Wait until the first balancer has taken so many requests in, each on a connection of its
        own, wherever they are by now."""
        service = frontend_name(ServiceName("web"))

        async def come() -> bool:
            answer = await ask_once(self.balancer().admin_socket, "show stat", PATIENCE_S)
            columns, *rows = (line.split(",") for line in answer.splitlines() if line)
            (row,) = (one for one in rows if one[:2] == [service, "FRONTEND"])
            return int(row[columns.index("scur")]) == count

        await until(come)

    async def answering(self, requests: int = 12) -> set[str]:
        """Who answers to so many requests one after the other."""
        return {await self.ask() for _ in range(requests)}

    def close(self) -> None:
        for balancer in self.balancers.values():
            balancer.close()
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for process in self.replicas.values():
            process.kill()
            process.wait()
