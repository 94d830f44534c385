"""What a scenario is, and how it is run: its plan is drawn from a seed, as any other."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from interrex.core.ids import HostName
from interrex.core.spec import ClusterSpec, Etcd, HostSpec, Timing, ZooKeeper
from interrex.core.time import MS, US, S, seconds
from interrex.simulator.chance import Chance
from interrex.simulator.checkers import all_watches
from interrex.simulator.checkers.watch import Panel
from interrex.simulator.faults.drawing import usual_spec
from interrex.simulator.plan import Conditions, Fault, FaultPlan
from interrex.simulator.run import Broken, Outcome, replay
from interrex.simulator.scenarios.account import Account

if TYPE_CHECKING:
    from interrex.simulator.trace import Trace

FIRST = "worker-1"
"""It leads when the first fault begins, unless the scenario says otherwise."""
CROWNED_AT = 1200 * MS
SERVED_AT = 2000 * MS
"""When one has to have a session with a coordination service first."""
BEGINS = 2500 * MS
"""When a scenario's first fault begins (ns)."""
LASTS = 5 * S
USERS_EVERY = 300 * MS
"""So often (ns) somebody reads what is certainly current, or changes something, in turn."""
SESSION_S = 2.0
"""Of elections that rest on a coordination service."""
EXPECTED = "what the scenario expects"


class Tale(msgspec.Struct, frozen=True):
    """What expectations judge: what happened, ``at`` is when the scenario's faults began (ns)."""

    account: Account
    at: int
    timeout: int
    """An election time-out (ns)."""


Expectation = Callable[[Tale], str]
"""Says what is wrong; empty where it holds."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A few faults, and what must come of them.

    Args:
        name: for people and the command line.
        what: what befalls the fleet.
        must: what must come of it, beside every promise that is watched anyway.
        faults: draws them, without their numbers.
        settles: within so many election time-outs after the last fault all is as asked for.
        expects: what ``must`` says.
        workers: how many, on one machine; or on each of so many ``hosts``.
        crowned: who is made the leader before; None: whoever is elected.
        users: whether somebody changes and reads something all the while.
        weather: draws the conditions.
        timing: of the cluster file, where it is not as usual.
        lasts: how long (ns) until everything is healed.
        election: of the cluster file, where it is not the usual one.
    """

    name: str
    what: str
    must: str
    faults: Callable[[Chance], tuple[Fault, ...]]
    settles: int = 50
    expects: tuple[Expectation, ...] = ()
    workers: int = 3
    hosts: int = 0
    crowned: str | None = FIRST
    users: bool = True
    weather: Callable[[Chance], Conditions] | None = None
    timing: Timing | None = None
    lasts: int = LASTS
    election: str = ""


def fault(
    kind: str, at: int, *targets: str, lasts: int = 0, when: str = "", **values: int
) -> Fault:
    """A planned fault; ``kind`` is ``family/name``."""
    family, _, name = kind.partition("/")
    return Fault(
        number=0, kind=family, name=name, at=at, lasts=lasts, targets=targets, values=values,
        when=when,
    )  # fmt: skip


def usual_weather(chance: Chance) -> Conditions:
    """A good network and good disks, and requests all the while."""
    return Conditions(
        near=chance.between(20 * US, 500 * US),
        far=chance.between(100 * US, 2 * MS),
        sync=chance.between(100 * US, 5 * MS),
        skew_ppm=50,
        asks_every=0,
    )


def plan_of(scenario: Scenario, seed: int) -> FaultPlan:
    """The scenario's plan for a seed."""
    chance = Chance(seed)
    spec = _spec_of(scenario)
    weather = (scenario.weather or usual_weather)(chance)
    faults = [*_prelude(scenario), *scenario.faults(chance)]
    replace = msgspec.structs.replace
    numbered = tuple(replace(one, number=number) for number, one in enumerate(faults, start=1))
    return FaultPlan(
        seed=seed, spec=spec, conditions=weather, duration=scenario.lasts, faults=numbered
    )


def run_scenario(
    scenario: Scenario, seed: int, trace: "Trace | None" = None
) -> tuple[Outcome, str]:
    """Run a scenario with every promise watched.

    Returns:
        What the run came to, an expectation that did not hold included; and what the scenario
        says of itself: elections, and how many time-outs it took to settle.
    """
    plan = plan_of(scenario, seed)
    account = Account()
    timeout = seconds(plan.spec.timing.election_timeout)
    panel = Panel([*all_watches(plan.spec), account])
    outcome = replay(plan, [panel], trace, converged_within=scenario.settles * timeout)
    tale = Tale(account, min(one.at for one in plan.faults[len(_prelude(scenario)) :]), timeout)
    if outcome.broken is None:
        wrong = "; ".join(text for expects in scenario.expects if (text := expects(tale)))
        if wrong:
            broken = Broken(EXPECTED, wrong, outcome.until)
            outcome = msgspec.structs.replace(outcome, broken=broken)
    elections = len(account.elections(tale.at, outcome.until))
    took = -(-(outcome.converged_in or 0) // timeout)
    return outcome, f"{elections} elections, settled in {took} of {scenario.settles} time-outs"


def _prelude(scenario: Scenario) -> list[Fault]:
    """What every scenario begins with: who leads, and users at work."""
    prelude = []
    if scenario.crowned is not None:
        at = SERVED_AT if scenario.election else CROWNED_AT
        prelude.append(fault("users/hand-over", at, scenario.crowned))
    if scenario.users:
        lasts = scenario.lasts - CROWNED_AT
        prelude.append(fault("users/storm", CROWNED_AT, "web", lasts=lasts, every=USERS_EVERY))
    return prelude


def _spec_of(scenario: Scenario) -> ClusterSpec:
    replace = msgspec.structs.replace
    spec = replace(usual_spec(), workers=scenario.workers)
    spec = replace(spec, election=scenario.election or spec.election)
    if scenario.hosts:
        hosts = tuple(
            HostSpec(
                name=HostName(f"host{n}"), address=f"10.0.0.{n}:7000", workers=scenario.workers
            )
            for n in range(1, scenario.hosts + 1)
        )
        spec = replace(spec, hosts=hosts)
    if scenario.election:
        spec = replace(
            spec,
            election=scenario.election,
            etcd=Etcd(session=SESSION_S, timeout=SESSION_S / 4),
            zookeeper=ZooKeeper(session=SESSION_S),
        )
    return replace(spec, timing=scenario.timing) if scenario.timing is not None else spec
