"""What a fleet costs while nothing happens: CPU time by the kernel's own count, and memory."""

import time
from collections.abc import Iterator

from bench.figures import Beside, Effort, Figure, at_most
from bench.fleet import Fleet
from bench.processes import cpu_s, memory_mib, running, scratch
from bench.progress import wait
from bench.specs import sleepers, web
from bench.tools import tool, where_installed

DURATION_S = 60.0
SETTLE_S = 3.0
SLEEPERS = 200
SUPERVISORD_FILE = """\
[supervisord]
nodaemon=true
logfile={folder}/log
pidfile={folder}/pid
minfds={files}
[program:sleeper]
command=sleep infinity
numprocs={count}
process_name=%(process_num)d
"""


def idle(effort: Effort) -> Iterator[Figure]:
    """One worker with 100 checked replicas; three with 200 sleepers, beside supervisord."""
    seconds = effort.duration_s(DURATION_S)
    with Fleet(web(100, workers=1)) as fleet:
        fleet.wait_ready(60.0)
        time.sleep(SETTLE_S)
        pid = fleet.pid_of(fleet.workers[0])
        (used,) = _shares([pid], seconds)
        resident, proportional = memory_mib(pid)
    yield Figure(
        measure="a worker, 100 replicas checked every 2 s over HTTP",
        value=used,
        unit="% of a core",
        goal=at_most(3.0),
    )
    yield Figure(
        measure="its resident memory",
        value=resident,
        unit="MiB",
        goal=at_most(60.0),
        note=f"proportional: {proportional:.1f} MiB",
    )
    with Fleet(sleepers(SLEEPERS)) as fleet:
        fleet.wait_ready(60.0)
        time.sleep(SETTLE_S)
        shares = _shares([fleet.pid_of(worker) for worker in fleet.workers], seconds)
    peers = _supervisord(seconds)
    yield Figure(
        measure=f"three workers, {SLEEPERS} sleepers: the busiest worker",
        value=max(shares),
        unit="% of a core",
        goal=at_most(1.0),
        beside=tuple(Beside("supervisord with as many", share) for share in peers),
        note="all three: " + ", ".join(f"{share:.2f}" for share in sorted(shares)),
    )


def _shares(pids: list[int], seconds: float) -> list[float]:
    """Per cent of a core that each process uses over a time."""
    before = [cpu_s(pid) for pid in pids]
    began = time.monotonic()
    wait(seconds)
    passed = time.monotonic() - began
    return [100 * (cpu_s(pid) - used) / passed for pid, used in zip(pids, before, strict=True)]


def _supervisord(seconds: float) -> list[float]:
    """The share of one supervisord; nothing where it is not installed."""
    shares: list[float] = []
    with where_installed(), scratch() as folder:
        file = folder / "supervisord.conf"
        file.write_text(SUPERVISORD_FILE.format(folder=folder, count=SLEEPERS, files=4096))
        with running([tool("supervisord"), "-c", file]) as process:
            time.sleep(2 * SETTLE_S)
            shares = _shares([process.pid], seconds)
    return shares
