"""Programs that lead one after the other, each killed while it does."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.progress import progress
from interrex.runtime.clock import now_ns


class Contender:
    """A program that wants to lead.

    Args:
        name: what it is called.
        words: as ``bench.candidate`` takes them, but for the name of each.
    """

    def __init__(self, name: str, *words: str) -> None:
        self.name = name
        self.command = [sys.executable, "-m", "bench.candidate", *words]


def killed(contender: Contender, count: int, settle_s: float) -> Iterator[float]:
    """From each signal until the next program's body runs (ms).

    Args:
        settle_s: how long the next one waits before the signal.
    """
    programs = [_start(contender, 0)]
    try:
        _hear(programs[0], "leads")
        for number in progress(range(1, count + 1), contender.name):
            programs.append(_start(contender, number))
            _hear(programs[1], "waiting")
            time.sleep(settle_s)
            dead = programs.pop(0)
            at = now_ns()
            dead.send_signal(signal.SIGKILL)
            yield (int(_hear(programs[0], "leads")) - at) / 1e6
            _end(dead)
    finally:
        for program in programs:
            _end(program)


def _start(contender: Contender, number: int) -> "subprocess.Popen[str]":
    command = [*contender.command, f"candidate-{number}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _hear(program: "subprocess.Popen[str]", word: str) -> str:
    """The rest of the next line of this kind."""
    assert program.stdout is not None
    for line in program.stdout:
        said, _, rest = line.strip().partition(" ")
        if said == word:
            return rest
    raise RuntimeError(f"a candidate has ended before it said {word!r}")


def _end(program: "subprocess.Popen[str]") -> None:
    """Kill it, and forget it."""
    program.kill()
    program.wait()
    assert program.stdout is not None
    program.stdout.close()
