"""A worker that supervises nine replicas is killed: until its replacement has adopted them all."""

import os
import signal
import sys
import time
from collections.abc import Iterator

from bench.figures import Beside, Effort, Figure, at_most
from bench.fleet import Fleet
from bench.processes import memory_mib, running
from bench.progress import progress
from bench.specs import a_follower, events_of, web
from bench.statistics import percentile, summary
from bench.steady import Steady
from interrex.core.ids import WorkerName

EACH = 9
PATIENCE_S = 30.0
LIBRARIES = "import asyncio, uvloop, msgspec"
SETTLE_S = 1.0


def workers(effort: Effort) -> Iterator[Figure]:
    """A worker killed, until its replacement has adopted nine replicas; a worker's memory."""
    took: list[float] = []
    floor: list[float] = []
    with Fleet(web(3 * EACH)) as fleet:
        fleet.wait_ready()
        before = fleet.replica_pids()
        steady = Steady()
        for number in progress(range(effort.count(40))):
            victim = a_follower(fleet, number)
            steady.wait(victim)
            took.append(_kill(fleet, victim))
            steady.replaced(victim)
            floor.append(_python_start_ms())
        fleet.wait_ready()
        after = fleet.replica_pids()
        time.sleep(SETTLE_S)
        memory = [memory_mib(fleet.pid_of(worker)) for worker in fleet.workers]
    yield Figure(
        measure="worker killed, its replacement has adopted nine: p50",
        value=percentile(took, 0.5),
        unit="ms",
        goal=at_most(250.0),
        beside=(Beside(f"python -c '{LIBRARIES}'", percentile(floor, 0.5)),),
        note=summary(took),
    )
    yield Figure(
        measure="replicas that were restarted meanwhile",
        value=sum(before[slot] != after.get(slot) for slot in before),
        unit="",
        goal=at_most(0),
    )
    yield Figure(
        measure="a worker with nine replicas, resident: the largest of three",
        value=max(resident for resident, _ in memory),
        unit="MiB",
        goal=at_most(28.6),  # 30 MB
        note=f"proportional: {max(proportional for _, proportional in memory):.1f} MiB",
    )


def _kill(fleet: Fleet, worker: WorkerName) -> float:
    """Milliseconds until the replacement has noted the last adoption in its journal."""
    path = fleet.layout.events(worker)
    at = path.stat().st_size
    begin = time.time()
    os.kill(fleet.pid_of(worker), signal.SIGKILL)
    deadline = begin + PATIENCE_S
    while path.read_bytes()[at:].count(b'"replica.adopted"') < EACH:
        if time.time() > deadline:
            raise TimeoutError(f"{worker} has not adopted its replicas:\n{fleet.logs()}")
        time.sleep(0.005)
    adopted = [event for event in events_of(fleet, begin) if event.kind == "replica.adopted"]
    return (max(event.time for event in adopted) - begin) * 1e3


def _python_start_ms() -> float:
    begin = time.perf_counter()
    with running([sys.executable, "-c", LIBRARIES]) as process:
        process.wait()
    return (time.perf_counter() - begin) * 1e3
