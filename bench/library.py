"""Programs that lead: what importing the library costs, how soon the next one leads, and what one
more election costs a process."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.figures import Effort, Figure, at_most
from bench.fleet import Fleet
from bench.leading_programs import Contender, killed
from bench.sharing import memory
from bench.specs import bare
from bench.statistics import percentile, summary

IMPORTS = {
    "import interrex, over bare python": "import interrex",
    "... and naming interrex.election": "import interrex; interrex.election",
}
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
        yield from killed(Contender("interrex://", "library", url), count, SETTLE_S)
