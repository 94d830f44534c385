"""Plans that once broke a promise, as data: what a seed stands for changes, a plan does not."""

from pathlib import Path

import pytest

from interrex.simulator.checkers import all_checkers
from interrex.simulator.plan import decode_plan
from interrex.simulator.run import replay

PLANS = sorted((Path(__file__).parent / "regressions").glob("*.json"))


def test_there_are_some() -> None:
    assert PLANS


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_it_breaks_no_promise_any_more(path: Path) -> None:
    plan = decode_plan(path.read_bytes())
    outcome = replay(plan, all_checkers(plan.spec))
    assert outcome.broken is None, f"{outcome.broken.promise}: {outcome.broken.text}"
    assert outcome.faults
