"""A worker's HTTP interface on its Unix socket: status, events, health, and users' changes.

    GET  /v1/status   GET /v1/healthz   GET /v1/events (server-sent)
    GET  /v1/status?confirmed   only from a leader that has proved that it still is one
    GET  /v1/spec: the cluster file as this worker knows it; ?confirmed as above
    GET  /v1/leader   with ?above=EPOCH: answered as soon as a leader of a later epoch is known
    POST /v1/changes  POST /v1/step-down  POST /v1/leave
    POST /v1/begin-anew: go on without what the coordination service has lost

HTTP is spoken by h11; this file only routes. It is imported after the replicas were adopted,
since nothing that heals waits for it.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, cast

import h11
import msgspec

from interrex.runtime.callers import Callers
from interrex.runtime.journal import Event
from interrex.runtime.questions import ChangeBody, Leadership, Outcome, StepDownBody

MAX_BODY = 1024 * 1024
MAX_UNREAD = 64 * 1024
"""How much (bytes) may come while a request is answered, before no more is taken."""
MOST_CALLERS = 128
EVENTS_POLL_S = 0.1
MAX_DIGITS = 20
"""Of an epoch, which has 64 bits."""


class Backend(Protocol):
    """What the interface asks of its worker."""

    def status_document(self) -> bytes:
        """The status as JSON."""

    def spec_document(self) -> bytes:
        """What the fleet is asked to be, as JSON."""

    def is_healthy(self) -> bool: ...

    async def leader_above(self, epoch: int) -> Leadership:
        """Who leads, once that is known for an epoch above this one."""

    async def confirm(self) -> Outcome:
        """Make sure that what this worker knows is all that was ever acknowledged."""

    async def change(self, body: ChangeBody) -> Outcome: ...

    async def step_down(self, body: StepDownBody) -> Outcome: ...

    async def begin_anew(self) -> Outcome: ...

    async def leave(self) -> Outcome: ...

    def new_events(self) -> Callable[[], list[Event]]:
        """A function that returns the events since its last call."""


class _RefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ApiConnection(asyncio.Protocol):
    """One connection: requests one after the other, each answered by a task of its own.

    Whoever does not read what it asked for is not answered further: nothing piles up here.
    """

    def __init__(
        self,
        backend: Backend,
        tasks: set[asyncio.Task[None]],
        faults: Counter[str],
        callers: Callers,
    ) -> None:
        self._backend = backend
        self._tasks = tasks
        self._faults = faults
        self._callers = callers
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=16 * 1024)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._request: h11.Request | None = None
        self._body = b""
        self._unread = 0
        self._is_read = asyncio.Event()
        self._is_read.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        if not self._callers.came(self):
            self.abort()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self._task is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._callers.left(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._is_read.clear()

    def resume_writing(self) -> None:
        self._is_read.set()
        self._advance()

    def data_received(self, data: bytes) -> None:
        self._callers.heard(self)
        self._http.receive_data(data)
        self._unread += len(data)
        self._advance()
        if self._unread > MAX_UNREAD and self._transport is not None:
            self._transport.pause_reading()  # not always: it would hide that the other has gone

    def _advance(self) -> None:
        try:
            self._read_events()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))

    def _read_events(self) -> None:
        while self._task is None and self._is_read.is_set():
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                self._unread = 0
                if self._transport is not None:
                    self._transport.resume_reading()
                return
            match event:
                case h11.Request():
                    self._request, self._body = event, b""
                case h11.Data():
                    self._body += bytes(event.data)
                    if len(self._body) > MAX_BODY:
                        self._refuse(413, f"more than {MAX_BODY} bytes")
                        return
                case h11.EndOfMessage():
                    self._task = asyncio.get_running_loop().create_task(self._answer())
                    self._tasks.add(self._task)
                    self._task.add_done_callback(self._answered)
                case _:
                    self._close()
                    return

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._task = None
        failed = task.cancelled() or task.exception() is not None
        if failed or self._http.our_state is h11.MUST_CLOSE:
            self._close()
        elif self._transport is not None:
            self._http.start_next_cycle()
            self._advance()

    async def _answer(self) -> None:
        assert self._request is not None
        method, target = self._request.method.decode(), self._request.target.decode()
        try:
            if method == "GET" and target == "/v1/events":
                await self._stream_events()
            else:
                status, body = await self._respond(method, target)
                self._send(status, body)
        except _RefusedError as refused:
            self._faults["bad_requests"] += refused.status == 400
            self._send(refused.status, _json(Outcome(ok=False, text=str(refused))))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._faults["bad_requests"] += 1
            self._send(400, _json(Outcome(ok=False, text=str(error))))

    async def _respond(self, method: str, target: str) -> tuple[int, bytes]:
        routes: dict[tuple[str, str], Callable[[], Awaitable[tuple[int, bytes]]]] = {
            ("GET", "/v1/status"): self._status,
            ("GET", "/v1/spec"): self._spec,
            ("GET", "/v1/healthz"): self._healthz,
            ("POST", "/v1/changes"): self._change,
            ("POST", "/v1/step-down"): self._step_down,
            ("POST", "/v1/begin-anew"): self._begin_anew,
            ("POST", "/v1/leave"): self._leave,
        }
        path, _, query = target.partition("?")
        if (method, path) == ("GET", "/v1/leader"):
            return await self._leader(query)
        if method == "GET" and target in ("/v1/status?confirmed", "/v1/spec?confirmed"):
            outcome = await self._backend.confirm()
            return await routes[method, path]() if outcome.ok else _outcome(outcome)
        handler = routes.get((method, target))
        if handler is not None:
            return await handler()
        known = any(target == path for _, path in routes)
        raise _RefusedError(405 if known else 404, f"no {method} {target} here")

    async def _status(self) -> tuple[int, bytes]:
        return 200, self._backend.status_document()

    async def _spec(self) -> tuple[int, bytes]:
        return 200, self._backend.spec_document()

    async def _healthz(self) -> tuple[int, bytes]:
        healthy = self._backend.is_healthy()
        return (200 if healthy else 503), msgspec.json.encode({"healthy": healthy})

    async def _leader(self, query: str) -> tuple[int, bytes]:
        _, _, above = query.partition("above=")
        if query and not (above.isdecimal() and len(above) <= MAX_DIGITS):
            raise _RefusedError(400, "ask for /v1/leader?above=EPOCH, a whole number")
        found = await self._backend.leader_above(int(above or -1))
        return 200, msgspec.json.encode(found)

    async def _change(self) -> tuple[int, bytes]:
        body = msgspec.json.decode(self._body, type=ChangeBody)
        return _outcome(await self._backend.change(body))

    async def _step_down(self) -> tuple[int, bytes]:
        body = msgspec.json.decode(self._body or b"{}", type=StepDownBody)
        return _outcome(await self._backend.step_down(body))

    async def _begin_anew(self) -> tuple[int, bytes]:
        return _outcome(await self._backend.begin_anew())

    async def _leave(self) -> tuple[int, bytes]:
        return _outcome(await self._backend.leave())

    async def _stream_events(self) -> None:
        self._write(
            h11.Response(
                status_code=200,
                headers=[("content-type", "text/event-stream"), ("cache-control", "no-store")],
            )
        )
        read = self._backend.new_events()
        while self._transport is not None:
            for event in read():
                data = b"data: " + msgspec.json.encode(event) + b"\n\n"
                self._write(h11.Data(data=data))
                await self._is_read.wait()
            await asyncio.sleep(EVENTS_POLL_S)

    def _send(self, status: int, body: bytes) -> None:
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        self._write(h11.Response(status_code=status, headers=headers))
        self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())

    def _write(self, event: h11.Event) -> None:
        if self._transport is not None:
            data = self._http.send(event)
            if data:
                self._transport.write(data)

    def _refuse(self, status: int, text: str) -> None:
        self._faults["bad_requests"] += 1
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(status, _json(Outcome(ok=False, text=text)))
        self._close()

    def abort(self) -> None:
        """End it at once, whatever it has not read."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def private_socket(path: Path) -> socket.socket:
    """A bound Unix socket that only its owner may open; a dead process's one gives way."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    return listener


class ApiServer:
    """Listens on a worker's ``api.sock`` until closed."""

    def __init__(self, backend: Backend) -> None:
        self.counters: Counter[str] = Counter()
        """``bad_requests``: how often what came was no HTTP, too long, or not what is asked for;
        and those of ``Callers``."""
        self._backend = backend
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._callers = Callers(MOST_CALLERS, self.counters)

    async def start(self, path: Path) -> None:
        """Listen; the caller holds the worker's lock, so a socket that is there is a dead one's."""
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: ApiConnection(self._backend, self._tasks, self.counters, self._callers),
            sock=private_socket(path),
        )

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.close()


def _outcome(outcome: Outcome) -> tuple[int, bytes]:
    if outcome.ok:
        return 200, _json(outcome)
    return (422 if outcome.refused else 409), _json(outcome)


def _json(outcome: Outcome) -> bytes:
    return msgspec.json.encode(outcome)
