"""How fast the simulator runs on one core, every promise checked, under faults of every family."""

import time
from collections.abc import Iterator

import msgspec

from bench.figures import Effort, Figure, at_least
from bench.progress import progress
from interrex.cli.sim_seeds import run_plan
from interrex.core.spec import ClusterSpec
from interrex.core.time import S
from interrex.simulator.faults.drawing import draw_plan, usual_spec
from interrex.simulator.run import ALL, DURATION

SEEDS = 40
SIMULATED_S, EVENTS = 300.0, 30_000.0


def simulation(effort: Effort) -> Iterator[Figure]:
    """Simulated seconds and events a second and core: three workers, and five."""
    three = usual_spec()
    yield from _of("three workers, nine replicas", three, effort, 1.0)
    five = msgspec.structs.replace(three, workers=5)
    yield from _of("five workers, nine replicas", five, effort, 0.5)


def _of(name: str, spec: ClusterSpec, effort: Effort, share: float) -> Iterator[Figure]:
    """In the process's own CPU time: other work on the machine does not count."""
    simulated, events = 0, 0
    began = time.process_time()
    for seed in progress(range(1, effort.count(SEEDS) + 1), "seed"):
        outcome, _ = run_plan(draw_plan(spec, seed, DURATION, ALL))
        simulated += outcome.until
        events += outcome.events
    took = time.process_time() - began
    yield Figure(
        measure=f"{name}: simulated seconds a second and core",
        value=simulated / S / took,
        unit="s/s",
        goal=at_least(share * SIMULATED_S),
    )
    yield Figure(
        measure=f"{name}: events a second and core",
        value=events / took,
        unit="events/s",
        goal=at_least(share * EVENTS),
    )
