"""Running a seed: drawing its plan, letting it happen, and saying what was found."""

import traceback
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from interrex.core.errors import InvariantViolation
from interrex.core.spec import ClusterSpec
from interrex.core.time import S
from interrex.simulator.agenda import StandsStill
from interrex.simulator.faults.catalogue import FAMILIES
from interrex.simulator.faults.drawing import draw_plan
from interrex.simulator.observation import Checker, Violation
from interrex.simulator.plan import FaultPlan
from interrex.simulator.world import World

if TYPE_CHECKING:
    from interrex.simulator.trace import Trace

ALL = tuple(FAMILIES)
"""The names of all families of faults."""
DURATION = 30 * S
CONVERGED_WITHIN = 90 * S
"""How long (ns) after the last fault the fleet may take to be as it was asked: 360 election
time-outs, because pauses between attempts to start what failed have grown to 30 s by then."""
LOOK_EVERY = S // 4
CALM = 2 * S
"""How long (ns) it must stay so, until what was found last has reached every balancer."""
INTERNAL_ERROR = "internal error"
INVARIANT = "a core's invariant"
CONVERGENCE = "convergence"
STANDS_STILL = "time stands still"


class Broken(msgspec.Struct, frozen=True):
    """A promise that was broken: which, what was seen, and when (simulated ns)."""

    promise: str
    text: str
    at: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to.

    ``events`` counts what the agenda let happen, ``steps`` the events that cores took, ``until``
    is the simulated time (ns) at the end, ``converged_in`` how long after the last fault all was as
    asked (None: it never was); ``faults`` counts those that happened, by ``family/name``.
    """

    plan: FaultPlan
    broken: Broken | None
    events: int
    steps: int
    messages: int
    until: int
    converged_in: int | None
    faults: dict[str, int]
    served: int
    refused: dict[str, int]

    @property
    def seed(self) -> int:
        return self.plan.seed


def run_seed(
    spec: ClusterSpec | None,
    seed: int,
    duration: int = DURATION,
    faults: Collection[str] = ALL,
    checkers: Sequence[Checker] = (),
    trace: "Trace | None" = None,
    election: str = "",
) -> Outcome:
    """Run one seed.

    Args:
        spec: the cluster; None: its shape is drawn too.
        seed: everything else follows from it.
        duration: how long faults happen (ns); the time to converge comes on top.
        faults: the names of the families to draw from.
        checkers: made anew for this run.
        trace: written to, where there is one.
        election: of a cluster that is drawn, by its name; empty: the usual one.
    """
    return replay(draw_plan(spec, seed, duration, faults, election), checkers, trace)


def replay(
    plan: FaultPlan,
    checkers: Sequence[Checker] = (),
    trace: "Trace | None" = None,
    converged_within: int = CONVERGED_WITHIN,
) -> Outcome:
    """Run a plan, whole: whatever breaks is in the outcome, nothing is raised.

    Args:
        plan: what happens.
        checkers: made anew for this run.
        trace: written to, where there is one.
        converged_within: how long (ns) after the last fault all must be as it was asked.
    """
    world = World(plan, checkers, trace)
    converged_in: int | None = None
    broken: Broken | None = None
    try:
        world.start()
        world.run_for(plan.duration)
        world.heal()
        converged_in = _converge(world, checkers, converged_within)
    except Violation as violation:
        broken = Broken(violation.promise, violation.text, world.agenda.now)
    except StandsStill as stands:
        broken = Broken(STANDS_STILL, str(stands), world.agenda.now)
    except InvariantViolation as violation:
        broken = Broken(INVARIANT, f"{violation}\n{traceback.format_exc()}", world.agenda.now)
    except Exception:  # noqa: BLE001 - whatever it is, it is what the run has found
        broken = Broken(INTERNAL_ERROR, traceback.format_exc(), world.agenda.now)
    return Outcome(
        plan=plan,
        broken=broken,
        events=world.agenda.done,
        steps=world.steps,
        messages=world.network.sent,
        until=world.agenda.now,
        converged_in=converged_in,
        faults=dict(sorted(world.faults.began.items())),
        served=world.clients.served,
        refused=dict(sorted(world.clients.refused.items())),
    )


def _converge(world: World, checkers: Sequence[Checker], within: int) -> int:
    """Let time pass until all is as it was asked for, and every checker says so too."""
    healed = world.agenda.now
    broken = Violation(CONVERGENCE, "nothing was looked at")
    while world.agenda.now - healed < within:
        world.run_for(LOOK_EVERY)
        world.bring_down_who_know_nobody()
        missing = world.unsettled()
        if missing:
            broken = Violation(CONVERGENCE, f"{within // S} s after the last fault: {missing}")
            continue
        try:
            for checker in checkers:
                checker.finish(world.agenda.now)
        except Violation as violation:
            broken = violation
            continue
        return world.agenda.now - healed
    raise broken
