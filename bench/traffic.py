"""2,000 requests a second through the balancers, open loop, while parts of the fleet are killed.

A GET whose connection breaks before any byte of the answer is sent once more, as browsers do; the
figure says how many were. Nothing else is repeated by the client.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import count

from bench.figures import Beside, Effort, Figure, at_most
from bench.fleet import Fleet
from bench.loading import Load, Loaded, open_loop
from bench.progress import say
from bench.specs import exposed_port, web
from interrex.core.ids import WorkerName

RATE = 2000.0
DURATION_S = 60.0
QUIET_S = 10.0
EVERY_S = 2.0
Chaos = Callable[[Fleet, int], int]
"""Kill something, the so-manieth time; returns how many processes."""


def traffic(effort: Effort) -> Iterator[Figure]:
    """2,000 requests/s while replicas are killed, and while workers and the leader are as well."""
    with Fleet(web(3, exposed=True)) as fleet:
        fleet.wait_ready()
        quiet, _ = _under(fleet, effort.duration_s(QUIET_S), lambda *_: 0)
        for name, chaos in (
            ("a replica killed every 2 s", _kill_replica),
            ("replicas, workers and the leader killed", _kill_more),
        ):
            loaded, killed = _under(fleet, effort.duration_s(DURATION_S, 6.0), chaos)
            yield from _figures(name, loaded, killed, quiet)
            fleet.wait_ready()


def _figures(name: str, loaded: Loaded, killed: int, quiet: Loaded) -> Iterator[Figure]:
    total = loaded.ok + loaded.failed
    yield Figure(
        measure=f"{name}: failed of {total:,}",
        value=loaded.failed,
        unit="requests",
        goal=at_most(0),
        note=f"{killed} killed; {loaded.words()}",
    )
    slowest = ", ".join(f"{took:.0f} ms at {due:.1f} s" for due, took in loaded.slowest[:4])
    yield Figure(
        measure=f"{name}: p99",
        value=loaded.p99_ms,
        unit="ms",
        goal=at_most(2.0),
        beside=(Beside("the same with nothing killed", quiet.p99_ms),),
        note=f"slowest: {slowest}",
    )


def _under(fleet: Fleet, seconds: float, chaos: Chaos) -> tuple[Loaded, int]:
    """What became of a load, and how many processes were killed under it."""
    killed = 0
    with open_loop(exposed_port(fleet.spec), RATE, seconds) as load:
        for turn in count():
            _pause(load, EVERY_S)
            if load.is_over:
                return load.result(), killed
            say(f"killed {killed} so far")
            killed += chaos(fleet, turn)
    raise AssertionError("a load ends")


def _pause(load: Load, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not load.is_over:
        time.sleep(0.05)


def _kill_replica(fleet: Fleet, turn: int) -> int:
    pids = [pid for _, pid in sorted(fleet.replica_pids().items())]
    return _kill(pids[turn % len(pids)])


def _kill_more(fleet: Fleet, turn: int) -> int:
    """A replica each time; every second time the leader or another worker half a second later."""
    killed = _kill_replica(fleet, turn)
    if turn % 2:
        return killed
    time.sleep(0.5)
    leader = next((status.leader for status in fleet.statuses()), None)
    others = [worker for worker in fleet.workers if worker != leader]
    chosen: WorkerName | None = leader if turn % 4 == 0 else others[turn // 4 % len(others)]
    return killed + (_kill(fleet.pid_of(chosen)) if chosen is not None else 0)


def _kill(pid: int | None) -> int:
    if pid is None:
        return 0
    os.kill(pid, signal.SIGKILL)
    return 1
