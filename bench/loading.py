"""The C load of ``servers/load.c``, started and read."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.processes import running
from bench.servers import build


class Loaded(msgspec.Struct, frozen=True):
    """What became of a load. ``slowest`` holds (when it was due, s; how long it took, ms);
    ``sent_late_p99_ms`` is the load's own lateness."""

    ok: int
    failed: int
    retried: int
    opened: int
    seconds: float
    refused: int
    broken: int
    wrong_status: int
    timed_out: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    worst_ms: float
    sent_late_p99_ms: float
    slowest: list[tuple[float, float]]

    @property
    def rate(self) -> float:
        """Successes a second."""
        return self.ok / self.seconds

    def words(self) -> str:
        """One line for people."""
        kinds = ("refused", "broken", "wrong_status", "timed_out")
        why = ", ".join(f"{kind} {getattr(self, kind)}" for kind in kinds if getattr(self, kind))
        return (
            f"{self.ok:,} ok, {self.failed} failed{f' ({why})' if why else ''}, {self.retried} "
            f"retried; p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f}, p99.9 {self.p999_ms:.2f}, "
            f"worst {self.worst_ms:.1f}; sent late by p99 {self.sent_late_p99_ms:.2f} ms"
        )


class Load:
    """A load under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> Loaded:
        """Send no more; wait for what is under way."""
        if not self.is_over:
            self._process.send_signal(signal.SIGTERM)
        return self.result()

    def result(self) -> Loaded:
        """Wait for the end."""
        text, _ = self._process.communicate()
        return msgspec.json.decode(text, type=Loaded)


@contextmanager
def open_loop(port: int, rate: float, seconds: float) -> Iterator[Load]:
    """GET requests to 127.0.0.1, sent when they are due whatever became of the others."""
    yield from _load(["--port", str(port), "--rate", str(rate), "--seconds", str(seconds)])


@contextmanager
def closed_gets(port: int, in_flight: int, seconds: float) -> Iterator[Load]:
    """GET requests to 127.0.0.1, so many under way all the time."""
    yield from _load(["--port", str(port), "--closed", str(in_flight), "--seconds", str(seconds)])


@contextmanager
def closed_posts(
    socket: Path, in_flight: int, seconds: float, path: str, body: str
) -> Iterator[Load]:
    """POST requests to a Unix socket, so many under way all the time.

    Args:
        socket: where to.
        in_flight: how many.
        seconds: how long new ones are sent.
        path: of the request.
        body: ``{n}`` in it is replaced by a number that differs for each.
    """
    command = ["--unix", str(socket), "--closed", str(in_flight), "--seconds", str(seconds)]
    yield from _load([*command, "--path", path, "--post", body])


def _load(arguments: list[str]) -> Iterator[Load]:
    with running([str(build("load")), *arguments], stdout=subprocess.PIPE) as process:
        yield Load(process)
