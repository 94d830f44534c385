"""Every named scenario keeps every promise, and what it says must come of it does."""

import re
from pathlib import Path

import pytest

from interrex.simulator.faults.catalogue import kind_of
from interrex.simulator.plan import decode_plan, encode_plan
from interrex.simulator.scenarios.account import Account, Reign
from interrex.simulator.scenarios.catalogue import SCENARIOS
from interrex.simulator.scenarios.expectations import elections, given_up_within, taken_over_within
from interrex.simulator.scenarios.scenario import Scenario, Tale, plan_of, run_scenario

SEEDS = (1, 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_what_must_come_of_it_does(scenario: Scenario, seed: int) -> None:
    outcome, _ = run_scenario(scenario, seed)
    assert outcome.broken is None, f"{outcome.broken.promise}: {outcome.broken.text}"


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_its_faults_happen(scenario: Scenario) -> None:
    plan = plan_of(scenario, 1)
    outcome, _ = run_scenario(scenario, 1)
    planned = {f"{fault.kind}/{fault.name}" for fault in plan.faults}
    assert set(outcome.faults) == planned
    assert all(kind_of(fault) for fault in plan.faults)


def test_a_scenarios_plan_is_plain_data() -> None:
    for scenario in SCENARIOS.values():
        plan = plan_of(scenario, 3)
        assert decode_plan(encode_plan(plan)) == plan


def test_the_document_tells_of_every_scenario_as_it_is() -> None:
    document = Path(__file__).parents[3] / "docs" / "simulator.md"
    lines = document.read_text(encoding="utf-8").splitlines()
    for one in SCENARIOS.values():
        assert f"| `{one.name}` | {one.what} | {one.must} | {one.settles} |" in lines


def test_the_document_says_which_fault_each_scenario_shows() -> None:
    root = Path(__file__).parents[3]
    document = (root / "docs" / "simulator.md").read_text(encoding="utf-8")
    table = document.partition("### Which fault is shown by what")[2].partition("\n## ")[0]
    words = re.findall(r"`([^`]+)`", table)
    files = [word for word in words if "/" in word]
    assert set(words) - set(files) == set(SCENARIOS)
    for file in files:
        assert (root / file).exists() or (root / "src" / "interrex" / file).exists(), file


def _tale(*reigns: Reign) -> Tale:
    account = Account()
    account.reigns.extend(reigns)
    account.healed = 5000
    return Tale(account, 1000, 100)


def _reign(worker: str, epoch: int, began: int, ended: int | None = None) -> Reign:
    return Reign(worker, epoch, began, ended)  # type: ignore[arg-type]


def test_a_late_take_over_is_told() -> None:
    tale = _tale(_reign("worker-1", 1, 10, 1050), _reign("worker-2", 2, 1350))
    assert taken_over_within(4)(tale) == ""
    assert "after 3.5 election time-outs" in taken_over_within(3)(tale)
    assert given_up_within(1)(tale) == ""
    assert elections(1, 1)(tale) == ""
    assert "worker-2 in epoch 2" in elections(0, 0)(tale)


def test_a_leader_that_leads_on_is_told() -> None:
    tale = _tale(_reign("worker-1", 1, 10))
    assert given_up_within(1)(tale) == "worker-1 leads on"
    assert taken_over_within(4)(tale) == "nobody took over"
