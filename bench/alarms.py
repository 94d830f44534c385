"""False alarms: all cores are saturated, and nothing else happens; nobody may be given up."""

import os
import time
from collections import Counter
from collections.abc import Iterator

from bench.figures import Effort, Figure, at_most
from bench.fleet import Fleet
from bench.processes import busy_loops
from bench.progress import wait
from bench.specs import agreed_leader, events_of, web

LOOPS_A_CORE = 2
ELECTIONS = {"leader.elected", "leader.ended"}
KILLS = {"worker.silent", "worker.lost", "worker.launched", "worker.ended", "replica.unhealthy",
         "replica.exited", "replica.killed", "replica.never_ready"}  # fmt: skip
"""What the journals call it when somebody is given up, is ended or has to be started."""


def alarms(effort: Effort) -> Iterator[Figure]:
    """All cores saturated by busy loops: elections and kills that no fault caused."""
    cores = os.cpu_count() or 1
    with Fleet(web(9, exposed=True)) as fleet:
        agreed_leader(fleet)
        time.sleep(2.0)
        begin = time.time()
        before = fleet.status()
        with busy_loops(LOOPS_A_CORE * cores):
            wait(effort.saturation_s)
        kinds = Counter(event.kind for event in events_of(fleet, begin))
        agreed_leader(fleet)
        after = fleet.status()
    assert before is not None
    assert after is not None
    seen = ", ".join(f"{kind} {times}" for kind, times in sorted(kinds.items())) or "none"
    yield Figure(
        measure=f"{effort.saturation_s:.0f} s of {LOOPS_A_CORE} busy loops a core: elections",
        value=max(sum(kinds[kind] for kind in ELECTIONS), after.epoch - before.epoch),
        unit="",
        goal=at_most(0),
        note=f"all events: {seen}",
    )
    yield Figure(
        measure="in the same time: kills of workers, balancers and replicas",
        value=sum(kinds[kind] for kind in KILLS),
        unit="",
        goal=at_most(0),
    )
