"""A program that opens all the connections it gets to every worker, while the fleet has to heal."""

import os
import resource
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.fleet import Fleet
from interrex.core.ids import ServiceName
from interrex.elections.guarantees import guarantees_of
from interrex.runtime.contest_words import VERSION, Follow, encode_word
from interrex.runtime.frames import encode_frame
from interrex.runtime.journal import read_events
from interrex.runtime.lifeline import NO_LIFELINE
from tests.system.conftest import EVERY_ELECTION

ALLOWED = 256
"""So many descriptors each worker may have, and as many connections are opened to each socket."""

EVENTS = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
FOLLOWS = encode_frame(encode_word(Follow(VERSION, "name", "me", 0, NO_LIFELINE)))


@pytest.fixture
def flood() -> Iterator[list[socket.socket]]:
    """Connections, which are closed at last."""
    made: list[socket.socket] = []
    yield made
    for connection in made:
        connection.close()


def open_many(path: Path, says: bytes, flood: list[socket.socket]) -> None:
    """As many as the worker could have, or until it takes no more; it may end some."""
    for _ in range(ALLOWED):
        connection = socket.socket(socket.AF_UNIX)
        flood.append(connection)
        # A time-out of Python's own would not wait for room among those who wait.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 1, 0))
        try:
            connection.connect(str(path))
            connection.send(says)
        except BlockingIOError:
            return
        except OSError:
            continue


def happened(fleet: Fleet, kind: str) -> int:
    events = read_events([fleet.layout.events(worker) for worker in fleet.workers])
    return sum(event.kind == kind for event in events)


@EVERY_ELECTION
@pytest.mark.parametrize(
    ("says", "follows", "fault"),
    [(b"", b"", "cut_off"), (EVENTS, FOLLOWS, "turned_away")],
    ids=["idle", "busy"],
)
def test_a_flood_of_connections_hinders_neither_election_nor_supervision(
    fleet: Fleet, flood: list[socket.socket], says: bytes, follows: bytes, fault: str
) -> None:
    leader = fleet.leader()
    status = fleet.status()
    assert status is not None
    victim = next(
        one for one in status.services[ServiceName("web")].replicas if one.worker != leader
    )
    assert victim.pid is not None
    for worker in fleet.workers:
        resource.prlimit(fleet.pid_of(worker), resource.RLIMIT_NOFILE, (ALLOWED, ALLOWED))
    for worker in fleet.workers:
        fleet.wait_until(lambda name=worker: fleet.status(name) is not None)  # type: ignore[misc]
        open_many(fleet.layout.api_socket(worker), says, flood)
        open_many(fleet.layout.lead_socket(worker), follows, flood)
    started, elected = (happened(fleet, kind) for kind in ("replica.ready", "leader.elected"))
    os.kill(victim.pid, signal.SIGKILL)
    fleet.wait_until(lambda: happened(fleet, "replica.ready") > started)
    os.kill(fleet.pid_of(leader), signal.SIGKILL)
    fleet.wait_until(lambda: happened(fleet, "leader.elected") > elected)
    for connection in flood:
        connection.close()
    fleet.wait_ready()
    # Where no leadership is fenced, programs are given none, and told so.
    told = fault if guarantees_of(fleet.spec).fenced or not follows else "refused"
    for worker in set(fleet.workers) - {leader}:
        found = fleet.status(worker)
        assert found is not None
        assert found.faults.get(f"api.{fault}", 0) > 0
        assert found.faults.get(f"lead.{told}", 0) > 0
        assert "peer.accept_errors" not in found.faults, "the others' calls had no descriptors"
