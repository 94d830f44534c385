"""A world in which time stands still is a finding, and the search for it comes to an end."""

import pytest

from interrex.core.time import MS, S
from interrex.simulator.agenda import AT_ONE_INSTANT, Agenda, StandsStill
from interrex.simulator.faults.drawing import draw_plan
from interrex.simulator.run import STANDS_STILL, replay
from interrex.simulator.shrinking import shrink
from interrex.worker.worker import Worker


def test_an_agenda_on_which_something_asks_for_itself_at_once_comes_to_an_end() -> None:
    agenda = Agenda()

    def again() -> None:
        agenda.after(0, again)

    agenda.after(MS, again)
    with pytest.raises(StandsStill, match=f"at {MS} ns"):
        agenda.run_until(S)


def test_much_at_one_instant_is_no_standing_still() -> None:
    agenda = Agenda()
    for _ in range(AT_ONE_INSTANT):
        agenda.after(MS, int)
    agenda.run_until(S)
    assert agenda.done == AT_ONE_INSTANT


def test_a_core_that_asks_to_be_woken_at_once_for_ever_is_found_and_shrunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Worker._next_wake_up

    def restless(core: Worker) -> int | None:
        return 3 * S if core.me == "worker-2" else original(core)

    monkeypatch.setattr(Worker, "_next_wake_up", restless)
    plan = draw_plan(None, 1, 4 * S, ("network", "processes"))

    def broken_at(candidate: object) -> int | None:
        outcome = replay(candidate)  # type: ignore[arg-type]
        stands = outcome.broken is not None and outcome.broken.promise == STANDS_STILL
        return outcome.until if stands else None

    assert broken_at(plan) is not None
    shrunk = shrink(plan, broken_at, lambda trials: trials < 5)
    assert broken_at(shrunk.plan) is not None
    assert len(shrunk.plan.faults) <= 1
