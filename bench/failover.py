"""A leader is killed or stopped: until the last survivor knows the new one, at its own socket.

Each survivor is asked beforehand to answer as soon as it knows a leader of a later epoch, so that
nothing polls while the clock runs.
"""

import argparse
import contextlib
import json
import os
import selectors
import signal
import socket
import time

from bench.fleet import Fleet
from bench.statistics import machine, summary
from interrex.core.ids import WorkerName
from interrex.core.spec import ClusterSpec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--stop", action="store_true", help="SIGSTOP instead of SIGKILL")
    options = parser.parse_args()
    print(machine("msgspec", "uvloop"))
    number = signal.SIGSTOP if options.stop else signal.SIGKILL
    took = list(fail_over(options.kills, options.workers, number))
    print(f"leader {number.name}: last survivor knows the new one: {summary(took)}")


def fail_over(times: int, workers: int, number: signal.Signals) -> list[float]:
    """Milliseconds, one for each time a leader was ended."""
    took = []
    with Fleet(ClusterSpec(name="bench", workers=workers)) as fleet:
        fleet.wait_ready()
        for _ in range(times):
            took.append(_once(fleet, number))
            _wait_whole(fleet)
    return took


def _once(fleet: Fleet, number: signal.Signals) -> float:
    leader = fleet.leader()
    status = fleet.status(leader)
    assert status is not None
    survivors = [worker for worker in fleet.workers if worker != leader]
    with contextlib.ExitStack() as stack:
        asked = [stack.enter_context(_ask(fleet, worker, status.epoch)) for worker in survivors]
        victim = fleet.pid_of(leader)
        begin = time.perf_counter()
        os.kill(victim, number)
        _wait_all(asked)
        return (time.perf_counter() - begin) * 1e3


def _ask(fleet: Fleet, worker: WorkerName, epoch: int) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(fleet.layout.api_socket(worker)))
    connection.sendall(f"GET /v1/leader?above={epoch} HTTP/1.1\r\nHost: interrex\r\n\r\n".encode())
    return connection


def _wait_all(asked: list[socket.socket]) -> None:
    with selectors.DefaultSelector() as selector:
        for connection in asked:
            selector.register(connection, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(timeout=20)
            assert ready, "no new leader within 20 s"
            for key, _ in ready:
                survivor = key.fileobj
                assert isinstance(survivor, socket.socket)
                body = survivor.recv(4096).partition(b"\r\n\r\n")[2]
                assert json.loads(body or survivor.recv(4096))["leader"]
                selector.unregister(survivor)


def _wait_whole(fleet: Fleet) -> None:
    """Until all workers live, connected and agreed again."""
    fleet.wait_ready()
    time.sleep(0.1)


if __name__ == "__main__":
    main()
