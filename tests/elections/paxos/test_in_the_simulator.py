"""Whole simulated fleets that elect by Paxos, with every family of faults.

Everything that is promised of any election is watched.
"""

import msgspec
import pytest

from interrex.core.time import S
from interrex.simulator.checkers import all_watches
from interrex.simulator.checkers.watch import Panel
from interrex.simulator.faults.drawing import draw_plan
from interrex.simulator.run import ALL, replay


@pytest.mark.parametrize("seed", [0, 3, 9, 14])
def test_every_promise_holds_and_all_comes_together(seed: int) -> None:
    plan = draw_plan(None, seed, 8 * S, ALL)
    spec = msgspec.structs.replace(plan.spec, election="paxos")
    watches = [watch for watch in all_watches() if "raft" not in type(watch).__module__]
    found = replay(msgspec.structs.replace(plan, spec=spec), [Panel(watches)])
    assert found.broken is None
    assert found.converged_in is not None
