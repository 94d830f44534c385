"""What must be so in the end: a leader known to all, the replicas asked for, and their routes."""

import pytest

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.messages import Assignment, Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import Expose
from interrex.core.state import Placement, genesis
from interrex.simulator.checkers.caught_up import CaughtUp
from interrex.simulator.checkers.known_leader import KnownLeader
from interrex.simulator.checkers.replicas_ready import ReplicasReady
from interrex.simulator.checkers.routes_end import RoutesEnd
from interrex.simulator.observation import Cause, RoutesFollowed
from interrex.worker.interface import Send

from .histories import (
    BALANCER_0,
    HOST,
    WEB,
    WEB_0,
    WEB_1,
    Core,
    Election,
    Told,
    began,
    cluster,
    ended,
    healed,
    process,
    process_ended,
    refuses,
    show,
    state,
    step,
)

# The leader


def knows(worker: str, leader: str | None) -> Told:
    election = Election(leading=worker == leader, leader=leader)
    return step(worker, core=Core(election=election))


def gives(worker: str) -> Told:
    core = Core(election=Election(leading=True, leader=worker))
    return step(worker, Send(WorkerName("worker-3"), Assignment(1, 1, ())), core=core)


AGREED: dict[str, list[Told]] = {
    "all know it": healed(
        knows("worker-1", "worker-1"), knows("worker-2", "worker-1"), gives("worker-1")
    ),
    "who did not know it is dead": healed(
        knows("worker-1", "worker-1"), knows("worker-2", None), ended("worker-2")
    ),
    "who leads is alone, and sends nobody a command": healed(
        knows("worker-1", "worker-1"), gives("worker-2"), ended("worker-2")
    ),
    "faults have not stopped": [knows("worker-1", None), knows("worker-2", None)],
}

NOT_AGREED: dict[str, tuple[list[Told], str]] = {
    "nobody leads": (healed(knows("worker-1", "worker-2")), "nobody leads"),
    "two lead": (
        healed(knows("worker-1", "worker-1"), knows("worker-2", "worker-2")),
        "'worker-1', 'worker-2'",
    ),
    "one takes another for it": (
        healed(knows("worker-1", "worker-1"), knows("worker-2", "worker-3")),
        "worker-2 takes worker-3 for the leader",
    ),
    "one knows none": (
        healed(knows("worker-1", "worker-1"), knows("worker-2", None)),
        "worker-2 takes None for the leader",
    ),
    "the last command was another's": (
        healed(gives("worker-2"), knows("worker-1", "worker-1"), knows("worker-2", "worker-1")),
        "worker-2 gave the last command",
    ),
}


@pytest.mark.parametrize("history", AGREED.values(), ids=AGREED)
def test_one_leader_that_all_know_is_fine(history: list[Told]) -> None:
    show(KnownLeader(), history)


@pytest.mark.parametrize(("history", "words"), NOT_AGREED.values(), ids=NOT_AGREED)
def test_disagreement_in_the_end_is_seen(history: list[Told], words: str) -> None:
    refuses(KnownLeader(), history, words)


# What the leader has applied


def applied(worker: str, index: int, leader: str = "worker-1") -> Told:
    election = Election(leading=worker == leader, leader=leader)
    return step(worker, core=Core(state=state(index), election=election))


CAUGHT_UP: dict[str, list[Told]] = {
    "all have": healed(applied("worker-1", 7), applied("worker-2", 7)),
    "not at first": healed(applied("worker-1", 7), applied("worker-2", 5), applied("worker-2", 7)),
    "who has not is dead": healed(
        applied("worker-1", 7), applied("worker-2", 5), ended("worker-2")
    ),
    "faults have not stopped": [applied("worker-1", 7), applied("worker-2", 5)],
}


@pytest.mark.parametrize("history", CAUGHT_UP.values(), ids=CAUGHT_UP)
def test_workers_that_have_applied_what_the_leader_has_are_fine(history: list[Told]) -> None:
    show(CaughtUp(), history)


def test_a_worker_that_is_left_behind_is_seen() -> None:
    history = healed(applied("worker-1", 7), applied("worker-2", 5))
    refuses(CaughtUp(), history, "worker-2 has applied all up to 5, the leader up to 7")


# The replicas

OLD_0 = SlotName("old.0")


def replica(
    slot: SlotName,
    pid: int,
    state: ReplicaState = ReplicaState.READY,
    generation: int = 1,
    port: int = 21,
) -> ReplicaReport:
    return ReplicaReport(
        slot=slot,
        state=state,
        generation=generation,
        port=port,
        pid=pid,
        incarnation=1,
        restarts=0,
        crash_looping=False,
        reason="",
        since=0,
    )


def reports(worker: str, *replicas: ReplicaReport, replicas_asked_for: int = 2) -> Told:
    report = Report(HOST, 1, 1, replicas, (), False)
    core = Core(state=genesis(cluster(replicas_asked_for)))
    for slot in (WEB_0, WEB_1, OLD_0):
        name = WorkerName("worker-1")
        core.state.placements[slot] = Placement(slot, name, HOST, 21, 1, 1)
    return step(worker, Send(None, report), core=core)


BOTH: list[Told] = [
    began("worker-1"),
    began("worker-2"),
    process(WEB_0, pid=100),
    process(WEB_1, pid=101),
]
STARTING = ReplicaState.STARTING

ALL_READY: dict[str, list[Told]] = {
    "by two workers": healed(
        *BOTH, reports("worker-1", replica(WEB_0, 100)), reports("worker-2", replica(WEB_1, 101))
    ),
    "not ready at first": healed(
        *BOTH,
        reports("worker-1", replica(WEB_0, 100, STARTING)),
        reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101)),
    ),
    "one died, and another came": healed(
        *BOTH,
        process_ended(Cause.FAULT, WEB_1, pid=101),
        process(WEB_1, pid=102, incarnation=2),
        reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 102)),
    ),
    "faults have not stopped": [*BOTH, reports("worker-1", replica(WEB_0, 100, STARTING))],
}

NOT_READY: dict[str, tuple[list[Told], str]] = {
    "one is not ready": (
        healed(*BOTH, reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101, STARTING))),
        "web.1 runs on local",
    ),
    "one is supervised by nobody": (
        healed(*BOTH, reports("worker-1", replica(WEB_0, 100))),
        "reported is None",
    ),
    "one is said to be another process": (
        healed(*BOTH, reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 999))),
        "web.1 runs on local",
    ),
    "one is said to run, and is dead": (
        healed(
            *BOTH,
            process_ended(Cause.OWN, WEB_1, pid=101),
            reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101)),
        ),
        "does not run",
    ),
    "one is of an older generation": (
        healed(
            *BOTH,
            reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101, generation=0)),
        ),
        "web.1 is ready on local, generation 0",
    ),
    "one has another port": (
        healed(*BOTH, reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101, port=99))),
        "web.1 is ready on local, generation 1, port 99",
    ),
    "one too few": (
        healed(
            *BOTH,
            reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101), replicas_asked_for=3),
        ),
        "3 replicas are asked for",
    ),
    "one too many": (
        healed(
            *BOTH,
            reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101), replicas_asked_for=1),
        ),
        "1 replicas are asked for",
    ),
    "who supervised them is dead": (
        healed(
            *BOTH,
            reports("worker-1", replica(WEB_0, 100), replica(WEB_1, 101)),
            ended("worker-1"),
            reports("worker-2"),
        ),
        "reported is None",
    ),
    "a service that nobody asks for": (
        healed(
            *BOTH,
            process(OLD_0, pid=300),
            reports(
                "worker-1",
                replica(WEB_0, 100),
                replica(WEB_1, 101),
                replica(OLD_0, 300),
            ),
        ),
        "nobody asks for",
    ),
}


@pytest.mark.parametrize("history", ALL_READY.values(), ids=ALL_READY)
def test_the_replicas_asked_for_are_fine(history: list[Told]) -> None:
    show(ReplicasReady(), history)


@pytest.mark.parametrize(("history", "words"), NOT_READY.values(), ids=NOT_READY)
def test_other_replicas_than_those_asked_for_are_seen(history: list[Told], words: str) -> None:
    refuses(ReplicasReady(), history, words)


def test_one_slot_on_two_hosts_is_seen() -> None:
    twice: list[Told] = [
        began("worker-1"),
        began("worker-2", host=HostName("other")),
        process(WEB_0, pid=100),
        process(WEB_0, pid=200, host="other"),
    ]
    told = [reports("worker-1", replica(WEB_0, 100)), reports("worker-2", replica(WEB_0, 200))]
    refuses(ReplicasReady(), healed(*twice, *told), "web.0 is ready on other")


# The routes

EXPOSED = Core(state=genesis(cluster(2, expose=Expose(port=8080))))


def follows(*slots: tuple[SlotName, int], down: tuple[SlotName, int] | None = None) -> Told:
    endpoints = [Endpoint(slot, "127.0.0.1", port, EndpointState.READY) for slot, port in slots]
    if down is not None:
        endpoints.append(Endpoint(down[0], "127.0.0.1", down[1], EndpointState.DOWN))
    route = ServiceRoute(WEB, Expose(port=8080), None, tuple(endpoints))
    return RoutesFollowed(HOST, BALANCER_0, RouteTable(1, 1, (route,)))


FLEET: list[Told] = [
    step("worker-1", core=EXPOSED),
    process(WEB_0, pid=100, port=21),
    process(WEB_1, pid=101, port=22),
    process(BALANCER_0, pid=102, port=0),
]

ROUTED: dict[str, list[Told]] = {
    "exactly those that run": healed(*FLEET, follows((WEB_0, 21), (WEB_1, 22))),
    "at last": healed(*FLEET, follows((WEB_0, 21)), follows((WEB_0, 21), (WEB_1, 22))),
    "one that is down is not sent to": healed(
        *FLEET, follows((WEB_0, 21), (WEB_1, 22), down=(SlotName("web.2"), 23))
    ),
    "a dead balancer routes nothing": healed(
        *FLEET, follows((WEB_0, 99)), process_ended(Cause.FAULT, BALANCER_0, pid=102)
    ),
    "faults have not stopped": [*FLEET, follows((WEB_0, 99))],
}

NOT_ROUTED: dict[str, list[Told]] = {
    "one is missing": healed(*FLEET, follows((WEB_0, 21))),
    "one is down that runs": healed(*FLEET, follows((WEB_0, 21), down=(WEB_1, 22))),
    "one too many": healed(*FLEET, follows((WEB_0, 21), (WEB_1, 22), (SlotName("web.2"), 23))),
    "an old port": healed(*FLEET, follows((WEB_0, 21), (WEB_1, 99))),
    "nothing yet": healed(*FLEET),
    "a new balancer follows nothing yet": healed(
        *FLEET,
        follows((WEB_0, 21), (WEB_1, 22)),
        process_ended(Cause.FAULT, BALANCER_0, pid=102),
        process(BALANCER_0, pid=103, incarnation=2, port=0),
    ),
}


@pytest.mark.parametrize("history", ROUTED.values(), ids=ROUTED)
def test_routes_to_what_runs_are_fine(history: list[Told]) -> None:
    show(RoutesEnd(), history)


@pytest.mark.parametrize("history", NOT_ROUTED.values(), ids=NOT_ROUTED)
def test_routes_to_anything_else_are_seen(history: list[Told]) -> None:
    refuses(RoutesEnd(), history, "balancer.0 on local sends to")
