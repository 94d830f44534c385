"""Of a service one ready slot is replaced at a time, and never one that may be ready unheard."""

import msgspec

from interrex.core.ids import ChangeId, HostName, ServiceName, SlotName, WorkerName
from interrex.core.messages import BalancerReport, Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.spec import ClusterSpec, ServiceSpec
from interrex.core.state import (
    Advance,
    Change,
    ClusterState,
    Operation,
    Outdate,
    Place,
    Placement,
    Remove,
    Service,
    genesis,
)
from interrex.core.state import apply as applied
from interrex.core.time import S
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.rollout import Confirmation, Rollout

HOST = HostName("local")
FIRST, SECOND = WorkerName("worker-1"), WorkerName("worker-2")
WEB_0, WEB_1 = SlotName("web.0"), SlotName("web.1")
OLD, NEW = 1, 2
READY, DRAINED = ReplicaState.READY, (1, 1)


def state(*generations: int) -> ClusterState:
    """web.0 under worker-1 and web.1 under worker-2, both to be brought to the new generation."""
    web = ServiceSpec(name=ServiceName("web"), command=("web",), replicas=2, stop_timeout=3.0)
    made = genesis(ClusterSpec(name="shop", services={web.name: web}))
    places = zip((WEB_0, WEB_1), (FIRST, SECOND), generations, strict=True)
    placed = tuple(
        Place(Placement(slot, worker, HOST, 21000 + n, generation, NEW))
        for n, (slot, worker, generation) in enumerate(places)
    )
    applied(made, Change(ChangeId("c"), 1, placed), 1)
    made.services[web.name] = Service(web, NEW)
    return made


def report(slot: SlotName, of: ReplicaState, unproven: bool = False) -> ReplicaReport:
    return ReplicaReport(slot, of, OLD, 21000, 7, 1, 0, False, "", 0, unproven=unproven)


def fleet(first: ReplicaReport, second: ReplicaReport, *unheard: WorkerName) -> Fleet:
    views = {
        worker: WorkerView(worker, HOST, worker not in unheard, 0, 0, replicas={one.slot: one})
        for worker, one in ((FIRST, first), (SECOND, second))
    }
    return Fleet(FIRST, views, {})


def next_steps(rollout: Rollout, of: ClusterState, seen: Fleet, now: int = 0) -> list[Operation]:
    rollout.choose(of, seen, now)
    return list(rollout.operations(of, seen, Confirmation(of, seen, DRAINED), now))


BOTH = fleet(report(WEB_0, READY), report(WEB_1, READY))


def test_the_first_of_all_that_are_ready_is_replaced() -> None:
    assert next_steps(Rollout(), state(OLD, OLD), BOTH) == [Advance(WEB_0)]


def test_one_that_fails_is_replaced_first() -> None:
    seen = fleet(report(WEB_0, READY), report(WEB_1, ReplicaState.WAITING))
    assert next_steps(Rollout(), state(OLD, OLD), seen) == [Advance(WEB_1)]


def test_a_ready_one_waits_for_one_that_is_being_replaced() -> None:
    seen = fleet(report(WEB_0, ReplicaState.STOPPING), report(WEB_1, READY))
    assert next_steps(Rollout(), state(NEW, OLD), seen) == []


def test_one_whose_worker_is_not_heard_waits_too_as_it_may_be_ready() -> None:
    seen = fleet(report(WEB_0, ReplicaState.STOPPING), report(WEB_1, READY), SECOND)
    assert next_steps(Rollout(), state(NEW, OLD), seen) == []


def test_one_that_is_adopted_and_was_not_asked_yet_waits_too() -> None:
    claimed = report(WEB_1, ReplicaState.CLAIMING, unproven=True)
    seen = fleet(report(WEB_0, ReplicaState.STOPPING), claimed)
    assert next_steps(Rollout(), state(NEW, OLD), seen) == []


def test_a_connection_lost_meanwhile_does_not_end_the_draining() -> None:
    rollout, of = Rollout(), state(OLD, OLD)
    rollout.choose(of, BOTH, 0)
    seen = fleet(report(WEB_0, READY), report(WEB_1, READY), FIRST)
    confirmed = Confirmation(of, seen, DRAINED)
    confirmed.busy.add(WEB_0)
    assert list(rollout.operations(of, seen, confirmed, 2 * S)) == []
    assert list(rollout.operations(of, seen, confirmed, 3 * S)) == [Advance(WEB_0)]


def test_processes_of_a_generation_that_a_merge_has_lost_hold_nobody_back() -> None:
    first = msgspec.structs.replace(report(WEB_0, READY), generation=NEW)
    second = msgspec.structs.replace(report(WEB_1, READY), generation=NEW)
    assert next_steps(Rollout(), state(OLD, OLD), fleet(first, second)) == [Advance(WEB_0)]


def test_what_only_a_lost_side_of_a_merge_asked_for_is_to_be_replaced() -> None:
    """Found by the simulator: it ran on for ever, on the port that the lost side gave it."""
    of = state(NEW, NEW)
    later = msgspec.structs.replace(report(WEB_1, READY), generation=NEW + 3)
    first = msgspec.structs.replace(report(WEB_0, READY), generation=NEW)
    assert next_steps(Rollout(), of, fleet(first, later)) == [Outdate(ServiceName("web"), NEW + 3)]
    gone = msgspec.structs.replace(later, state=ReplicaState.STOPPED)
    assert next_steps(Rollout(), of, fleet(first, gone)) == []


def test_what_a_newer_leader_told_a_balancer_confirms_nothing_to_an_older_one() -> None:
    """Found by the simulator: where each part has a leader, one forgot a slot that another sent
    requests to."""
    of = state(NEW, NEW)
    balancer = SlotName("balancer.0")
    of.placements[balancer] = Placement(balancer, FIRST, HOST, 0, 1, 1)
    assert Confirmation(of, balanced(BalancerReport(balancer, 1, 1)), DRAINED).everywhere
    assert not Confirmation(of, balanced(BalancerReport(balancer, 2, 1)), DRAINED).everywhere


def balanced(followed: BalancerReport) -> Fleet:
    told = Report(HOST, 1, 1, (), (followed,), leaving=False)
    return Fleet(FIRST, {FIRST: WorkerView(FIRST, HOST, True, 0, 0, report=told)}, {})


def test_a_stopped_slot_keeps_its_port_until_every_balancer_has_confirmed() -> None:
    """Until then one may still send to it; who cannot be heard has confirmed nothing."""
    of = state(NEW, NEW)
    of.placements[WEB_1] = msgspec.structs.replace(of.placements[WEB_1], wanted=False)
    for number, worker in enumerate((FIRST, SECOND)):
        slot = SlotName(f"balancer.{number}")
        of.placements[slot] = Placement(slot, worker, HOST, 0, 1, 1)
    stopped = fleet(report(WEB_0, READY), report(WEB_1, ReplicaState.STOPPED))
    assert next_steps(Rollout(), of, followed_by(stopped, 1, 0)) == []
    assert next_steps(Rollout(), of, followed_by(stopped, 1, None)) == []
    assert next_steps(Rollout(), of, followed_by(stopped, 1, 1)) == [Remove(WEB_1)]


def followed_by(seen: Fleet, *versions: int | None) -> Fleet:
    """With a balancer under each worker, which follows this version; None: it is not heard."""
    views = {}
    for number, (version, view) in enumerate(zip(versions, seen.workers.values(), strict=True)):
        followed = BalancerReport(SlotName(f"balancer.{number}"), 1, version or 0)
        told = Report(HOST, 1, 1, (), (followed,), leaving=False)
        views[view.worker] = msgspec.structs.replace(
            view, report=told, connected=version is not None
        )
    return Fleet(FIRST, views, {})
