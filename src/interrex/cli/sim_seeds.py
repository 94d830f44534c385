"""Simulated seeds on all cores: many processes, and of each seed only what came of it."""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.pool import Pool
from types import FrameType

import msgspec

from interrex.cli.terminal import ENDINGS
from interrex.core.spec import ClusterSpec
from interrex.simulator.checkers import all_watches
from interrex.simulator.checkers.watch import Panel
from interrex.simulator.faults.drawing import draw_plan
from interrex.simulator.plan import FaultPlan
from interrex.simulator.run import INTERNAL_ERROR, Broken, Outcome, replay
from interrex.simulator.shrinking import Shrunk, shrink, until
from interrex.simulator.statistics import Numbers, Statistics
from interrex.simulator.trace import Trace

MOST_SECONDS = 300
"""A seed that takes longer (wall time) does not end: simulated time stands still in it."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What every seed has in common.

    ``spec`` None: the cluster is drawn too, with this ``election``; empty: the usual one.
    """

    spec: ClusterSpec | None
    duration: int
    families: tuple[str, ...]
    election: str = ""

    def plan(self, seed: int) -> FaultPlan:
        """What a seed stands for."""
        return draw_plan(self.spec, seed, self.duration, self.families, self.election)


class SeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a seed came to. ``until`` is simulated ns."""

    seed: int
    broken: Broken | None
    until: int
    events: int
    steps: int
    messages: int
    converged_in: int | None
    faults: dict[str, int]
    numbers: Numbers


class _TooLong(BaseException):
    """Not an ``Exception``: nothing in the simulator shall take it for a fault of a core."""


def run_plan(plan: FaultPlan, trace: Trace | None = None) -> tuple[Outcome, Numbers]:
    """One run with every promise watched."""
    statistics = Statistics()
    outcome = replay(plan, [Panel([*all_watches(plan.spec), statistics])], trace)
    return outcome, statistics.numbers(outcome.until)


def run_seeds(asked: Asked, seeds: Iterable[int], jobs: int) -> Iterator[SeedResult]:
    """Results in the order in which they come; closing the iterator ends the processes."""
    if jobs == 1:
        for seed in seeds:
            yield _run_seed((asked, seed))
        return
    with job_pool(jobs) as pool:
        yield from pool.imap_unordered(_run_seed, ((asked, seed) for seed in seeds))


def shrink_seed(
    plan: FaultPlan,
    broken: Broken,
    go_on: Callable[[int], bool],
    interrupted: Callable[[], None],
) -> Shrunk:
    """The shortest plan found that breaks the same promise, as long as ``go_on`` says so.

    A trial that Ctrl-C ends counts for nothing: ``interrupted`` is told, and what was found by then
    is what there is.
    """

    def broken_at(candidate: FaultPlan) -> int | None:
        try:
            result = run_one(candidate.seed, lambda: candidate)
        except KeyboardInterrupt:
            interrupted()
            return None
        again = result.broken
        return again.at if again is not None and again.promise == broken.promise else None

    return shrink(until(plan, broken.at), broken_at, go_on)


def job_pool(jobs: int) -> Pool:
    """Made whole, whatever asks this process to end meanwhile: it hears of that when there is
    something to end. A job hears nothing before it is there, and of Ctrl-C never."""
    resource_tracker.ensure_running()  # it would let the signals through to whoever begins it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*ENDINGS, signal.SIGINT))
    try:
        return multiprocessing.get_context("spawn").Pool(jobs, begin_job)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_job() -> None:
    """Ctrl-C is for the process that prints: it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
    os.nice(1)


def _run_seed(work: tuple[Asked, int]) -> SeedResult:
    asked, seed = work
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MOST_SECONDS)
    try:
        return run_one(seed, lambda: asked.plan(seed))
    except _TooLong:
        return _nothing(seed, f"no end after {MOST_SECONDS} s of wall time")
    finally:
        signal.alarm(0)


def run_one(seed: int, drawn: Callable[[], FaultPlan], trace: Trace | None = None) -> SeedResult:
    """What a seed comes to, also where drawing its plan, or making its world, raises something."""
    try:
        outcome, numbers = run_plan(drawn(), trace)
    except Exception:  # noqa: BLE001 - an internal error is a finding too
        return _nothing(seed, traceback.format_exc())
    return SeedResult(
        seed=seed,
        broken=outcome.broken,
        until=outcome.until,
        events=outcome.events,
        steps=outcome.steps,
        messages=outcome.messages,
        converged_in=outcome.converged_in,
        faults=outcome.faults,
        numbers=numbers,
    )


def _nothing(seed: int, text: str) -> SeedResult:
    return SeedResult(
        seed=seed,
        broken=Broken(INTERNAL_ERROR, text, 0),
        until=0,
        events=0,
        steps=0,
        messages=0,
        converged_in=None,
        faults={},
        numbers=Statistics().numbers(0),
    )


def _too_long(number: int, frame: FrameType | None) -> None:
    raise _TooLong
