"""Balancers send to what is ready, soon after it is, and to nothing else for long."""

from typing import Any

import msgspec
import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import Expose
from interrex.core.time import MS
from interrex.simulator.checkers.routed import Routed
from interrex.simulator.observation import Adopted, Cause, RoutesFollowed, Step
from interrex.supervision.interface import Release
from interrex.worker import interface
from interrex.worker.interface import FollowRoutes, Send, WorkerEffect, WorkerEvent

from .histories import (
    BALANCER_0,
    HOST,
    WEB,
    WEB_0,
    Core,
    Told,
    began,
    process,
    process_ended,
    refuses,
    show,
    step,
)

LOOK = 100 * MS
READY = ReplicaState.READY
STARTING = ReplicaState.STARTING


class Peers(msgspec.Struct, frozen=True):
    """What a worker has heard of its host's."""

    heard: tuple[Report, ...] = ()

    def reports(self, host: HostName) -> list[Report]:
        return list(self.heard)


class Hearing(Core):
    peers: Peers = Peers()


def said(state: ReplicaState, pid: int | None = 100, unproven: bool = False) -> Report:
    replica = ReplicaReport(WEB_0, state, 1, 21, pid, 1, 0, False, "", 0, unproven=unproven)
    return Report(HOST, 1, 1, (replica,), (), leaving=False)


def takes(
    worker: str,
    heard: Report,
    *effects: WorkerEffect,
    event: WorkerEvent | None = None,
    waited: int = 0,
) -> Step:
    made = step(worker, *effects, event=event, core=Hearing(peers=Peers((heard,))))
    made.waited = waited
    return made


def reports(worker: str, report: Report) -> Step:
    return takes(worker, report, Send(None, report))


def table(state: EndpointState, address: str = "127.0.0.1") -> RouteTable:
    route = ServiceRoute(WEB, Expose(8080), None, (Endpoint(WEB_0, address, 21, state),))
    return RouteTable(1, 1, (route,))


def follows(routes: RouteTable) -> RoutesFollowed:
    return RoutesFollowed(HOST, BALANCER_0, routes)


def told(state: EndpointState, heard: Report, **more: Any) -> list[Told]:
    """A balancer was told a table by worker-1, and followed it."""
    routes = table(state, **more)
    answer = interface.RoutesFollowed(BALANCER_0, 1, routes, ())
    return [
        takes("worker-1", heard, FollowRoutes(BALANCER_0, 1, routes)),
        follows(routes),
        takes("worker-1", heard, event=answer),
    ]


def failed(heard: Report) -> Step:
    answer = interface.RoutesFollowed(BALANCER_0, 1, table(EndpointState.DOWN), (), "no answer")
    return takes("worker-1", heard, event=answer)


def looks(heard: Report, times: int, waited: int = 0) -> list[Told]:
    return [takes("worker-1", heard, waited=waited) for _ in range(times)]


START: list[Told] = [
    began("worker-1"),
    began("worker-2"),
    process(BALANCER_0, pid=7, port=0),
    process(WEB_0, pid=100),
]
IS_READY, STARTS = said(READY), said(STARTING)
DOWN, DRAIN, SENT_TO = EndpointState.DOWN, EndpointState.DRAIN, EndpointState.READY

RIGHT: dict[str, list[Told]] = {
    "it is sent to while it is ready": [
        *START, reports("worker-1", IS_READY), *told(SENT_TO, IS_READY), *looks(IS_READY, 60),
    ],
    "it is told soon": [
        *START, *told(DOWN, STARTS), reports("worker-1", IS_READY), *looks(IS_READY, 3),
        *told(SENT_TO, IS_READY), *looks(IS_READY, 60),
    ],
    "the leader drains it": [
        *START, reports("worker-1", IS_READY), *told(DRAIN, IS_READY), *looks(IS_READY, 60),
    ],
    "the balancer has not answered yet": [
        *START, *told(DOWN, STARTS), reports("worker-1", IS_READY),
        takes("worker-1", IS_READY, FollowRoutes(BALANCER_0, 1, table(SENT_TO))),
        *looks(IS_READY, 20),
    ],
    "the balancer did not follow, and is told again after a second": [
        *START, *told(DOWN, STARTS), reports("worker-1", IS_READY), failed(IS_READY),
        *looks(IS_READY, 12), *told(SENT_TO, IS_READY), *looks(IS_READY, 20),
    ],
    "whoever tells it has not heard": [
        *START, *told(DOWN, STARTS), reports("worker-2", IS_READY), *looks(STARTS, 60),
    ],
    "whoever tells it stands still": [
        *START, *told(DOWN, STARTS), reports("worker-1", IS_READY),
        *looks(IS_READY, 60, waited=LOOK),
    ],
    "it is only being taken up": [
        *START, reports("worker-1", said(STARTING, unproven=True)),
        *told(SENT_TO, said(STARTING, unproven=True)), *looks(STARTS, 60),
    ],
    "two workers speak of it": [
        *START, *told(DOWN, STARTS), reports("worker-2", STARTS), reports("worker-1", IS_READY),
        *looks(IS_READY, 60),
    ],
    "it is another host's": [
        *START, reports("worker-1", IS_READY), *told(DOWN, IS_READY, address="10.0.0.2"),
        *looks(IS_READY, 60),
    ],
    "the balancer is dead": [
        *START, *told(DOWN, STARTS), reports("worker-1", IS_READY),
        process_ended(Cause.FAULT, BALANCER_0, pid=7), *looks(IS_READY, 60),
    ],
    "the balancer is let go of, and not yet taken up by another worker": [
        *START, *told(DOWN, STARTS), takes("worker-1", STARTS, Release(BALANCER_0)),
        reports("worker-1", IS_READY), *looks(IS_READY, 60),
    ],
    "whoever takes it up has heard nothing for long": [
        *START, *told(DOWN, STARTS), reports("worker-2", IS_READY), *looks(IS_READY, 2),
        Adopted(HostName(HOST), BALANCER_0, 7, WorkerName("worker-1")), *looks(STARTS, 60),
        *told(DOWN, IS_READY), *told(SENT_TO, IS_READY), *looks(IS_READY, 20),
    ],
    "its death is said soon": [
        *START, reports("worker-1", IS_READY), *told(SENT_TO, IS_READY),
        process_ended(Cause.FAULT), reports("worker-1", STARTS), *told(DOWN, STARTS),
        *looks(STARTS, 60),
    ],
}  # fmt: skip

WRONG: dict[str, tuple[list[Told], str]] = {
    "it is ready and not sent to": (
        [*START, *told(DOWN, STARTS), reports("worker-1", IS_READY), *looks(IS_READY, 20)],
        "has web.0 as down .* worker-1 says ready",
    ),
    "a neighbour's is ready and not sent to": (
        [*START, *told(DOWN, STARTS), reports("worker-2", IS_READY), *looks(IS_READY, 20)],
        "has web.0 as down .* worker-2 says ready",
    ),
    "it is ready no more and sent to": (
        [
            *START, reports("worker-1", IS_READY), *told(SENT_TO, IS_READY),
            reports("worker-1", STARTS), *looks(STARTS, 20),
        ],
        "has web.0 as ready .* worker-1 says starting",
    ),
    "a balancer that did not follow is not told again": (
        [
            *START, *told(DOWN, STARTS), reports("worker-1", IS_READY), failed(IS_READY),
            *looks(IS_READY, 30),
        ],
        "has web.0 as down",
    ),
    "it is told, and never answers": (
        [
            *START, *told(DOWN, STARTS), reports("worker-1", IS_READY),
            takes("worker-1", IS_READY, FollowRoutes(BALANCER_0, 1, table(SENT_TO))),
            *looks(IS_READY, 60),
        ],
        "has web.0 as down",
    ),
    "its death is not said": (
        [
            *START, reports("worker-1", IS_READY), *told(SENT_TO, IS_READY),
            process_ended(Cause.FAULT), *looks(IS_READY, 20),
        ],
        "worker-1 calls web.0 ready, which died",
    ),
}  # fmt: skip


@pytest.mark.parametrize("history", RIGHT.values(), ids=RIGHT)
def test_routes_that_follow_what_is_ready_are_fine(history: list[Told]) -> None:
    show(Routed(), history, every=LOOK)


@pytest.mark.parametrize(("history", "words"), WRONG.values(), ids=WRONG)
def test_routes_that_are_wrong_for_long_are_seen(history: list[Told], words: str) -> None:
    refuses(Routed(), history, words, every=LOOK)
