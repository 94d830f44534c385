"""Programs that lead one after the other, each killed while it does."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from bench.progress import progress
from interrex.runtime.clock import now_ns

CANDIDATE = """\
import asyncio, sys, interrex
from interrex.runtime.clock import now_ns

async def tell_waiting(election):
    while election.identity not in election.waiting():
        await election.standing.changed()
    print("waiting", flush=True)

async def run(url, identity):
    async with interrex.election(url, identity=identity) as election:
        telling = asyncio.create_task(tell_waiting(election))
        async with election.lead() as leadership:
            print("leads", now_ns(), flush=True)
            await asyncio.get_running_loop().create_future()

asyncio.run(run(*sys.argv[1:3]))
"""


class Contender(NamedTuple):
    """A program that says ``waiting``, and ``leads NS`` when it does: what it is called, the
    script, and its first argument; the second is the name of each."""

    name: str
    script: str
    where: str


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
    command = [sys.executable, "-c", contender.script, contender.where, f"candidate-{number}"]
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
