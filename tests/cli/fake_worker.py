"""A worker's HTTP socket without a worker: says what it is told to say, remembers what it heard."""

import http.server
import socketserver
import threading
from pathlib import Path
from typing import Any, Self, cast

import msgspec

from interrex.core.ids import HostName, ServiceName, SlotName, WorkerName
from interrex.worker.status import (
    BalancerStatus,
    ReplicaStatus,
    ServiceStatus,
    Status,
    WorkerStatus,
)

LOCAL = HostName("local")


class Heard(msgspec.Struct):
    """One request."""

    method: str
    target: str
    body: bytes


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server = cast("_Server", self.server)
        length = int(self.headers.get("content-length") or 0)
        server.heard.append(Heard(self.command, self.path, self.rfile.read(length)))
        path = self.path.partition("?")[0]
        shared = server.answers.get((self.command, path), (404, b"{}"))
        code, body = server.answers.get((self.command, self.path), shared)
        if code == 0:  # hang up in the middle of the head
            self.wfile.write(b"HTTP/1.1 200 O")
            self.close_connection = True
            return
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at ``heard``."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.answers: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.heard: list[Heard] = []
        super().__init__(str(path), _Handler)


class FakeWorker:
    """Listens on a path until closed; use as a context."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._server = _Server(path)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def heard(self) -> list[Heard]:
        return self._server.heard

    def says(self, method: str, path: str, body: Any, code: int = 200) -> None:
        """Answer a request so; ``body`` is bytes, or anything that has a JSON form."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self._server.answers[method, path] = (code, raw)

    def hangs_up(self, method: str, path: str) -> None:
        """End the connection in mid-answer."""
        self._server.answers[method, path] = (0, b"")


def a_status(**changes: Any) -> Status:
    """Three workers, a service of two replicas, two balancers; everything ready."""
    status = Status(
        cluster="shop",
        election="raft",
        epoch=7,
        leader=WorkerName("worker-2"),
        age_s=0.012,
        source=WorkerName("worker-1"),
        supervised=True,
        workers=[
            a_worker(number, "leading" if number == 2 else "following") for number in (1, 2, 3)
        ],
        services={
            ServiceName("web"): ServiceStatus(
                desired=2,
                ready=2,
                expose="127.0.0.1:8080",
                replicas=[a_replica("web.0"), a_replica("web.1", port=21001, restarts=3)],
            )
        },
        balancer=[a_balancer(0), a_balancer(1)],
    )
    return msgspec.structs.replace(status, **changes)


def a_worker(number: int, state: str = "following", **changes: Any) -> WorkerStatus:
    worker = WorkerStatus(
        name=WorkerName(f"worker-{number}"),
        host=LOCAL,
        pid=100 + number,
        state=state,
        votes=True,
        heard_s=0.0,
    )
    return msgspec.structs.replace(worker, **changes)


def a_replica(slot: str, **changes: Any) -> ReplicaStatus:
    replica = ReplicaStatus(
        name=SlotName(slot),
        host=LOCAL,
        pid=4242,
        port=21000,
        state="ready",
        worker=WorkerName("worker-1"),
        restarts=0,
        crash_looping=False,
        reason="",
    )
    return msgspec.structs.replace(replica, **changes)


def a_balancer(number: int, **changes: Any) -> BalancerStatus:
    balancer = BalancerStatus(
        name=SlotName(f"balancer.{number}"),
        host=LOCAL,
        pid=5000 + number,
        state="ready",
        worker=WorkerName("worker-3"),
        restarts=0,
        routes=(7, 12),
    )
    return msgspec.structs.replace(balancer, **changes)
