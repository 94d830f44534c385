"""The schedule of a seed, and whom each fault meets."""

import pytest

from interrex.demo.faults import Fault, Kind, Part, processes_of, schedule, victims
from tests.demo.fleets import whole_fleet


def _fault(kind: Kind, draw: float = 0.5) -> Fault:
    return Fault(kind, pause_s=1, replica=draw, worker=draw, balancer=draw, absent_s=1)


def test_a_seed_always_tells_the_same_story() -> None:
    assert schedule(7) == schedule(7)
    assert schedule(7) != schedule(8)


@pytest.mark.parametrize("seed", range(50))
def test_every_story_has_every_kind_of_fault_in_order(seed: int) -> None:
    faults = schedule(seed)
    assert [fault.kind for fault in faults] == list(Kind)
    assert all(0.8 <= fault.pause_s <= 2.0 for fault in faults)


def test_pace_changes_the_pauses_and_nothing_else() -> None:
    for slow, fast in zip(schedule(3), schedule(3, pace=0.5), strict=True):
        assert fast.pause_s == pytest.approx(slow.pause_s / 2, abs=0.001)
        assert (fast.kind, fast.replica, fast.worker) == (slow.kind, slow.replica, slow.worker)


def test_a_status_names_every_live_process() -> None:
    status = whole_fleet()
    status.workers[0].pid = None
    found = processes_of(status)
    assert sorted(found) == [
        "balancer.0", "balancer.1", "shop.0", "shop.1", "shop.2", "worker-2", "worker-3",
    ]  # fmt: skip
    assert found["worker-2"].leads
    assert found["shop.1"].pid == 21


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (Kind.REPLICA, [Part.REPLICA]),
        (Kind.WORKER, [Part.WORKER]),
        (Kind.LEADER, [Part.WORKER]),
        (Kind.BALANCER, [Part.BALANCER]),
        (Kind.LEADER_AND_REPLICA, [Part.WORKER, Part.REPLICA]),
        (Kind.TWO_WORKERS, [Part.WORKER] * 2),
        (Kind.ALL_WORKERS, [Part.WORKER] * 3),
    ],
)
@pytest.mark.parametrize("draw", [0.0, 0.4, 0.999999])
def test_each_fault_meets_what_it_is_called_after(
    kind: Kind, parts: list[Part], draw: float
) -> None:
    assert [p.part for p in victims(_fault(kind, draw), whole_fleet())] == parts


def test_the_leader_is_killed_when_it_is_meant_and_spared_when_a_worker_is() -> None:
    for draw in (0.0, 0.5, 0.9):
        (worker,) = victims(_fault(Kind.WORKER, draw), whole_fleet())
        assert not worker.leads
        (leader,) = victims(_fault(Kind.LEADER, draw), whole_fleet())
        assert leader.name == "worker-2"


def test_two_workers_are_with_or_without_the_leader() -> None:
    stories = [
        {process.name for process in victims(_fault(Kind.TWO_WORKERS, draw), whole_fleet())}
        for draw in (0.0, 0.5, 0.9)
    ]
    assert stories == [{"worker-2", "worker-3"}, {"worker-1", "worker-3"}, {"worker-1", "worker-2"}]
