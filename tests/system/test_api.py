"""A worker's HTTP socket: documents, confirmed reads, events as they happen, refusals."""

import contextlib
import http.client

import msgspec

from bench.fleet import Fleet
from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.state import Restart
from interrex.runtime.journal import Event
from interrex.runtime.questions import ChangeBody
from tests.system.conftest import CALM

CONTRACT = {"cluster", "epoch", "leader", "workers", "services", "balancer", "age_s"}


def get(fleet: Fleet, worker: WorkerName, target: str, method: str = "GET") -> tuple[int, bytes]:
    with contextlib.closing(fleet.connect(worker)) as connection:
        connection.request(method, target)
        response = connection.getresponse()
        return response.status, response.read()


def test_every_worker_serves_the_same_status_document(fleet: Fleet) -> None:
    for worker in fleet.workers:
        document = fleet.ask(worker, "GET", "/v1/status")
        assert document.keys() >= CONTRACT
        assert {"name", "host", "pid", "state"} <= document["workers"][0].keys()
        web = document["services"]["web"]
        assert {"desired", "ready", "replicas"} <= web.keys()
        names = {"name", "host", "pid", "port", "state", "worker", "restarts"}
        assert names <= web["replicas"][0].keys()
        assert {"host", "pid", "state"} <= document["balancer"][0].keys()
        assert document["epoch"] >= 1
        assert fleet.ask(worker, "GET", "/v1/healthz") == {"healthy": True}


@CALM
def test_a_confirmed_read_is_answered_by_the_leader_only(fleet: Fleet) -> None:
    leader = fleet.leader()
    for worker in fleet.workers:
        for target in ("/v1/status?confirmed", "/v1/spec?confirmed"):
            code, _ = get(fleet, worker, target)
            assert code == (200 if worker == leader else 409)


def test_events_are_streamed_as_they_happen(fleet: Fleet) -> None:
    with contextlib.closing(fleet.connect(fleet.workers[0], timeout_s=60)) as connection:
        connection.request("GET", "/v1/events")
        stream = connection.getresponse()
        assert stream.getheader("content-type") == "text/event-stream"
        body = ChangeBody(ChangeId("restart-1"), (Restart(ServiceName("web")),))
        assert fleet.ask(fleet.leader(), "POST", "/v1/changes", body)["ok"]
        assert wait_for_event(stream, "replica.exited").slot is not None


def wait_for_event(stream: http.client.HTTPResponse, kind: str) -> Event:
    for line in stream:
        if line.startswith(b"data: "):
            event = msgspec.json.decode(line.removeprefix(b"data: "), type=Event)
            if event.kind == kind:
                return event
    raise AssertionError("the stream ended")


def test_what_is_not_there_is_refused_in_words(fleet: Fleet) -> None:
    worker = fleet.workers[0]
    assert get(fleet, worker, "/v2/status")[0] == 404
    assert get(fleet, worker, "/v1/status", "DELETE")[0] == 405
    assert get(fleet, worker, "/v1/leader?above=x")[0] == 400
    assert fleet.ask(worker, "POST", "/v1/changes", {"id": 5})["ok"] is False
