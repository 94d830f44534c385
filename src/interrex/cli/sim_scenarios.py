"""``interrex sim --scenario``: a named scenario, run for a few seeds."""

import contextlib
import traceback
from collections.abc import Iterable
from pathlib import Path

from interrex.cli.exits import Exit
from interrex.cli.names import unknown
from interrex.simulator.run import INTERNAL_ERROR, Broken
from interrex.simulator.scenarios.catalogue import SCENARIOS
from interrex.simulator.scenarios.scenario import Scenario, plan_of, run_scenario
from interrex.simulator.shrinking import told
from interrex.simulator.trace import Trace


def scenario_lines() -> list[str]:
    """All scenarios, for people."""
    width = max(len(name) for name in SCENARIOS)
    lines = []
    for scenario in SCENARIOS.values():
        lines.append(f"{scenario.name:{width}}  {scenario.what}")
        lines.append(f"{'':{width}}  -> {scenario.must}")
    return lines


def play(name: str, seeds: Iterable[int], trace: Path | None) -> int:
    """Run a scenario and print what came of it.

    Args:
        name: of the scenario.
        seeds: its parameters are drawn from each.
        trace: where every step is written, for one seed.

    Returns:
        The exit code.

    Raises:
        CommandError: there is no such scenario.
    """
    scenario = SCENARIOS.get(name)
    if scenario is None:
        raise unknown("scenario", name, SCENARIOS)
    print(f"{scenario.name}: {scenario.what}")
    print(f"must: {scenario.must}")
    broken = 0
    for seed in seeds:
        with contextlib.ExitStack() as stack:
            written = None
            if trace is not None:
                written = Trace(stack.enter_context(trace.open("wb")).write)
            found, words = _run(scenario, seed, written)
        if found is None:
            print(f"seed {seed}: {words}")
            continue
        broken += 1
        print(f"seed {seed} broke a promise at {found.at / 10**9:.3f} s: {found.promise}")
        print("\n".join(f"  {line}" for line in found.text.splitlines()[-12:]))
        print("\n".join(f"  {told(fault)}" for fault in plan_of(scenario, seed).faults))
        print(f"  see it again: interrex sim --scenario {name} --seed {seed}")
    return Exit.FAILED if broken else Exit.OK


def _run(scenario: Scenario, seed: int, trace: Trace | None) -> tuple[Broken | None, str]:
    """What was broken, and what the scenario says of itself."""
    try:
        outcome, words = run_scenario(scenario, seed, trace)
    except Exception:  # noqa: BLE001 - an internal error is a finding too
        return Broken(INTERNAL_ERROR, traceback.format_exc(), 0), ""
    return outcome.broken, words
