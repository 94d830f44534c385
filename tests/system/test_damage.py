"""Lost and corrupt logs, a full disk, and strangers on every socket of a real fleet."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.fleet import Fleet
from bench.run_folder import run_folder
from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.state import Scale
from interrex.runtime.identity import load_identity
from interrex.runtime.questions import ChangeBody
from tests.system.conftest import CALM, EVERY_ELECTION, Electing, shop
from tests.system.test_deaths import assert_each_slot_runs_once, kill_together, wait_without

pytestmark = EVERY_ELECTION


def member_of(fleet: Fleet, worker: WorkerName) -> int:
    identity = load_identity(fleet.layout.store(worker))
    assert identity is not None
    return identity.member


def all_vote(fleet: Fleet) -> bool:
    return fleet.is_ready() and all(
        worker.votes for status in fleet.statuses() for worker in status.workers
    )


def flip_bits(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name.startswith("log"):
            data = bytearray(path.read_bytes())
            for at in range(4096, 4096 + 64):
                data[at] ^= 0x55
            path.write_bytes(data)


def lose(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "identity.json":
            path.unlink()


DAMAGE: list[Callable[[Path], object]] = [flip_bits, lose, shutil.rmtree]
"""A corrupt log, a missing one, and a missing folder."""


def test_a_worker_that_lost_its_log_comes_back_as_a_new_member(fleet: Fleet) -> None:
    for damage in DAMAGE:
        comes_back_after(damage, fleet)


def comes_back_after(damage: Callable[[Path], object], fleet: Fleet) -> None:
    worker = next(name for name in fleet.workers if name != fleet.leader())
    before, replicas, pid = member_of(fleet, worker), fleet.replica_pids(), fleet.pid_of(worker)
    fleet.layout.stopping.touch()
    os.kill(pid, signal.SIGKILL)
    fleet.wait_until(lambda: not fleet.lock_is_held(worker))
    damage(fleet.layout.store(worker))
    fleet.layout.stopping.unlink()
    wait_without(fleet, {pid})
    fleet.wait_until(lambda: all_vote(fleet))
    assert member_of(fleet, worker) != before
    assert fleet.replica_pids() == replicas
    assert_each_slot_runs_once(fleet)


def test_an_acknowledged_change_survives_the_death_of_all_workers(fleet: Fleet) -> None:
    body = ChangeBody(ChangeId("scale-1"), (Scale(ServiceName("web"), 4),))
    outcome = fleet.ask(fleet.leader(), "POST", "/v1/changes", body)
    victims = {fleet.pid_of(name) for name in fleet.workers}
    kill_together(victims)
    assert outcome["ok"]
    fleet.wait_until(lambda: fleet.launch_one(fleet.workers[0]))
    wait_without(fleet, victims)
    assert len(fleet.replica_pids()) == 4


def garbage(seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return [
        chance.randbytes(chance.randrange(1, 5000)),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05hello",
        b"GET " + b"/" * 70000,
        b"POST /v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"",
    ]


@CALM
def test_strangers_on_every_socket_change_nothing(fleet: Fleet) -> None:
    before = fleet.replica_pids()
    epoch = fleet.statuses()[0].epoch
    for worker in fleet.workers:
        layout = fleet.layout
        for socket_of in (layout.peer_socket, layout.api_socket, layout.lead_socket):
            for data in garbage(len(worker)):
                send_and_hang_up(socket_of(worker), data)
    fleet.wait_ready()
    assert fleet.replica_pids() == before
    assert fleet.statuses()[0].epoch == epoch
    for status in fleet.statuses():
        counted = {name.partition(".")[0] for name in status.faults}
        assert counted == {"peer", "api", "lead"}, status.faults


def send_and_hang_up(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(60)
        stranger.connect(str(path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while stranger.recv(65536):
                pass


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 96 MiB of its own."""
    folder = run_folder() / f"disk-{os.getpid()}"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass
    with contextlib.suppress(OSError), path.with_suffix(".rest").open("wb", buffering=0) as file:
        while file.write(b"x"):
            pass


def test_a_full_disk_stops_neither_services_nor_elections(
    small_disk: Path, worker_id: str, election: str, electing: Electing
) -> None:
    with Fleet(electing(shop(worker_id), election), root=small_disk) as fleet:
        fleet.wait_ready()
        before = fleet.replica_pids()
        fill(small_disk / "filler")
        victim = fleet.pid_of(fleet.leader())
        os.kill(victim, signal.SIGKILL)
        fleet.wait_until(lambda: agreed_without(fleet, victim))
        assert fleet.replica_pids() == before
        (small_disk / "filler").unlink()
        wait_without(fleet, {victim})
        assert fleet.replica_pids() == before
        assert_each_slot_runs_once(fleet)


def agreed_without(fleet: Fleet, victim: int) -> bool:
    """Whether the survivors of a leader's death have a new one."""
    statuses = fleet.statuses()
    leaders = {status.leader for status in statuses}
    return (
        len(statuses) >= 2
        and len(leaders) == 1
        and None not in leaders
        and not any(worker.pid == victim for status in statuses for worker in status.workers)
    )
