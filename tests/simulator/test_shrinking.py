"""Shrinking finds the few faults that matter, and gives back no plan that keeps the promise."""

from collections.abc import Callable

import pytest

from interrex.simulator.faults.drawing import usual_spec
from interrex.simulator.plan import Conditions, Fault, FaultPlan
from interrex.simulator.shrinking import only, shrink, told, until


def plan_of(count: int) -> FaultPlan:
    faults = [
        Fault(number=n, kind="processes", name="kill", at=n * 1000, targets=("leader",))
        for n in range(1, count + 1)
    ]
    return FaultPlan(
        seed=1, spec=usual_spec(), conditions=Conditions(), duration=10**9, faults=tuple(faults)
    )


def numbers_of(plan: FaultPlan) -> list[int]:
    return [fault.number for fault in plan.faults]


def needing(*numbers: int) -> Callable[[FaultPlan], int | None]:
    """A world that breaks, just after the last of them, when all these faults are in the plan."""

    def broken_at(plan: FaultPlan) -> int | None:
        needed = set(numbers) <= set(numbers_of(plan))
        return max(numbers, default=0) * 1000 + 1 if needed else None

    return broken_at


@pytest.mark.parametrize("needed", [(), (1,), (40,), (3, 17), (1, 20, 40), (7, 8, 9, 10)])
def test_it_finds_exactly_the_faults_that_matter(needed: tuple[int, ...]) -> None:
    shrunk = shrink(plan_of(40), needing(*needed), lambda trials: True)
    assert numbers_of(shrunk.plan) == list(needed)


def test_it_stops_when_told_to_with_a_plan_that_still_breaks() -> None:
    broken_at = needing(3, 17, 29)
    shrunk = shrink(plan_of(40), broken_at, lambda trials: trials < 5)
    assert shrunk.trials == 5
    assert broken_at(shrunk.plan) is not None


def test_a_plan_that_needs_all_it_has_stays_as_it_is() -> None:
    shrunk = shrink(plan_of(3), needing(1, 2, 3), lambda trials: True)
    assert numbers_of(shrunk.plan) == [1, 2, 3]


def test_faults_after_the_violation_go_with_it() -> None:
    assert numbers_of(until(plan_of(5), 3500)) == [1, 2, 3]


def test_faults_are_kept_by_number() -> None:
    assert numbers_of(only(plan_of(5), [4, 2, 4])) == [2, 4]
    assert numbers_of(only(plan_of(5), [])) == []
    with pytest.raises(KeyError):
        only(plan_of(5), [6])


def test_a_fault_is_told_with_all_that_it_is() -> None:
    fault = Fault(
        number=7, kind="network", name="deaf", at=1_500_000_000, lasts=20_000_000,
        targets=("worker-1",), values={"loss": 3}, when="leader-ends",
    )  # fmt: skip
    line = told(fault)
    for part in ("7", "1.500 s", "network/deaf", "worker-1", "20 ms", "leader-ends", "loss 3"):
        assert part in line
