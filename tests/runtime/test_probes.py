"""Probes against real sockets and programs: each is answered exactly once, whatever is asked."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from interrex.core.errors import InterrexError
from interrex.core.ids import SlotName
from interrex.core.spec import CheckKind
from interrex.runtime.probes import MAX_DRAINED_BYTES, MAX_STATUS_LINE_BYTES
from interrex.runtime.procfs import all_pids, instance_of
from interrex.supervision.interface import Probe, Probed
from tests.runtime.host_harness import (
    SLOT,
    Host,
    check,
    no_more_descriptors,
    record_fields,
    service,
)

BRIEF_S = 0.05
"""A time-out that is meant to run out."""

ANSWERED_S = 2.0
"""One that runs out too, but not before a server has answered that does."""

NOBODYS_PORT = 1


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    made = Host(tmp_path)
    await made.spawn(service("sleep", "1000"))
    yield made
    made.kill_all()


class Server(asyncio.Protocol):
    """Answers the first request of each connection with fixed bytes, in the pieces given."""

    def __init__(self, pieces: list[bytes], *, stays_open: bool = False) -> None:
        self.pieces = pieces
        self.stays_open = stays_open
        self.request = b""
        self._lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._port = 0

    async def start(self) -> int:
        """Listens: the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.request += data
        if b"\r\n\r\n" in self.request:
            self.answer(0)

    def answer(self, piece: int) -> None:
        if piece == len(self.pieces):
            if not self.stays_open:
                self.transport.close()
            return
        self.transport.write(self.pieces[piece])
        asyncio.get_running_loop().call_soon(self.answer, piece + 1)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(error)

    async def lost(self) -> Exception | None:
        """Waits for the end of the connection: with what error."""
        async with asyncio.timeout(60):
            return await self._lost

    def close(self) -> None:
        self._server.close()


async def ask(host: Host, pieces: list[bytes], **fields: Any) -> Probed:
    """Probes a server that answers with these pieces."""
    server = Server(pieces)
    answer = await host.probe(check(CheckKind.HTTP, **fields), await server.start())
    await server.lost()
    server.close()
    return answer


def head(status: int) -> bytes:
    return b"HTTP/1.1 %d Words\r\nContent-Length: 0\r\n\r\n" % status


# HTTP


async def test_a_request_is_plain_and_asks_for_its_path(host: Host) -> None:
    server = Server([head(200)])
    port = await server.start()
    assert (await host.probe(check(CheckKind.HTTP, path="/healthz?deep=1"), port)).ok
    lines = server.request.decode().split("\r\n")
    assert lines[0] == "GET /healthz?deep=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines
    assert "Connection: close" in lines
    server.close()


@pytest.mark.parametrize(
    ("status", "accepted", "ok"),
    [
        (200, (200, 399), True),
        (399, (200, 399), True),
        (400, (200, 399), False),
        (500, (200, 399), False),
        (503, (503, 503), True),
        (199, (200, 399), False),
    ],
)
async def test_the_status_decides(
    host: Host, status: int, accepted: tuple[int, int], ok: bool
) -> None:
    probed = await ask(host, [head(status)], status=accepted)
    assert (probed.ok, probed.timed_out, probed.probe) == (ok, False, 11)
    assert probed.detail == ("" if ok else f"/: status {status}")


async def test_a_status_line_may_come_in_pieces(host: Host) -> None:
    assert (await ask(host, [b"HT", b"TP/1.0 2", b"04 No Content\r", b"\n\r\n"])).ok


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\n", b"HTTP/2 200\n", b"HTTP/1.1\n"],
)
async def test_what_is_not_http_is_told(host: Host, answer: bytes) -> None:
    probed = await ask(host, [answer])
    assert (probed.ok, probed.detail) == (False, "/: the answer is not HTTP")


async def test_an_endless_line_is_cut_off(host: Host) -> None:
    server = Server([b"x" * 512] * (MAX_STATUS_LINE_BYTES // 512 + 1), stays_open=True)
    probed = await host.probe(check(CheckKind.HTTP), await server.start())
    assert probed.detail == "/: the answer is not HTTP"
    await server.lost()
    server.close()


async def test_closing_without_an_answer_is_told(host: Host) -> None:
    assert (await ask(host, [b""])).detail == "/: closed without an answer"


async def test_a_long_body_is_read_so_that_the_server_meets_no_reset(host: Host) -> None:
    server = Server([head(200), *[b"x" * 8192] * 4])
    assert (await host.probe(check(CheckKind.HTTP), await server.start())).ok
    assert await server.lost() is None
    server.close()


async def test_an_endless_body_is_cut_off(host: Host) -> None:
    server = Server([head(200), b"x" * (MAX_DRAINED_BYTES * 100)], stays_open=True)
    assert (await host.probe(check(CheckKind.HTTP), await server.start())).ok
    await server.lost()
    server.close()


async def test_one_that_answers_and_does_not_close_is_left_at_the_time_out(host: Host) -> None:
    server = Server([head(200)], stays_open=True)
    probed = await host.probe(check(CheckKind.HTTP, timeout=ANSWERED_S), await server.start())
    await server.lost()
    assert probed.ok
    assert host.events == [], "answered once"
    server.close()


async def test_a_silent_server_times_out(host: Host) -> None:
    server = Server([], stays_open=True)
    probed = await host.probe(check(CheckKind.HTTP, timeout=BRIEF_S), await server.start())
    assert (probed.ok, probed.timed_out) == (False, True)
    assert probed.detail == "no answer within 0.05 s"
    await server.lost()
    server.close()


async def test_a_server_that_never_accepts_times_out(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        probed = await host.probe(check(CheckKind.HTTP, timeout=BRIEF_S), port)
    assert probed.timed_out


@pytest.mark.parametrize("kind", [CheckKind.HTTP, CheckKind.TCP])
async def test_a_refused_connection_is_told_at_once(host: Host, kind: CheckKind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    probed = await host.probe(check(kind), port)
    assert (probed.ok, probed.detail) == (False, "connecting: Connection refused")


async def test_a_full_backlog_times_out(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(3):
            waiting.append(sock := socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        probed = await host.probe(check(CheckKind.TCP, timeout=BRIEF_S), port)
        assert probed.timed_out
        for sock in waiting:
            sock.close()


async def test_many_probes_at_once_are_each_answered_once(host: Host) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Server([head(200)]), "127.0.0.1", 0, backlog=400
    )
    port = server.sockets[0].getsockname()[1]
    what = check(CheckKind.HTTP)
    for number in range(200):
        host.processes.perform(Probe(SLOT, 1, number, port, what, service("unused")))
    answered = [await host.next(Probed) for _ in range(200)]
    assert sorted(probed.probe for probed in answered) == list(range(200))
    assert all(probed.ok for probed in answered)
    server.close()


# TCP


async def test_a_listener_is_enough_for_tcp(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert (await host.probe(check(CheckKind.TCP), listener.getsockname()[1])).ok


# Exec


async def test_exit_status_0_is_health(host: Host) -> None:
    command = ("sh", "-c", 'test "$1" = "$PORT" && test $INTERREX_SLOT = web.0', "sh", "{port}")
    assert (await host.probe(check(CheckKind.EXEC, command=command), 4711)).ok


@pytest.mark.parametrize(
    ("script", "detail"),
    [("exit 3", "sh: exit status 3"), ("kill -9 $$", "sh: killed by SIGKILL")],
)
async def test_another_end_is_told(host: Host, script: str, detail: str) -> None:
    probed = await host.probe(check(CheckKind.EXEC, command=("sh", "-c", script)))
    assert (probed.ok, probed.detail, probed.timed_out) == (False, detail, False)


async def test_a_command_that_is_missing_is_told(host: Host) -> None:
    probed = await host.probe(check(CheckKind.EXEC, command=("no-such-program",)))
    assert not probed.ok
    assert "no-such-program" in probed.detail


async def test_a_slow_command_is_killed_with_its_children(host: Host) -> None:
    spec = host.shell("sleep 1000 & echo $$ $! >&3; wait")
    what = check(CheckKind.EXEC, command=spec.command, timeout=0.2)
    probed = await host.probe(what)
    assert (probed.ok, probed.timed_out) == (False, True)
    mark = record_fields(host.state)["instance"]
    main = record_fields(host.state)["process"]["pid"]
    left = [pid for pid in all_pids() if pid != main and instance_of(pid) == mark]
    for pid in left:
        await until_dead(pid)


async def until_dead(pid: int) -> None:
    dead = asyncio.Event()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, dead.set)
    async with asyncio.timeout(60):
        await dead.wait()
    loop.remove_reader(handle)
    os.close(handle)


async def test_what_a_command_leaves_behind_in_its_group_is_killed(host: Host) -> None:
    spec = host.shell("sleep 1000 & echo $! >&3")
    assert (await host.probe(check(CheckKind.EXEC, command=spec.command))).ok
    [child] = [int(pid) for pid in await host.hear(1)]
    await until_dead(child)


async def test_probing_commands_are_not_taken_for_remains(host: Host) -> None:
    spec = host.shell("echo up >&3; read line <&3")
    what = check(CheckKind.EXEC, command=("sh", "-c", "exit 0"))
    host.processes.perform(Probe(SLOT, 1, 1, 0, what, spec))
    main = record_fields(host.state)["process"]["pid"]
    host.signal("SIGKILL")
    events = {type(await host.next_of_any()) for _ in range(2)}
    assert Probed in events
    assert await host.sweep() == 0
    assert instance_of(main) is None


# The balancer's own answer, and odd ends


Admin = Callable[[SlotName], Awaitable[str | None]]


async def healthy(_slot: SlotName) -> str | None:
    return None


async def wrong(slot: SlotName) -> str | None:
    return f"{slot} has no listener"


async def broken(_slot: SlotName) -> str | None:
    raise ConnectionRefusedError("no socket")


async def puzzled(_slot: SlotName) -> str | None:
    raise InterrexError("who is that")


async def silent(_slot: SlotName) -> str | None:
    await asyncio.Event().wait()
    return None


@pytest.mark.parametrize(
    ("admin", "ok", "detail", "timed_out"),
    [
        (healthy, True, "", False),
        (wrong, False, "web.0 has no listener", False),
        (broken, False, "no socket", False),
        (puzzled, False, "who is that", False),
        (silent, False, "no answer within 0.05 s", True),
        (None, False, "no admin probe is set up on this worker", False),
    ],
)
async def test_admin_probes_are_delegated(
    tmp_path: Path, admin: Admin | None, ok: bool, detail: str, timed_out: bool
) -> None:
    host = Host(tmp_path, admin_probe=admin)
    await host.spawn(service("sleep", "1000"))
    timeout = BRIEF_S if timed_out else 30.0
    probed = await host.probe(check(CheckKind.ADMIN, timeout=timeout))
    assert (probed.ok, probed.detail, probed.timed_out) == (ok, detail, timed_out)
    host.kill_all()


def no_descriptor() -> OSError:
    return OSError(errno.EMFILE, "Too many open files")


async def short_of_descriptors(_: SlotName) -> str | None:
    raise no_descriptor()


async def test_an_admin_probe_without_a_descriptor_is_unasked(tmp_path: Path) -> None:
    host = Host(tmp_path, admin_probe=short_of_descriptors)
    await host.spawn(service("sleep", "1000"))
    probed = await host.probe(check(CheckKind.ADMIN))
    assert (probed.ok, probed.unasked) == (False, True)
    host.kill_all()


@pytest.mark.parametrize("kind", [CheckKind.HTTP, CheckKind.TCP, CheckKind.EXEC])
async def test_without_a_descriptor_nothing_is_asked_and_it_is_said(
    host: Host, kind: CheckKind
) -> None:
    what = check(kind, command=("true",))
    with no_more_descriptors():
        probed = await host.probe(what, NOBODYS_PORT)
    assert (probed.ok, probed.unasked) == (False, True)
    assert "ulimit -n" in probed.detail
    assert not (await host.probe(what, NOBODYS_PORT)).unasked


async def test_a_probe_of_what_is_not_held_is_answered_too(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert not (await host.probe(check(CheckKind.TCP), 1)).ok
    host.kill_all()


async def test_closing_ends_probes_under_way(host: Host) -> None:
    server = Server([], stays_open=True)
    what = check(CheckKind.HTTP)
    host.processes.perform(Probe(SLOT, 1, 1, await server.start(), what, service("unused")))
    spec = host.shell("echo up >&3; sleep 1000")
    exec_check = check(CheckKind.EXEC, command=spec.command)
    host.processes.perform(Probe(SLOT, 1, 2, 0, exec_check, service("unused")))
    assert await host.hear(1) == ["up"]
    host.processes.perform(Probe(SLOT, 1, 3, 0, check(CheckKind.ADMIN), service("unused")))
    await host.next(Probed)
    os.kill(record_fields(host.state)["process"]["pid"], signal.SIGKILL)
    host.kill_all()
    await server.lost()
    server.close()
    assert host.events == []
