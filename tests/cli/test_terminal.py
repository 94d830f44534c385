"""On a terminal there are colours and a live table; elsewhere there are none."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from interrex.runtime.layout import Layout
from tests.cli.fake_worker import FakeWorker, a_status


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, shop: Layout, *words: str, **environment: str) -> None:
        ours, its = pty.openpty()
        self._screen = ours
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "interrex", *words, "--state", str(shop.root)],
            stdin=its,
            stdout=its,
            stderr=its,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment},
        )
        os.close(its)

    def until(self, words: str) -> str:
        """All that it has shown once these words are among it."""
        shown = b""
        deadline = time.monotonic() + 60
        while words not in shown.decode(errors="replace"):
            assert select.select([self._screen], [], [], deadline - time.monotonic())[0], shown
            shown += os.read(self._screen, 65536)
        return shown.decode()

    def interrupt(self) -> int:
        return self.ends_by(signal.SIGINT)

    def ends_by(self, number: signal.Signals) -> int:
        """Its exit code."""
        self.signal(number)
        return self._process.wait(60)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def hang_up(self) -> None:
        """Close the terminal; its programs would be sent SIGHUP, were it theirs to control."""
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, self._screen)
        os.close(null)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)


@pytest.fixture
def started() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def test_status_is_coloured_on_a_terminal(
    shop: Layout, workers: list[FakeWorker], started: list[Terminal]
) -> None:
    workers[0].says("GET", "/v1/status", a_status())
    started.append(Terminal(shop, "status"))
    assert "\x1b[32mleading" in started[0].until("balancer.1")
    started.append(Terminal(shop, "status", NO_COLOR="1"))
    assert "\x1b[" not in started[1].until("balancer.1")
    started.append(Terminal(shop, "status", TERM="dumb"))
    assert "\x1b[" not in started[2].until("balancer.1")


def test_a_watched_status_is_kept_current(
    shop: Layout, workers: list[FakeWorker], started: list[Terminal]
) -> None:
    workers[0].says("GET", "/v1/status", a_status())
    started.append(Terminal(shop, "status", "--watch"))
    started[0].until("epoch 7")
    workers[0].says("GET", "/v1/status", a_status(epoch=8))
    started[0].until("epoch 8")
    assert started[0].interrupt() == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it_leaves_the_cursor_to_be_seen(
    shop: Layout, workers: list[FakeWorker], started: list[Terminal], number: signal.Signals
) -> None:
    workers[0].says("GET", "/v1/status", a_status())
    started.append(Terminal(shop, "status", "--watch"))
    assert "\x1b[?25l" in started[0].until("epoch 7")
    assert started[0].ends_by(number) == -number
    started[0].until("\x1b[?25h")


def test_a_signal_that_is_ignored_ends_nothing(
    shop: Layout, workers: list[FakeWorker], started: list[Terminal]
) -> None:
    workers[0].says("GET", "/v1/status", a_status())
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        started.append(Terminal(shop, "status", "--watch"))
    finally:
        signal.signal(signal.SIGHUP, before)
    started[0].until("epoch 7")
    started[0].signal(signal.SIGHUP)
    workers[0].says("GET", "/v1/status", a_status(epoch=8))
    started[0].until("epoch 8")


def test_a_terminal_that_is_closed_ends_it(
    shop: Layout, workers: list[FakeWorker], started: list[Terminal]
) -> None:
    workers[0].says("GET", "/v1/status", a_status())
    started.append(Terminal(shop, "status", "--watch"))
    started[0].until("epoch 7")
    started[0].hang_up()
    assert started[0].ends_by(signal.SIGHUP) == -signal.SIGHUP
