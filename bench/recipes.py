"""Two candidates in a coordination service's own recipe: who leads is killed, the other follows."""

import contextlib
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from subprocess import PIPE, Popen

from bench.processes import running

PATIENCE_S = 60.0
SETTLE_S = 0.5


def take_overs(recipe: str, servers: str, session_s: int, count: int) -> Iterator[float]:
    """Milliseconds from the leader's death until the other candidate leads, so many times.

    Args:
        recipe: as ``bench.candidate`` takes it; ``servers`` too.
        session_s: what lease or session each candidate asks for.

    Raises:
        TimeoutError: nobody leads.
    """
    command = [sys.executable, "-m", "bench.candidate", recipe, servers, str(session_s)]
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(running(command, stdout=PIPE))
        wait_leading(first)
        for _ in range(count):
            second = stack.enter_context(running(command, stdout=PIPE))
            time.sleep(SETTLE_S + session_s / 2)  # it stands in the line, the first has renewed
            began = time.perf_counter()
            os.kill(first.pid, signal.SIGKILL)
            wait_leading(second)
            yield (time.perf_counter() - began) * 1e3
            first = second


def wait_leading(candidate: "Popen[str]") -> None:
    """Until it says so."""
    assert candidate.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(candidate.stdout, selectors.EVENT_READ)
        if not selector.select(PATIENCE_S) or candidate.stdout.readline() != "leads\n":
            raise TimeoutError("no candidate leads")
