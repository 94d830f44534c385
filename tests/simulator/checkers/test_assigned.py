"""Only what is assigned is started, and a port belongs to one slot."""

import pytest

from interrex.core.ids import HostName, ServiceName, SlotName, WorkerName
from interrex.core.messages import Assignment, encode
from interrex.core.replicas import SlotAssignment
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import Expose
from interrex.core.state import BarredPort, ClusterState, Placement, port_of
from interrex.core.storage import SetFact, Stored
from interrex.elections.interface import Persist
from interrex.simulator.checkers.assigned import Assigned
from interrex.simulator.checkers.ports import Ports
from interrex.simulator.observation import RoutesFollowed
from interrex.supervision.interface import Claim, Spawn

from .histories import (
    BALANCER_0,
    HOST,
    WEB_0,
    WEB_1,
    Core,
    Told,
    began,
    refuses,
    service,
    show,
    state,
    step,
    written,
)


def fact(slot: SlotName = WEB_0, generation: int = 1, wanted: bool = True) -> SetFact:
    assignment = SlotAssignment(slot, service(), 21, generation, wanted)
    return SetFact("assignment", encode(Assignment(1, 1, (assignment,))))


def claims(slot: SlotName = WEB_0, worker: str = "worker-1") -> Told:
    return step(worker, Claim(slot))


def starts(generation: int = 1, port: int = 21) -> Told:
    return step("worker-1", Spawn(WEB_0, 1, generation, 1, port, service()))


ASSIGNED: dict[str, list[Told]] = {
    "after it is on disk": [written("worker-1", fact()), claims(), starts()],
    "found on disk": [began("worker-1", stored=Stored({"assignment": fact().value})), starts()],
    "an older one, obeyed late": [
        written("worker-1", fact()),
        written("worker-1", fact(generation=2)),
        starts(generation=1),
        starts(generation=2),
    ],
    "claimed to be stopped": [written("worker-1", fact(wanted=False)), claims()],
}

UNASSIGNED: dict[str, list[Told]] = {
    "never assigned": [claims()],
    "handed out, not on disk yet": [step("worker-1", Persist(1, (fact(),))), claims()],
    "another slot": [written("worker-1", fact()), claims(WEB_1)],
    "another worker's": [written("worker-1", fact()), claims(worker="worker-2")],
    "another generation": [written("worker-1", fact()), starts(generation=2)],
    "another port": [written("worker-1", fact()), starts(port=22)],
    "to be stopped": [written("worker-1", fact(wanted=False)), starts()],
}


@pytest.mark.parametrize("history", ASSIGNED.values(), ids=ASSIGNED)
def test_starting_what_is_assigned_is_fine(history: list[Told]) -> None:
    show(Assigned(), history)


@pytest.mark.parametrize("history", UNASSIGNED.values(), ids=UNASSIGNED)
def test_starting_anything_else_is_seen(history: list[Told]) -> None:
    refuses(Assigned(), history, "not assigned")


def placed(slot: SlotName, port: int, host: str = HOST) -> Placement:
    return Placement(slot, WorkerName("worker-1"), HostName(host), port, 1, 1)


def with_slots(
    index: int,
    *placements: Placement,
    evicted: tuple[Placement, ...] = (),
    barred: tuple[BarredPort, ...] = (),
) -> Told:
    made: ClusterState = state(index)
    made.placements = {placement.slot: placement for placement in placements}
    made.evicted = evicted
    made.barred = barred
    return step("worker-1", core=Core(state=made))


APART: dict[str, list[Told]] = {
    "a port each": [with_slots(1, placed(WEB_0, 21), placed(WEB_1, 22))],
    "a host each": [with_slots(1, placed(WEB_0, 21), placed(WEB_1, 21, "other"))],
    "given away later": [with_slots(1, placed(WEB_0, 21)), with_slots(2, placed(WEB_1, 21))],
    "a balancer has none": [with_slots(1, placed(BALANCER_0, 0), placed(WEB_1, 22))],
    "barred, and of the same service": [
        with_slots(1, placed(WEB_0, 21), barred=(port_of(placed(WEB_1, 21)),))
    ],
    "evicted, and back on its old port": [
        with_slots(1, placed(WEB_0, 21), evicted=(placed(WEB_0, 21),))
    ],
}

SHARED: dict[str, list[Told]] = {
    "two slots": [with_slots(1, placed(WEB_0, 21), placed(WEB_1, 21))],
    "one of them evicted": [with_slots(1, placed(WEB_0, 21), evicted=(placed(WEB_1, 21),))],
    "later": [
        with_slots(1, placed(WEB_0, 21), placed(WEB_1, 22)),
        with_slots(2, placed(WEB_0, 21), placed(WEB_1, 21)),
    ],
}


@pytest.mark.parametrize("history", APART.values(), ids=APART)
def test_a_port_for_each_slot_is_fine(history: list[Told]) -> None:
    show(Ports(), history)


@pytest.mark.parametrize("history", SHARED.values(), ids=SHARED)
def test_a_port_of_two_slots_is_seen(history: list[Told]) -> None:
    refuses(Ports(), history, "port 21 of local belongs to")


def test_a_barred_port_that_another_service_gets_is_seen() -> None:
    barred = (BarredPort(HostName(HOST), 21, ServiceName("api")),)
    refuses(Ports(), [with_slots(1, placed(WEB_0, 21), barred=barred)], "is barred but for api")


def test_routes_that_send_two_slots_requests_to_one_port_are_seen() -> None:
    """Found so: other hosts' balancers were told that a host that was being left is they."""
    ends = tuple(Endpoint(slot, "127.0.0.1", 21, EndpointState.READY) for slot in (WEB_0, WEB_1))
    routes = (ServiceRoute(ServiceName("web"), Expose(port=8080), None, ends),)
    followed = RoutesFollowed(HostName(HOST), BALANCER_0, RouteTable(1, 1, routes))
    refuses(Ports(), [followed], "to port 21 of 127.0.0.1")
