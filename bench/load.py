"""An open-loop HTTP load: requests are sent when they are due, whether others were answered or not.

So a stall is seen by every request that falls into it, and latency counts from when a request
was due. Connections are kept alive and reused; a request that finds none opens one.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

GET = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\nhi"


@dataclass
class Outcome:
    """What became of a load.

    ``latencies_s`` are of the successes, in the order of answering; ``failed_at_s`` says when (on
    ``time.perf_counter``) each failed request was due, and how it failed.
    """

    latencies_s: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    failed_at_s: list[tuple[float, str]] = field(default_factory=list)

    @property
    def succeeded(self) -> int:
        return len(self.latencies_s)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    def quantile_ms(self, share: float) -> float:
        """A quantile of the successes' latencies; 1.0 is the worst."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def summary(self) -> str:
        """One line for people."""
        if not self.latencies_s:
            return f"0 ok, {self.failed} failed {dict(self.failures)}"
        times = "  ".join(
            f"{name} {self.quantile_ms(share):.2f} ms"
            for name, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0))
        )
        return f"{self.succeeded} ok, {self.failed} failed {dict(self.failures) or ''}  {times}"


class _Client(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._answer = b""
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        if self._transport is None:
            self._finish("connection lost")
            return
        self._timer = self._load.loop.call_later(self._load.timeout_s, self._too_late)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(body) < length:
            return
        status = head[9:12].decode()
        self._answer = b""
        closing = b"connection: close" in head.lower()
        self._finish("" if status == "200" else f"status {status}")
        if closing and self._transport is not None:
            self._transport.close()
        elif not closing:
            self._load.idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self in self._load.idle:
            self._load.idle.remove(self)
        self._finish("connection lost")

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _too_late(self) -> None:
        self._finish("time-out")
        self.abort()

    def _finish(self, failure: str) -> None:
        if self._due is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        due, self._due = self._due, None
        self._load.finished(due, failure)


class _Load:
    def __init__(self, host: str, port: int, request: bytes, keep: bool, timeout_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.address = host, port
        self.request = request
        self.keep = keep
        self.timeout_s = timeout_s
        self.idle: list[_Client] = []
        self.outcome = Outcome()
        self.under_way = 0
        self.drained = asyncio.Event()
        self.began = time.perf_counter()

    async def fire(self, due: float) -> None:
        self.under_way += 1
        if self.keep and self.idle:
            self.idle.pop().send(self.request, due)
            return
        try:
            async with asyncio.timeout(self.timeout_s):
                _, client = await self.loop.create_connection(lambda: _Client(self), *self.address)
        except (OSError, TimeoutError) as error:
            self.finished(due, f"connect: {type(error).__name__}")
            return
        client.send(self.request, due)

    def finished(self, due: float, failure: str) -> None:
        now = time.perf_counter()
        if failure:
            self.outcome.failures[failure] += 1
            self.outcome.failed_at_s.append((due, failure))
        else:
            self.outcome.latencies_s.append(now - due)
        self.under_way -= 1
        if not self.under_way:
            self.drained.set()


async def open_loop(
    port: int,
    rate: float,
    duration_s: float,
    *,
    request: bytes = GET,
    keep: bool = True,
    timeout_s: float = 15.0,
    on_progress: Callable[[int], None] | None = None,
    enough: asyncio.Event | None = None,
) -> Outcome:
    """Send ``rate`` requests a second to 127.0.0.1 for ``duration_s``, wait for all answers.

    Args:
        port: where to.
        rate: requests a second.
        duration_s: how long to send.
        request: what to send, whole.
        keep: reuse connections, else every request opens one (and asks for its end).
        timeout_s: after which an unanswered request has failed.
        on_progress: called with the number of each request just before it is sent.
        enough: set it to end before ``duration_s``.
    """
    if not keep:
        request = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    load = _Load("127.0.0.1", port, request, keep, timeout_s)
    total = int(rate * duration_s)
    async with asyncio.TaskGroup() as opening:
        for number in range(total):
            if enough is not None and enough.is_set():
                break
            due = load.began + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if on_progress is not None:
                on_progress(number)
            opening.create_task(load.fire(due))
    while load.under_way:
        load.drained.clear()
        await load.drained.wait()
    for client in list(load.idle):
        client.abort()
    return load.outcome
