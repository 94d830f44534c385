"""Killing workers and replacing replicas, seen from outside."""

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.messages import Alive, Assignment, Report, encode
from interrex.core.replicas import ReplicaReport, ReplicaState, SlotAssignment
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import Expose, HostSpec, ServiceSpec
from interrex.core.state import BarredPort, Placement
from interrex.core.time import S
from interrex.simulator.checkers.leaving import Leaving
from interrex.simulator.checkers.removals import Removals, RemovalsApart
from interrex.simulator.checkers.rollouts import Rollouts
from interrex.simulator.checkers.silence import Silence
from interrex.simulator.observation import Cause, RoutesFollowed, Step
from interrex.supervision.interface import Release
from interrex.worker.interface import EndWorker, Leave, LeaveAsked, MessageReceived, Send

from .histories import (
    BALANCER_0,
    HOST,
    WEB,
    WEB_0,
    WEB_1,
    Core,
    Election,
    Told,
    ended,
    process,
    process_ended,
    refuses,
    show,
    state,
    step,
    three,
)

# Silence

HALF = S
"""Half of the time after which a worker counts as silent."""


def hears(worker: str, sender: str, now: int) -> Told:
    event = MessageReceived(WorkerName(sender), encode(Alive(1)))
    return step(worker, event=event, now=now)


def kills(worker: str, other: str, now: int) -> Told:
    return step(worker, EndWorker(WorkerName(other)), now=now)


def runs(worker: str, until: int) -> list[Told]:
    return [step(worker, now=now) for now in range(0, until, HALF // 2)]


def test_who_was_not_heard_may_be_killed() -> None:
    history = [hears("worker-1", "worker-2", 0), *runs("worker-1", 3 * HALF)]
    show(Silence(), [*three(), *history, kills("worker-1", "worker-2", 3 * HALF)])


def test_killing_who_was_just_heard_is_seen() -> None:
    history = [*runs("worker-1", 3 * HALF), hears("worker-1", "worker-2", 3 * HALF)]
    killed = kills("worker-1", "worker-2", 3 * HALF + 1)
    refuses(Silence(), [*three(), *history, killed], "worker-1 kills worker-2")


def test_killing_by_one_who_was_stopped_itself_is_seen() -> None:
    history = [hears("worker-1", "worker-2", 0), kills("worker-1", "worker-2", 9 * HALF)]
    refuses(Silence(), [*three(), *history], "listens since 9000000000")


# Rollouts


def replica(slot: SlotName, state: ReplicaState, since: int, reason: str = "") -> ReplicaReport:
    return ReplicaReport(slot, state, 1, 21000, 100, 1, 0, False, reason, since)


def reports(worker: str, *replicas: ReplicaReport) -> Told:
    return step(worker, Send(None, Report(HOST, 1, 1, replicas, (), False)))


def ready(slot: SlotName, since: int = 0) -> ReplicaReport:
    return replica(slot, ReplicaState.READY, since)


def replaced(slot: SlotName, since: int = 9 * S) -> ReplicaReport:
    return replica(slot, ReplicaState.STOPPING, since, "replaced by generation 2")


BOTH_READY = [reports("worker-1", ready(WEB_0)), reports("worker-2", ready(WEB_1))]


def test_one_slot_after_another_is_replaced() -> None:
    history = [
        *BOTH_READY,
        reports("worker-1", replaced(WEB_0)),
        reports("worker-1", ready(WEB_0, since=10 * S)),
        reports("worker-2", replaced(WEB_1, since=11 * S)),
    ]
    show(Rollouts(), [*three(), *history])


def test_a_slot_whose_worker_died_is_not_waited_for() -> None:
    history = [*BOTH_READY, reports("worker-1", replaced(WEB_0)), ended("worker-1")]
    show(Rollouts(), [*three(), *history, reports("worker-2", replaced(WEB_1))])


def test_a_slot_that_is_scaled_away_while_it_is_replaced_is_not_waited_for() -> None:
    away = replica(WEB_0, ReplicaState.STOPPING, 10 * S, "not wanted any more")
    starts = reports("worker-1", replica(WEB_0, ReplicaState.STARTING, 9 * S))
    history = [*BOTH_READY, reports("worker-1", replaced(WEB_0)), starts, reports("worker-1", away)]
    show(Rollouts(), [*three(), *history, reports("worker-2", replaced(WEB_1, since=11 * S))])


def test_a_slot_that_is_not_wanted_any_more_as_it_is_replaced_is_not_waited_for() -> None:
    web = ServiceSpec(name=WEB, command=("web",))
    told = Assignment(1, 2, (SlotAssignment(WEB_0, web, 21000, 2, False),))
    history = [*BOTH_READY, reports("worker-1", replaced(WEB_0))]
    away = step("worker-3", Send(WorkerName("worker-1"), told))
    show(Rollouts(), [*three(), *history, away, reports("worker-2", replaced(WEB_1))])


def test_a_slot_that_is_ready_under_another_worker_is_not_waited_for() -> None:
    history = [
        *BOTH_READY,
        reports("worker-1", replaced(WEB_0)),
        reports("worker-3", ready(WEB_0, since=10 * S)),
    ]
    show(Rollouts(), [*three(), *history, reports("worker-2", replaced(WEB_1, since=11 * S))])


def test_a_slot_that_was_hardly_ready_may_be_replaced_too() -> None:
    history = [
        reports("worker-1", ready(WEB_0)),
        reports("worker-2", ready(WEB_1, since=8 * S)),
        reports("worker-1", replaced(WEB_0)),
        reports("worker-2", replaced(WEB_1)),
    ]
    show(Rollouts(), [*three(), *history])


def test_two_ready_slots_replaced_at_once_are_seen() -> None:
    history = [*BOTH_READY, reports("worker-1", replaced(WEB_0))]
    refuses(
        Rollouts(),
        [*three(), *history, reports("worker-2", replaced(WEB_1))],
        "stops web.1 to replace it, while web.0 is being replaced",
    )


# Leaving

ASKED = [*three(), process(), step("worker-1", event=LeaveAsked(1))]
LEAVES = step("worker-1", Leave("asked to stop"))


def test_who_has_stopped_everything_may_leave() -> None:
    show(Leaving(), [*ASKED, process_ended(Cause.SIGNAL), LEAVES])


def test_what_was_released_is_not_left_running() -> None:
    show(Leaving(), [*ASKED, step("worker-1", Release(WEB_0)), LEAVES])


def test_leaving_something_running_is_seen() -> None:
    refuses(Leaving(), [*ASKED, LEAVES], "worker-1 leaves, and web.0 runs on")


def test_what_an_earlier_life_left_running_is_not_its_own() -> None:
    again = step("worker-1", event=LeaveAsked(1), life=9)
    leaves = step("worker-1", Leave("asked to stop"), life=9)
    show(Leaving(), [*three(), process(), ended("worker-1"), again, leaves])


# Removals


PORTS = {WEB_0: 21000, WEB_1: 21001}
FAR = HostName("far")


def placed(index: int, *slots: SlotName, barred: SlotName | None = None) -> Told:
    """A worker whose state has come to an index, where these slots are placed."""
    now = state(index)
    now.placements = {
        slot: Placement(slot, WorkerName("worker-1"), HOST, PORTS[slot], 1, 1) for slot in slots
    }
    now.barred = (BarredPort(HOST, PORTS[barred], WEB),) if barred is not None else ()
    now.departing = (HostSpec(name=HOST, address="10.0.0.1:7000"),)
    return step("worker-1", core=Core(state=now))


def follows(
    *slots: SlotName,
    state: EndpointState = EndpointState.READY,
    address: str = "127.0.0.1",
    on: HostName = HOST,
) -> Told:
    """A balancer follows a table that names these slots."""
    endpoints = tuple(Endpoint(slot, address, PORTS[slot], state) for slot in slots)
    routes = (ServiceRoute(WEB, Expose(port=8080), None, endpoints),)
    return RoutesFollowed(on, BALANCER_0, RouteTable(1, 1, routes))


PLACED = [placed(1, WEB_0, WEB_1), follows(WEB_0, WEB_1)]
FREED = f"port {PORTS[WEB_1]} of {HOST}, which web had, is free at 2, and balancer.0"


def test_a_port_is_free_when_the_balancer_follows_routes_without_it() -> None:
    show(Removals(), [*PLACED, follows(WEB_0), placed(2, WEB_0)])


def test_a_port_that_gets_no_requests_may_be_free() -> None:
    show(Removals(), [*PLACED, follows(WEB_1, state=EndpointState.DOWN), placed(2, WEB_0)])


def test_a_balancer_that_ended_sends_nowhere() -> None:
    ended = process_ended(Cause.FAULT, slot=BALANCER_0)
    show(Removals(), [*PLACED, ended, placed(2, WEB_0)])


def test_a_port_that_is_free_while_a_balancer_sends_there_is_seen() -> None:
    refuses(Removals(), [*PLACED, placed(2, WEB_0)], FREED)


def test_a_slot_may_be_forgotten_whose_port_is_barred_until_no_balancer_sends_there() -> None:
    barred = [*PLACED, placed(2, WEB_0, barred=WEB_1)]
    show(Removals(), [*barred, follows(WEB_0), placed(3, WEB_0)])
    refuses(Removals(), [*barred, placed(3, WEB_0)], FREED.replace("at 2", "at 3"))


def test_what_a_balancer_of_another_host_sends_there_is_seen_by_the_address() -> None:
    far = follows(WEB_1, address="10.0.0.1", on=FAR)
    refuses(Removals(), [placed(1, WEB_0, WEB_1), far, placed(2, WEB_0)], f"{BALANCER_0} on {FAR}")
    its_own = follows(WEB_1, on=FAR)
    show(Removals(), [placed(1, WEB_0, WEB_1), its_own, placed(2, WEB_0)])


def leads(index: int, epoch: int, *slots: SlotName) -> Told:
    """The same of a worker that leads."""
    told = placed(index, *slots)
    assert isinstance(told, Step)
    election = Election(leading=True, epoch=epoch)
    return step("worker-1", core=Core(told.core.state, election))


def test_a_leader_that_frees_a_port_its_balancer_sends_to_is_seen_in_each_part() -> None:
    history = [leads(1, 1, WEB_0, WEB_1), follows(WEB_0, WEB_1), leads(2, 1, WEB_0)]
    refuses(RemovalsApart(), history, FREED)


def test_what_a_merge_takes_from_the_state_no_leader_has_freed() -> None:
    merged = [leads(1, 1, WEB_0, WEB_1), follows(WEB_0, WEB_1), placed(2, WEB_0)]
    show(RemovalsApart(), [*merged, leads(2, 2, WEB_0), leads(3, 2, WEB_0)])


def test_a_balancer_that_follows_a_newer_leader_is_another_parts() -> None:
    history = [leads(1, 0, WEB_0, WEB_1), follows(WEB_0, WEB_1), leads(2, 0, WEB_0)]
    show(RemovalsApart(), history)
