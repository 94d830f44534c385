"""The leader is killed or stopped: until the last survivor knows the next, until it can write.

Each survivor is asked beforehand to answer as soon as it knows a leader of a later epoch, so that
nothing polls while the clock runs. Fleet and etcd take turns, never at the same time.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator

from bench.etcd import NAME as ETCD
from bench.etcd import Ends, Etcd
from bench.figures import Beside, Effort, Figure, at_least, at_most
from bench.fleet import Fleet
from bench.progress import progress
from bench.specs import agreed_leader, bare
from bench.statistics import percentile, summary
from bench.tools import where_installed
from interrex.core.ids import WorkerName

TURNS = 4
HARMLESS = {"type": "ForgetEvicted", "slot": "nobody.0", "host": "nowhere"}
"""A change that is replicated and applied like any other, and changes nothing."""
STOPPED_UNREAD_S = 0.002
SETTLE_S = 0.1


def failover(effort: Effort) -> Iterator[Figure]:
    """Leader killed: the last survivor knows the next, beside etcd; the next write; SIGSTOP."""
    yield from _killed_beside_etcd(effort)
    yield from _written(effort)
    yield from _stopped(effort)


def _killed_beside_etcd(effort: Effort) -> Iterator[Figure]:
    took: list[float] = []
    peers: list[Ends] = []
    for turn in range(1, TURNS + 1):
        with Fleet(bare()) as fleet:
            for _ in progress(range(effort.count(200, TURNS) // TURNS), f"turn {turn}: kill"):
                took.append(end_leader(fleet, signal.SIGKILL))
        with where_installed(), Etcd() as etcd:
            for _ in progress(range(effort.count(40, TURNS) // TURNS), f"turn {turn}: etcd, kill"):
                peers.append(etcd.end_leader())
    name = "leader killed, last survivor knows the next:"
    known = [ends.known_ms for ends in peers]
    for share, limit in ((0.5, 5.0), (0.99, 15.0)):
        beside = (Beside(ETCD, percentile(known, share)),) if known else ()
        yield Figure(
            measure=f"{name} p{100 * share:.0f}",
            value=percentile(took, share),
            unit="ms",
            goal=at_most(limit),
            beside=beside,
            note=summary(took) if share == 0.5 else "",
        )
    if known:
        yield Figure(
            measure="etcd / ours, medians of the same run",
            value=percentile(known, 0.5) / percentile(took, 0.5),
            unit="times",
            goal=at_least(12.0),
            note=f"etcd: {summary(known)}; written {summary([ends.written_ms for ends in peers])}",
        )


def _written(effort: Effort) -> Iterator[Figure]:
    next_one: list[float] = []
    in_flight: list[float] = []
    with Fleet(bare()) as fleet:
        for number in progress(range(effort.count(50)), "write"):
            next_ms, flight_ms = _write_over(fleet, number)
            next_one.append(next_ms)
            in_flight.append(flight_ms)
    yield Figure(
        measure="leader killed, next write acknowledged: p50",
        value=percentile(next_one, 0.5),
        unit="ms",
        goal=at_most(8.0),
        note=summary(next_one),
    )
    yield Figure(
        measure="leader killed, a write in flight answered: worst",
        value=max(in_flight),
        unit="ms",
        note=f"all {len(in_flight)} acknowledged; {summary(in_flight)}",
    )


def _stopped(effort: Effort) -> Iterator[Figure]:
    with Fleet(bare()) as fleet:
        stops = progress(range(effort.count(15)), "stop")
        took = [end_leader(fleet, signal.SIGSTOP) for _ in stops]
    yield Figure(
        measure="leader stopped, last survivor knows the next: p50",
        value=percentile(took, 0.5),
        unit="ms",
        goal=at_most(300.0),
        note=summary(took),
    )


def end_leader(fleet: Fleet, number: signal.Signals) -> float:
    """Signal a whole fleet's leader; milliseconds until its last survivor knows the next one."""
    leader = agreed_leader(fleet)
    time.sleep(SETTLE_S)
    status = fleet.status(leader)
    assert status is not None
    survivors = [worker for worker in fleet.workers if worker != leader]
    with contextlib.ExitStack() as stack:
        asked = [
            stack.enter_context(ask_for_leader(fleet, worker, status.epoch)) for worker in survivors
        ]
        victim = fleet.pid_of(leader)
        begin = time.perf_counter()
        os.kill(victim, number)
        return max(answered - begin for answered in wait_answers(asked)) * 1e3


def _write_over(fleet: Fleet, number: int) -> tuple[float, float]:
    """Milliseconds from the leader's kill until a new write is acknowledged, and one in flight.

    The leader is stopped for two milliseconds before, so that it has surely not read the write
    that is in flight when it is killed.
    """
    leader = agreed_leader(fleet)
    time.sleep(SETTLE_S)
    one, other = (worker for worker in fleet.workers if worker != leader)
    victim = fleet.pid_of(leader)
    os.kill(victim, signal.SIGSTOP)
    with write(fleet, one, f"flight-{number}") as flight:
        time.sleep(STOPPED_UNREAD_S)
        begin = time.perf_counter()
        os.kill(victim, signal.SIGKILL)
        with write(fleet, other, f"next-{number}") as following:
            flight_at, next_at = wait_answers([flight, following])
    return (next_at - begin) * 1e3, (flight_at - begin) * 1e3


def ask_for_leader(fleet: Fleet, worker: WorkerName, above: int) -> socket.socket:
    """Ask a worker to answer as soon as it knows a leader of a later epoch."""
    return _request(fleet, worker, "GET", f"/v1/leader?above={above}", b"")


def write(fleet: Fleet, worker: WorkerName, change: str) -> socket.socket:
    """Ask a worker for a harmless change; its answer can be read from the socket."""
    body = json.dumps({"id": change, "operations": [HARMLESS]}).encode()
    return _request(fleet, worker, "POST", "/v1/changes", body)


def _request(
    fleet: Fleet, worker: WorkerName, method: str, path: str, body: bytes
) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(fleet.layout.api_socket(worker)))
    head = f"{method} {path} HTTP/1.1\r\nHost: interrex\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def wait_answers(asked: list[socket.socket]) -> list[float]:
    """When each was answered with 200, on ``time.perf_counter``.

    Raises:
        TimeoutError: one was not, within 20 s.
    """
    answered: dict[int, float] = {}
    with selectors.DefaultSelector() as selector:
        for connection in asked:
            selector.register(connection, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(timeout=20)
            now = time.perf_counter()
            if not ready:
                raise TimeoutError("no answer within 20 s")
            for key, _ in ready:
                answer = os.read(key.fd, 4096)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise TimeoutError(f"refused: {answer.decode()}")
                answered[key.fd] = now
                selector.unregister(key.fileobj)
    return [answered[connection.fileno()] for connection in asked]
