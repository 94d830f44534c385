"""One planted bug in one process: runs seeds, prints what each comes to as a line of JSON.

Arguments: the bug's name (or ``none``), the election (empty for the usual one), the first and the
last seed. Nothing of a core is imported before the bug is planted.
"""

import re
import signal
import sys
from types import FrameType

import msgspec

from interrex.simulator.mutants.catalogue import MUTANTS
from interrex.simulator.mutants.planting import plant

NO_BUG = "none"

MOST_SECONDS = 60
"""A seed that takes so much of a processor does not end: a core that asks to be woken at once, for
ever, would keep simulated time from passing."""


CORES = {"core", "elections", "supervision", "orchestration", "balancer", "worker"}
CORE_FAILED = "a core raises nothing but what it says"
"""An exception from within a core, which would end its worker's process; one from elsewhere is a
fault of the simulator."""
_PLACE = re.compile(r'File "[^"]*/interrex/(\w+)/[^"]*", line')


class SeedResult(msgspec.Struct, frozen=True):
    """``promise`` is the one that was broken, empty where all were kept."""

    seed: int
    promise: str = ""
    text: str = ""
    problem: str = ""


class _TooLong(BaseException):
    """Not an ``Exception``: nothing in the simulator shall take it for a fault of a core."""


def _too_long(number: int, frame: FrameType | None) -> None:
    raise _TooLong


def main(arguments: list[str]) -> int:
    name, election, first, last = arguments
    if name != NO_BUG:
        plant(MUTANTS[name])
    signal.signal(signal.SIGVTALRM, _too_long)
    for seed in range(int(first), int(last) + 1):
        result = _run(seed, election)
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        sys.stdout.flush()
    return 0


def _run(seed: int, election: str) -> SeedResult:
    # Here, because these load the cores.
    from interrex.simulator.checkers import all_checkers
    from interrex.simulator.faults.drawing import draw_plan
    from interrex.simulator.run import ALL, DURATION, INTERNAL_ERROR, replay

    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        plan = draw_plan(None, seed, DURATION, ALL, election)
        broken = replay(plan, all_checkers(plan.spec)).broken
    except _TooLong:
        return SeedResult(seed, problem=f"seed {seed} did not end in {MOST_SECONDS} s")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if broken is None:
        return SeedResult(seed)
    if broken.promise != INTERNAL_ERROR:
        return SeedResult(seed, broken.promise, broken.text)
    places = _PLACE.findall(broken.text)
    if places and places[-1] in CORES:
        return SeedResult(seed, CORE_FAILED, broken.text)
    last_line = broken.text.strip().splitlines()[-1]
    return SeedResult(seed, problem=f"seed {seed}: {last_line}", text=broken.text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
