"""A replica is killed: until its replacement answers, beside a bare loop and supervisord.

All supervise the same server, which starts in a millisecond, and are asked in the same way: a
connection and ``GET /pid`` over and over, until another process answers. They take turns.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.answering import replace_ms, wait_answer
from bench.figures import Beside, Effort, Figure, at_most
from bench.fleet import Fleet
from bench.processes import free_ports, running, scratch
from bench.progress import progress
from bench.servers import build
from bench.specs import WEB, web
from bench.statistics import percentile, summary
from bench.tools import tool, where_installed

FLOOR = "a bare waitpid + posix_spawn loop"
ALLOWED_MS = 5.0
SLOTS = 12
"""Killed in turns, so that each is well for more than a second in between: no crash loop."""
SETTLE_S = 0.15
SUPERVISORD_SETTLE_S = 1.5
SUPERVISORD_FILE = """\
[supervisord]
nodaemon=true
logfile={folder}/log
pidfile={folder}/pid
[program:tiny]
command={program} --port {port}
autorestart=true
"""


def replicas(effort: Effort) -> Iterator[Figure]:
    """A replica killed, until its replacement answers, beside a bare loop and supervisord."""
    ours: list[float] = []
    floor: list[float] = []
    with contextlib.ExitStack() as stack:
        fleet = stack.enter_context(Fleet(web(SLOTS)))
        (port,) = free_ports(1)
        loop = Path(__file__).parent / "servers" / "bare_supervisor.py"
        command = [sys.executable, str(loop), str(build()), "--port", str(port)]
        stack.enter_context(running(command))
        wait_answer(port)
        fleet.wait_ready()
        ports = _ports(fleet)
        for number in progress(range(effort.count(100))):
            time.sleep(SETTLE_S)
            ours.append(replace_ms(ports[number % len(ports)]))
            time.sleep(SETTLE_S)
            floor.append(replace_ms(port))
    peers = _supervisord(effort.count(5, 1))
    at_floor = percentile(floor, 0.5)
    beside = [Beside(FLOOR, at_floor)]
    if peers:
        beside.append(Beside("supervisord", percentile(peers, 0.5)))
    yield Figure(
        measure="replica killed, its replacement answers: p50",
        value=percentile(ours, 0.5),
        unit="ms",
        goal=at_most(at_floor + ALLOWED_MS),
        beside=tuple(beside),
        note=f"goal: floor + {ALLOWED_MS:.0f} ms; ours {summary(ours)}; floor {summary(floor)}",
    )


def _ports(fleet: Fleet) -> list[int]:
    status = fleet.status()
    assert status is not None
    return [replica.port for replica in status.services[WEB].replicas]


def _supervisord(times: int) -> list[float]:
    """Milliseconds, as above; nothing where it is not installed."""
    took: list[float] = []
    with where_installed(), scratch() as folder:
        (port,) = free_ports(1)
        file = folder / "supervisord.conf"
        file.write_text(SUPERVISORD_FILE.format(folder=folder, program=build(), port=port))
        with running([tool("supervisord"), "-c", file]):
            for _ in progress(range(times), "supervisord:"):
                wait_answer(port)
                time.sleep(SUPERVISORD_SETTLE_S)
                took.append(replace_ms(port))
    return took
