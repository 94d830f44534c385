"""Finding a short plan that breaks the same promise: delta debugging of a plan's faults.

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002,
algorithm ddmin. Not guaranteed: the shortest of all; a fault less changes what chance does to all
that follow, so a run that is not tried may break it with fewer.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import msgspec

from interrex.core.time import MS
from interrex.simulator.plan import Fault, FaultPlan


class Shrunk(msgspec.Struct, frozen=True):
    """The shortest plan found, and how many runs that took."""

    plan: FaultPlan
    trials: int


def shrink(
    plan: FaultPlan,
    broken_at: Callable[[FaultPlan], int | None],
    go_on: Callable[[int], bool],
) -> Shrunk:
    """Leave out of a plan what its violation does not need.

    Args:
        plan: a plan that breaks a promise.
        broken_at: when (simulated ns) a plan breaks the same promise; None: it keeps it.
        go_on: asked before each further trial, with the number of those before it.

    Returns:
        A plan that breaks it, the given one at worst.
    """
    trials = 0
    best = plan

    def still_breaks(faults: Sequence[Fault]) -> bool:
        nonlocal trials, best
        candidate = msgspec.structs.replace(plan, faults=tuple(faults))
        trials += 1
        at = broken_at(candidate)
        if at is None:
            return False
        best = until(candidate, at)
        return True

    pieces = 2
    while len(best.faults) >= 2 and go_on(trials):
        for part in _parts(best.faults, pieces):
            if not go_on(trials):
                return Shrunk(best, trials)
            if still_breaks(part):
                pieces = 2
                break
        else:
            if pieces >= len(best.faults):
                break
            pieces = min(len(best.faults), 2 * pieces)
    if len(best.faults) == 1 and go_on(trials):
        still_breaks(())
    return Shrunk(best, trials)


def until(plan: FaultPlan, at: int) -> FaultPlan:
    """The plan without the faults that begin later than this (simulated ns)."""
    return msgspec.structs.replace(plan, faults=tuple(f for f in plan.faults if f.at <= at))


def only(plan: FaultPlan, numbers: Sequence[int]) -> FaultPlan:
    """The plan with these of its faults, by their numbers.

    Raises:
        KeyError: it has no fault of such a number.
    """
    known = {fault.number: fault for fault in plan.faults}
    return msgspec.structs.replace(plan, faults=tuple(known[n] for n in sorted(set(numbers))))


def told(fault: Fault) -> str:
    """A fault as a line for people."""
    parts = [f"{fault.at / (1000 * MS):8.3f} s", f"{fault.kind}/{fault.name}"]
    parts += [", ".join(fault.targets)] if fault.targets else []
    parts += [f"for {fault.lasts / MS:.0f} ms"] if fault.lasts else []
    parts += [f"when {fault.when}"] if fault.when else []
    parts += [f"{name} {value}" for name, value in fault.values.items()]
    return f"{fault.number:4}  {'  '.join(parts)}"


def _parts(faults: Sequence[Fault], pieces: int) -> Iterator[Sequence[Fault]]:
    """What is tried: each piece alone, then all but each."""
    bounds = [len(faults) * i // pieces for i in range(pieces + 1)]
    cuts = list(itertools.pairwise(bounds))
    for begin, end in cuts:
        yield faults[begin:end]
    if pieces > 2:
        for begin, end in cuts:
            yield [*faults[:begin], *faults[end:]]
