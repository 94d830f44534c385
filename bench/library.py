"""Programs that lead: what importing the library costs, how soon the next one leads, and what one
more election costs a process."""

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.figures import Effort, Figure, at_most
from bench.fleet import Fleet
from bench.progress import progress
from bench.sharing import memory
from bench.specs import bare
from bench.statistics import percentile, summary
from interrex.runtime.clock import now_ns

IMPORTS = {
    "import interrex, over bare python": "import interrex",
    "... and naming interrex.election": "import interrex; interrex.election",
}
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
SETTLE_S = 0.05


def library(effort: Effort) -> Iterator[Figure]:
    """The time to import it; a program that leads is killed, the next one leads; memory."""
    yield from _imports(effort)
    took = list(_take_overs(effort.count(100)))
    yield Figure(
        measure="leading program killed, the next one leads: p50",
        value=percentile(took, 0.5),
        unit="ms",
        goal=at_most(5.0),
        note=summary(took),
    )
    yield from memory(effort)


def _imports(effort: Effort) -> Iterator[Figure]:
    count = effort.count(20)
    bare_ms = statistics.median(_run_ms("pass") for _ in range(count))
    for measure, statement in IMPORTS.items():
        whole_ms = statistics.median(_run_ms(statement) for _ in range(count))
        limit = at_most(60.0) if statement == "import interrex" else None
        note = f"bare python: {bare_ms:.1f} ms"
        yield Figure(measure=measure, value=whole_ms - bare_ms, unit="ms", goal=limit, note=note)


def _run_ms(statement: str) -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return 1000 * (time.monotonic() - begun)


def _take_overs(count: int) -> Iterator[float]:
    """From the signal until the next program's body runs (ms)."""
    with Fleet(bare()) as fleet:
        fleet.wait_ready()
        url = f"interrex:///bench/library?state={fleet.root}"
        programs = [_candidate(url, 0)]
        try:
            hear(programs[0], "leads")
            for number in progress(range(1, count + 1), "kill"):
                programs.append(_candidate(url, number))
                hear(programs[1], "waiting")
                time.sleep(SETTLE_S)
                dead = programs.pop(0)
                killed = now_ns()
                dead.send_signal(signal.SIGKILL)
                yield (int(hear(programs[0], "leads")) - killed) / 1e6
                end(dead)
        finally:
            for program in programs:
                end(program)


def _candidate(url: str, number: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CANDIDATE, url, f"candidate-{number}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def hear(program: "subprocess.Popen[str]", word: str) -> str:
    """The rest of the next line of this kind."""
    assert program.stdout is not None
    for line in program.stdout:
        said, _, rest = line.strip().partition(" ")
        if said == word:
            return rest
    raise RuntimeError(f"a candidate has ended before it said {word!r}")


def end(program: "subprocess.Popen[str]") -> None:
    """Kill it, and forget it."""
    program.kill()
    program.wait()
    assert program.stdout is not None
    program.stdout.close()
