"""Asks replicas for their health: each probe is answered exactly once, within its time-out.

A probe to a port is a fresh connection to 127.0.0.1, so that it also finds a server that still
serves old connections and accepts no new one. TCP says only that the kernel accepts: a stopped
process passes it. HTTP reads the status line and nothing else. Where it matters who answers, a
good answer counts only when no stranger certainly listens there. A probe for which this worker has
no descriptor, port or memory is answered as unasked.
"""

import asyncio
import errno
import functools
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import SlotName
from interrex.core.spec import CheckKind
from interrex.runtime.means import lacks_means
from interrex.runtime.pidfd import reap, signal_group
from interrex.runtime.spawning import CannotSpawn, Child, Output, Place, reason_of, spawn
from interrex.runtime.strangers import Family, listens_itself, stranger_at
from interrex.supervision.interface import Probe, Probed

AdminProbe = Callable[[SlotName], Awaitable[str | None]]
"""Asks a balancer's process through its own socket: what is wrong, None when nothing is."""

Answer = Callable[[Probed], None]

_log = logging.getLogger(__name__)

MAX_STATUS_LINE_BYTES = 1024
MAX_DRAINED_BYTES = 65536


class _Asking(Protocol):
    def cancel(self) -> object: ...


class Prober:
    """Has any number of probes under way on one loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: Answer,
        children: set[int],
        null: int,
        admin_probe: AdminProbe | None = None,
    ) -> None:
        """
        Args:
            loop: The running loop.
            answer: Called once a probe, perhaps before ``start`` returns.
            children: Where the pids of exec probes are noted, so that nobody else reaps them.
            null: A descriptor of /dev/null.
            admin_probe: For checks of the kind ADMIN.
        """
        self._loop = loop
        self._answer = answer
        self._children = children
        self._null = null
        self._admin_probe = admin_probe
        self._asking: set[_Asking] = set()
        self._looker: ThreadPoolExecutor | None = None

    def start(self, probe: Probe, place: Place, family: Family | None = None) -> None:
        """Asks once.

        Args:
            probe: What to ask.
            place: For exec, which gets the environment of its replica.
            family: For a probe whose answer has to be the replica's own: whom it may come from.
        """
        match probe.check.kind:
            case CheckKind.HTTP | CheckKind.TCP:
                answer = self._answer
                if probe.own and family is not None:
                    answer = functools.partial(self._trust, probe, family)
                self._connect(probe, answer)
            case CheckKind.EXEC:
                self._execute(probe, place)
            case CheckKind.ADMIN:
                task = self._loop.create_task(self._ask_admin(probe))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)

    def close(self) -> None:
        """Ends all probes; those under way are not answered."""
        for asking in list(self._asking):
            asking.cancel()
        if self._looker is not None:
            self._looker.shutdown(wait=False)

    def _trust(self, probe: Probe, family: Family, probed: Probed) -> None:
        """Passes an answer on, unless a stranger gave it."""
        if not probed.ok or self._is_sure(probe.port, family):
            self._answer(probed)
            return
        task = self._loop.create_task(self._look_for_stranger(probe, family, probed))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def _is_sure(self, port: int, family: Family) -> bool:
        try:
            return listens_itself(port, family)
        except OSError:
            return False

    async def _look_for_stranger(self, probe: Probe, family: Family, probed: Probed) -> None:
        if self._looker is None:
            self._looker = ThreadPoolExecutor(1, thread_name_prefix="port-holders")
        look = functools.partial(stranger_at, probe.port, family)
        try:
            stranger = await self._loop.run_in_executor(self._looker, look)
        except OSError as error:
            _log.warning(
                "%s: who listens on port %d is not known: %s", probe.slot, probe.port, error
            )
            stranger = None
        if stranger is not None:
            detail = f"port {probe.port} is answered by another program: {stranger}"
            probed = msgspec.structs.replace(probed, ok=False, detail=detail, stranger=True)
        self._answer(probed)

    def _connect(self, probe: Probe, answer: Answer) -> None:
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            unasked = lacks_means(error)
            answer(_probed(probe, False, reason_of(error, "the probe"), unasked))
            return
        _Connection(self._loop, probe, answer, self._asking, sock).connect()

    def _execute(self, probe: Probe, place: Place) -> None:
        try:
            child = spawn(probe.check.command, probe.spec, place, Output(self._null, self._null))
        except CannotSpawn as error:
            self._answer(_probed(probe, False, error.reason, lacks_means(error.__cause__)))
            return
        self._children.add(child.pid)
        _Command(self._loop, probe, self._answer, self._asking, child, self._children)

    async def _ask_admin(self, probe: Probe) -> None:
        if self._admin_probe is None:
            self._answer(_probed(probe, False, "no admin probe is set up on this worker"))
            return
        try:
            async with asyncio.timeout(probe.check.timeout):
                wrong = await self._admin_probe(probe.slot)
        except TimeoutError:
            self._answer(_too_late(probe))
            return
        except (OSError, InterrexError) as error:
            self._answer(_probed(probe, False, str(error), lacks_means(error)))
            return
        self._answer(_probed(probe, wrong is None, wrong or ""))


class _Connection:
    """One TCP or HTTP probe: connect, ask, read the status line."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        probe: Probe,
        answer: Answer,
        asking: set[_Asking],
        sock: socket.socket,
    ) -> None:
        self._loop = loop
        self._probe = probe
        self._answer = answer
        self._asking = asking
        self._answered = False
        self._received = b""
        self._drained = 0
        self._sock = sock
        self._descriptor = self._sock.fileno()
        self._timer = loop.call_later(probe.check.timeout, self._timed_out)
        asking.add(self)

    def connect(self) -> None:
        """Starts. On the loopback the handshake is mostly over when connect returns, and then no
        turn of the loop is spent on waiting for it (a third of a probe's cost)."""
        code = self._sock.connect_ex(("127.0.0.1", self._probe.port))
        if code not in {0, errno.EINPROGRESS}:
            unasked = lacks_means(OSError(code, ""))
            self._finish(False, f"connecting: {os.strerror(code)}", unasked)
        elif not self._go_on():
            self._loop.add_writer(self._descriptor, self._connected)

    def cancel(self) -> None:
        """Ends it; not answered if it was not yet."""
        self._answered = True
        self._close()

    def _connected(self) -> None:
        self._loop.remove_writer(self._descriptor)
        self._go_on()

    def _go_on(self) -> bool:
        """Asks, once connected; False when it is not yet."""
        try:
            self._sock.getpeername()
            if self._probe.check.kind is CheckKind.TCP:
                self._finish(True, "")
            else:
                self._sock.send(_request(self._probe.check.path, self._probe.port))
                self._loop.add_reader(self._descriptor, self._readable)
        except OSError as error:
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error.errno == errno.ENOTCONN and code == 0:
                return False
            self._finish(False, f"connecting: {os.strerror(code or error.errno or 0)}")
        return True

    def _readable(self) -> None:
        try:
            data = self._sock.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(False, f"answering {self._probe.check.path}: {error.strerror}")
            return
        if self._answered:
            # Read to its end, so that the server meets no reset while it writes the body.
            self._drained += len(data)
            if not data or self._drained > MAX_DRAINED_BYTES:
                self._close()
            return
        self._received += data
        line, end, _ = self._received.partition(b"\n")
        if end:
            self._judge(line)
        elif not data:
            self._finish(False, f"{self._probe.check.path}: closed without an answer")
        elif len(self._received) > MAX_STATUS_LINE_BYTES:
            self._finish(False, f"{self._probe.check.path}: the answer is not HTTP")

    def _judge(self, line: bytes) -> None:
        check = self._probe.check
        status = _status_of(line)
        if status is None:
            self._finish(False, f"{check.path}: the answer is not HTTP")
            return
        lowest, highest = check.status
        ok = lowest <= status <= highest
        self._say(_probed(self._probe, ok, "" if ok else f"{check.path}: status {status}"))

    def _timed_out(self) -> None:
        self._close()
        self._say(_too_late(self._probe))

    def _finish(self, ok: bool, detail: str, unasked: bool = False) -> None:
        self._close()
        self._say(_probed(self._probe, ok, detail, unasked))

    def _say(self, probed: Probed) -> None:
        if not self._answered:
            self._answered = True
            self._answer(probed)

    def _close(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._sock.close()
        self._asking.discard(self)


class _Command:
    """One exec probe: the exit status 0 of a program in a session of its own is health."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        probe: Probe,
        answer: Answer,
        asking: set[_Asking],
        child: Child,
        children: set[int],
    ) -> None:
        self._loop = loop
        self._probe = probe
        self._answer = answer
        self._asking = asking
        self._child = child
        self._children = children
        self._answered = False
        self._timer = loop.call_later(probe.check.timeout, self._timed_out)
        loop.add_reader(child.pidfd, self._exited)
        asking.add(self)

    def cancel(self) -> None:
        """Kills it; it is reaped by pid 1 or by the worker's own tidying."""
        self._kill()
        self._end()

    def _exited(self) -> None:
        status = reap(self._child.pidfd)
        self._kill()  # what it started and left in its group
        self._end()
        ok = status == 0
        detail = "" if ok else f"{self._probe.check.command[0]}: {_ending(status)}"
        self._say(_probed(self._probe, ok, detail))

    def _timed_out(self) -> None:
        self._kill()
        self._say(_too_late(self._probe))

    def _say(self, probed: Probed) -> None:
        if not self._answered:
            self._answered = True
            self._answer(probed)

    def _kill(self) -> None:
        signal_group(self._child.pidfd, self._child.pid, signal.SIGKILL)

    def _end(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._child.pidfd)
        self._children.discard(self._child.pid)
        self._asking.discard(self)
        os.close(self._child.pidfd)


@functools.lru_cache(1024)
def _request(path: str, port: int) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "User-Agent: interrex\r\nConnection: close\r\n\r\n"
    ).encode()


def _status_of(line: bytes) -> int | None:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    return int(code) if version.startswith(b"HTTP/1.") and code.isdigit() else None


def _probed(probe: Probe, ok: bool, detail: str = "", unasked: bool = False) -> Probed:
    return Probed(probe.slot, probe.incarnation, probe.probe, ok, detail, unasked=unasked)


def _too_late(probe: Probe) -> Probed:
    detail = f"no answer within {probe.check.timeout:g} s"
    return Probed(probe.slot, probe.incarnation, probe.probe, False, detail, timed_out=True)


def _ending(status: int | None) -> str:
    if status is None:
        return "its status is not known"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
