"""A worker or a balancer process is stopped, not killed: until another one is in its place."""

import os
import signal
import time
from collections.abc import Callable, Iterator

from bench.figures import Effort, Figure, at_most
from bench.fleet import Fleet
from bench.progress import progress
from bench.specs import a_follower, agreed_leader, web
from bench.statistics import percentile, summary
from bench.steady import Steady
from interrex.core.ids import WorkerName
from interrex.core.replicas import ReplicaState

SETTLE_S = 1.0
PAUSE_S = 0.005
PATIENCE_S = 30.0


def stopped(effort: Effort) -> Iterator[Figure]:
    """A worker or a balancer process stopped (SIGSTOP), until it is replaced."""
    with Fleet(web(3, exposed=True)) as fleet:
        fleet.wait_ready()
        times, steady = range(effort.count(10)), Steady()
        kinds = {
            "worker": [_stop_worker(fleet, number, steady) for number in progress(times, "worker")],
            "balancer process": [
                _stop_balancer(fleet, number) for number in progress(times, "balancer")
            ],
        }
    for name, took in kinds.items():
        yield Figure(
            measure=f"{name} stopped, until replaced: p50",
            value=percentile(took, 0.5),
            unit="s",
            goal=at_most(2.5),
            note=summary(took, "s"),
        )


def _stop_worker(fleet: Fleet, number: int, steady: Steady) -> float:
    victim = a_follower(fleet, number)
    steady.wait(victim)
    time.sleep(SETTLE_S)
    took = _stop(fleet.pid_of(victim), lambda pid: _is_replaced(fleet, victim, pid))
    steady.replaced(victim)
    return took


def _is_replaced(fleet: Fleet, worker: WorkerName, victim: int) -> bool:
    """As its peers say: it is there again, under another pid."""
    witness = next(name for name in fleet.workers if name != worker)
    status = fleet.status(witness)
    return status is not None and any(
        one.name == worker and one.state == "following" and one.pid not in (None, victim)
        for one in status.workers
    )


def _stop_balancer(fleet: Fleet, number: int) -> float:
    agreed_leader(fleet)
    time.sleep(SETTLE_S)
    status = fleet.status()
    assert status is not None
    chosen = number % len(status.balancer)
    victim = status.balancer[chosen].pid
    assert victim is not None

    def is_replaced(pid: int) -> bool:
        now = fleet.status()
        found = now.balancer[chosen] if now is not None else None
        return (
            found is not None and found.pid not in (None, pid) and found.state == ReplicaState.READY
        )

    return _stop(victim, is_replaced)


def _stop(victim: int, is_replaced: Callable[[int], bool]) -> float:
    """Seconds."""
    begin = time.perf_counter()
    os.kill(victim, signal.SIGSTOP)
    while not is_replaced(victim):
        if time.perf_counter() - begin > PATIENCE_S:
            raise TimeoutError(f"pid {victim} was stopped and is not replaced")
        time.sleep(PAUSE_S)
    return time.perf_counter() - begin
