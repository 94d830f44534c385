"""Of a service one ready slot is replaced at a time, and never one that may be ready unheard."""

import msgspec
import pytest

from interrex.core.ids import ChangeId, HostName, ServiceName, SlotName, WorkerName
from interrex.core.messages import BalancerReport, Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.spec import ClusterSpec, ServiceSpec
from interrex.core.state import (
    Advance,
    BarPort,
    BarredPort,
    Change,
    ClusterState,
    Evict,
    ForgetEvicted,
    FreePort,
    Operation,
    Outdate,
    Place,
    Placement,
    Remove,
    Service,
    genesis,
    port_of,
)
from interrex.core.state import apply as applied
from interrex.core.time import S, seconds
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.rollout import MOST_BARRED, Confirmation, Rollout

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
    return ReplicaReport(slot, of, OLD, 21000, 7, 1, 0, False, "", 0, unproven=unproven, asked=OLD)


def fleet(first: ReplicaReport, second: ReplicaReport, *unheard: WorkerName) -> Fleet:
    views = {
        worker: WorkerView(worker, HOST, worker not in unheard, 0, 0, replicas={one.slot: one})
        for worker, one in ((FIRST, first), (SECOND, second))
    }
    return Fleet(FIRST, views, {})


def next_steps(rollout: Rollout, of: ClusterState, seen: Fleet, now: int = 0) -> list[Operation]:
    rollout.choose(of, seen, now)
    return list(rollout.operations(of, seen, Confirmation(of, seen, DRAINED, now), now))


BOTH = fleet(report(WEB_0, READY), report(WEB_1, READY))


def test_the_first_of_all_that_are_ready_is_replaced() -> None:
    assert next_steps(Rollout(), state(OLD, OLD), BOTH) == [Advance(WEB_0)]


def test_one_that_fails_is_replaced_first() -> None:
    seen = fleet(report(WEB_0, READY), report(WEB_1, ReplicaState.WAITING))
    assert next_steps(Rollout(), state(OLD, OLD), seen) == [Advance(WEB_1)]


def test_one_that_fails_waits_until_the_workers_of_the_others_have_heard_what_to_run() -> None:
    """Found by the simulator: two slots recovered before their worker heard that both are to be
    replaced, and were stopped at once."""
    failing = report(WEB_1, ReplicaState.WAITING)
    unheard = fleet(report(WEB_0, READY), failing)
    assert next_steps(Rollout(), state(NEW, OLD), unheard) == []
    away = fleet(report(WEB_0, READY), failing, FIRST)
    assert next_steps(Rollout(), state(NEW, OLD), away) == []
    heard = msgspec.structs.replace(report(WEB_0, ReplicaState.STOPPING), asked=NEW)
    assert next_steps(Rollout(), state(NEW, OLD), fleet(heard, failing)) == [Advance(WEB_1)]


def test_one_that_fails_waits_for_nobody_whose_host_is_lost() -> None:
    """A balancer keeps its place on a host that never comes back."""
    failing = report(WEB_1, ReplicaState.WAITING)
    of, lost = state(NEW, OLD), HostName("lost")
    of.placements[WEB_0] = msgspec.structs.replace(of.placements[WEB_0], host=lost)
    seen = fleet(report(WEB_0, READY), failing, FIRST)
    seen.workers[FIRST] = msgspec.structs.replace(seen.workers[FIRST], host=lost)
    patience = seconds(of.spec.timing.lost_host)
    assert next_steps(Rollout(), of, seen, patience - 1) == []
    assert next_steps(Rollout(), of, seen, patience) == [Advance(WEB_1)]


def test_one_that_fails_does_not_wait_for_a_worker_that_does_not_say_what_it_has_heard() -> None:
    """One of an earlier version: its report may never show it, as where the start fails."""
    silent = msgspec.structs.replace(report(WEB_0, ReplicaState.BLOCKED), asked=None)
    seen = fleet(silent, report(WEB_1, ReplicaState.WAITING))
    assert next_steps(Rollout(), state(NEW, OLD), seen) == [Advance(WEB_1)]


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
    confirmed = Confirmation(of, seen, DRAINED, 0)
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
    assert Confirmation(of, balanced(BalancerReport(balancer, 1, 1)), DRAINED, 0).everywhere
    assert not Confirmation(of, balanced(BalancerReport(balancer, 2, 1)), DRAINED, 0).everywhere


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


LONG = 10 * S
"""A host that nobody has heard of for so long is lost."""


def lost_balancer(of: ClusterState, evicted: bool) -> None:
    """web.1 stops for good, and of two balancers one is on a host that goes."""
    of.placements[WEB_1] = msgspec.structs.replace(of.placements[WEB_1], wanted=False)
    near = Placement(SlotName("balancer.0"), FIRST, HOST, 0, 1, 1)
    far = Placement(SlotName("balancer.1"), FAR_WORKER, FAR, 0, 1, 1)
    of.workers[FAR_WORKER] = FAR
    of.placements |= {near.slot: near, far.slot: far}
    if evicted:
        applied(of, Change(ChangeId("evicted"), 1, (Evict(far.slot),)), 2)


FAR, FAR_WORKER = HostName("far"), WorkerName("far-1")


def with_the_far_host(seen: Fleet, followed: int | None = None, *stopped: SlotName) -> Fleet:
    """``followed``: the version that its balancer follows; None where nobody there is heard."""
    told = Report(FAR, 1, 1, (), (BalancerReport(SlotName("balancer.1"), 1, followed or 0),), False)
    here = Report(HOST, 1, 1, (), (BalancerReport(SlotName("balancer.0"), 1, 1),), False)
    replicas = {slot: report(slot, ReplicaState.STOPPED) for slot in stopped}
    far = WorkerView(FAR_WORKER, FAR, followed is not None, 0, 0, None, told, replicas)
    near = msgspec.structs.replace(seen.workers[FIRST], report=here)
    return Fleet(FIRST, {**seen.workers, FIRST: near, FAR_WORKER: far}, {})


STOPPED_1 = fleet(report(WEB_0, READY), report(WEB_1, ReplicaState.STOPPED))


@pytest.mark.parametrize("evicted", [False, True])
def test_a_lost_hosts_balancer_keeps_no_slot_but_its_port(evicted: bool) -> None:
    """Found by the simulator: one machine that never came back kept every slot that was scaled
    away, and so another host from being left."""
    of = state(NEW, NEW)
    lost_balancer(of, evicted)
    away = with_the_far_host(STOPPED_1)
    assert next_steps(Rollout(), of, away, LONG - 1) == []
    bar = BarPort(port_of(of.placements[WEB_1]))
    assert next_steps(Rollout(), of, away, LONG) == [bar, Remove(WEB_1)]


@pytest.mark.parametrize("evicted", [False, True])
def test_a_barred_port_is_free_once_the_lost_balancer_has_confirmed(evicted: bool) -> None:
    of = state(NEW, NEW)
    lost_balancer(of, evicted)
    port = port_of(of.placements[WEB_1])
    applied(of, Change(ChangeId("barred"), 1, (BarPort(port), Remove(WEB_1))), 3)
    seen = fleet(report(WEB_0, READY), report(WEB_0, READY))
    assert next_steps(Rollout(), of, with_the_far_host(seen), LONG) == []
    assert next_steps(Rollout(), of, with_the_far_host(seen, 0), LONG) == []
    assert next_steps(Rollout(), of, with_the_far_host(seen, 1), LONG) == [FreePort(port)]


def test_an_evicted_balancer_that_has_stopped_is_forgotten_and_frees_what_was_barred() -> None:
    of = state(NEW, NEW)
    lost_balancer(of, evicted=True)
    port = port_of(of.placements[WEB_1])
    applied(of, Change(ChangeId("barred"), 1, (BarPort(port), Remove(WEB_1))), 3)
    seen = fleet(report(WEB_0, READY), report(WEB_0, READY))
    balancer = SlotName("balancer.1")
    back = with_the_far_host(seen, 0, balancer)
    assert next_steps(Rollout(), of, back) == [ForgetEvicted(balancer, FAR), FreePort(port)]


def test_an_evicted_slot_keeps_its_port_until_every_balancer_has_confirmed() -> None:
    """That of the host that came back may still send to it by what it was told before."""
    of = state(NEW, NEW)
    lost_balancer(of, evicted=False)
    of.placements[WEB_1] = msgspec.structs.replace(of.placements[WEB_1], wanted=True)
    gone = Placement(SlotName("web.2"), FAR_WORKER, FAR, 21000, 1, 1)
    applied(of, Change(ChangeId("gone"), 1, (Place(gone), Evict(gone.slot))), 3)
    assert next_steps(Rollout(), of, with_the_far_host(BOTH, 0, gone.slot), LONG) == []
    forget = ForgetEvicted(gone.slot, FAR)
    assert next_steps(Rollout(), of, with_the_far_host(BOTH, 1, gone.slot), LONG) == [forget]


def test_when_enough_ports_are_barred_slots_wait_for_the_lost_host() -> None:
    of = state(NEW, NEW)
    lost_balancer(of, evicted=True)
    of.barred = tuple(BarredPort(FAR, port, ServiceName("web")) for port in range(MOST_BARRED))
    assert next_steps(Rollout(), of, with_the_far_host(STOPPED_1), LONG) == []


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
