"""What a run comes to in numbers, counted in runs whose faults are known."""

from interrex.core.time import MS, S
from interrex.simulator.checkers.watch import Panel
from interrex.simulator.faults.drawing import usual_spec
from interrex.simulator.plan import Conditions, Fault, FaultPlan
from interrex.simulator.report import html_report
from interrex.simulator.run import Outcome, replay
from interrex.simulator.statistics import Numbers, Statistics
from interrex.simulator.summary import Summary, distribution
from interrex.simulator.timeline import Timeline


def plan_with(*faults: Fault) -> FaultPlan:
    return FaultPlan(
        seed=1, spec=usual_spec(), conditions=Conditions(), duration=6 * S, faults=faults
    )


def run(*faults: Fault) -> tuple[Outcome, Numbers, Timeline]:
    statistics, timeline = Statistics(), Timeline()
    outcome = replay(plan_with(*faults), [Panel([statistics, timeline])])
    assert outcome.broken is None, outcome.broken
    return outcome, statistics.numbers(outcome.until), timeline


LEADER_KILLED = Fault(number=1, kind="processes", name="kill", at=4 * S, targets=("leader",))


def test_a_quiet_fleet_elects_once_and_loses_nobody() -> None:
    outcome, numbers, timeline = run()
    assert numbers.elections == 1
    assert numbers.failovers == ()
    assert numbers.longest_gap == 0
    assert (numbers.split_windows, numbers.restarts) == (0, 0)
    assert numbers.starts == len(timeline.slots) >= 9
    assert outcome.converged_in is not None


def test_a_leaders_death_is_split_into_its_phases() -> None:
    _, numbers, timeline = run(LEADER_KILLED)
    (failover,) = numbers.failovers
    assert failover.at == 4 * S
    phases = [failover.detect, failover.elect, failover.act, failover.route]
    times = [phase for phase in phases if phase is not None]
    assert len(times) == 4
    assert times == sorted(times)
    assert 0 < times[0] < times[1] < 100 * MS
    assert numbers.elections == 2
    assert numbers.longest_gap == failover.elect
    assert numbers.restarts == 0
    (led, *_) = timeline.leading[failover.leader]
    assert led.ended == 4 * S


def test_a_summary_adds_runs_up_and_makes_a_page_of_them() -> None:
    summary = Summary()
    outcome, numbers, timeline = run(LEADER_KILLED)
    for seed in (1, 2):
        counts = (outcome.events, outcome.steps, outcome.messages)
        summary.add(seed, numbers, outcome.faults, outcome.until, counts, outcome.converged_in)
    assert summary.runs == 2
    assert summary.elections == 4
    assert summary.faults == {"processes/kill": 2}
    assert summary.families()["processes"] == 2
    assert "processes/stop" in summary.unseen(["processes"])
    page = html_report(summary, timeline, outcome)
    assert page.count("<svg") == page.count("</svg>") == 2
    for word in ("worker-3", "web.1", "processes", "Every promise was kept", "epoch 1"):
        assert word in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_a_distribution_names_the_worst() -> None:
    assert distribution([]) is None
    found = distribution(list(range(1, 101)))
    assert found is not None
    assert (found.count, found.p50, found.p90, found.worst) == (100, 51, 91, 100)
