"""Whole simulated fleets that elect by Bully, with every family of faults.

With a quorum everything that is promised of any election holds. Without one, changes of a losing
side are lost: what is promised of the order and the survival of changes is not looked at.
"""

import msgspec
import pytest

from interrex.core.spec import Bully
from interrex.core.time import S
from interrex.simulator.checkers import all_watches
from interrex.simulator.checkers.watch import Panel, Watch
from interrex.simulator.faults.drawing import draw_plan
from interrex.simulator.run import ALL, Outcome, replay

OF_ONE_ORDER = {"Applied", "Acknowledged", "Linearizable"}


def of_any_election() -> list[Watch]:
    return [watch for watch in all_watches() if "raft" not in type(watch).__module__]


def outcome(seed: int, watches: list[Watch], *, quorum: bool) -> Outcome:
    plan = draw_plan(None, seed, 8 * S, ALL)
    spec = msgspec.structs.replace(plan.spec, election="bully", bully=Bully(quorum=quorum))
    return replay(msgspec.structs.replace(plan, spec=spec), [Panel(watches)])


@pytest.mark.parametrize("seed", [0, 3, 9])
def test_with_a_quorum_every_promise_holds(seed: int) -> None:
    found = outcome(seed, of_any_election(), quorum=True)
    assert found.broken is None
    assert found.converged_in is not None


@pytest.mark.parametrize("seed", [3, 9, 11])
def test_without_a_quorum_services_are_kept_and_all_comes_together(seed: int) -> None:
    watches = [one for one in of_any_election() if type(one).__name__ not in OF_ONE_ORDER]
    found = outcome(seed, watches, quorum=False)
    assert found.broken is None
    assert found.converged_in is not None
