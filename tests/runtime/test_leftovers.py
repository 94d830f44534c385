"""What ``down`` stops by itself: recorded replicas whose workers are dead, and nobody else."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.run_folder import run_folder
from interrex.core.ids import HostName, SlotName
from interrex.runtime.layout import Layout
from interrex.runtime.leftovers import stop_leftovers
from interrex.runtime.pidfd import ProcessIdentity
from interrex.runtime.procfs import all_pids, instance_of
from interrex.runtime.records import Instances, ReplicaRecord, lock_record
from interrex.runtime.unsupervised import recorded_replicas

HOST = HostName("local")
SLEEP = "import time; print('ready', flush=True); time.sleep(1000)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + (
    "print('ready', flush=True); time.sleep(1000)"
)
FORKING = """
import subprocess, sys, time
child = "import time; print('ready', flush=True); time.sleep(1000)"
for new_session in (False, True):
    subprocess.Popen([sys.executable, "-c", child], start_new_session=new_session)
print("ready", flush=True)
time.sleep(1000)
"""
INTERRUPTIBLE = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True); time.sleep(1000)
"""


class Host:
    """One host's folder, and processes that look like replicas of dead workers."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.records = layout.host(HOST) / "replicas"
        self.records.mkdir(parents=True)
        self.instances = Instances(layout.host(HOST))
        self.children: list[subprocess.Popen[str]] = []
        self.told: list[str] = []

    def start(
        self, slot: str, program: str = SLEEP, processes: int = 1, **changes: object
    ) -> ReplicaRecord:
        """Running processes and a record, as a worker would have left them."""
        name = SlotName(slot)
        instance = self.instances.new(name, 1, 1)
        environment = {
            "INTERREX_INSTANCE": instance, "INTERREX_EPOCH": "3", "PORT": "21000"
        }  # fmt: skip
        child = subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        assert child.stdout is not None
        if "ready" in program:
            for _ in range(processes):
                assert child.stdout.readline() == "ready\n"
        record = ReplicaRecord(
            slot=name,
            incarnation=1,
            generation=1,
            epoch=3,
            port=21000,
            instance=instance,
            log="",
            process=ProcessIdentity.of(child.pid),
        )
        record = msgspec.structs.replace(record, **changes)
        lock = lock_record(self.records, name)
        assert lock is not None
        lock.write(record)
        lock.close()
        return record

    def stop(self) -> list[str]:
        return stop_leftovers(self.layout, HOST, self.told.append)

    def alive(self) -> list[int]:
        """Everything that carries an instance id of this host; a zombie's cannot be read."""
        mark = self.instances.prefix(SlotName(""))
        return [pid for pid in all_pids() if mark in (instance_of(pid) or "")]

    def ended_by(self, number: int) -> int:
        """The status of the nth process, as subprocess gives it."""
        return self.children[number].wait(60)

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.communicate()


@pytest.fixture
def host() -> Iterator[Host]:
    folder = Path(tempfile.mkdtemp(prefix="ixl-", dir=run_folder()))
    host = Host(Layout(folder, "shop"))
    yield host
    host.stop()
    host.close()
    shutil.rmtree(folder)


def test_every_recorded_process_is_stopped_the_balancers_first(host: Host) -> None:
    host.start("web.0")
    host.start("balancer.0", stop_signal="SIGINT")
    assert [found.alive for found in recorded_replicas(host.layout)] == [True, True]
    assert host.stop() == []
    assert host.ended_by(0) == -signal.SIGTERM
    assert host.ended_by(1) == -signal.SIGINT or host.ended_by(1) == 1  # python turns it into one
    assert ["balancer.0" in line for line in host.told] == [True, False]
    assert not any(found.alive for found in recorded_replicas(host.layout))


def test_each_service_gets_the_signal_that_it_asked_for(host: Host) -> None:
    host.start("web.0", INTERRUPTIBLE, stop_signal="SIGINT")
    assert host.stop() == []
    assert host.ended_by(0) == 0


def test_what_ignores_its_signal_is_killed_after_its_time(host: Host) -> None:
    host.start("web.0", STUBBORN, stop_timeout=0.05)
    assert host.stop() == []
    assert host.ended_by(0) == -signal.SIGKILL
    assert host.told[-1] == "web.0 did not stop in 0.05 s: killed"


def test_a_stopped_process_is_killed(host: Host) -> None:
    record = host.start("web.0", stop_timeout=0.05)
    assert record.process is not None
    os.kill(record.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, record.process.pid, os.WSTOPPED | os.WNOWAIT)
    assert host.stop() == []
    assert host.ended_by(0) == -signal.SIGKILL


def test_what_it_started_goes_with_it_also_out_of_its_session(host: Host) -> None:
    host.start("web.0", FORKING, processes=3)
    assert len(host.alive()) == 3
    assert host.stop() == []
    host.ended_by(0)
    assert host.alive() == []


def test_what_a_dead_replica_left_behind_is_swept(host: Host) -> None:
    record = host.start("web.0", FORKING, processes=3)
    assert record.process is not None
    os.kill(record.process.pid, signal.SIGKILL)
    host.ended_by(0)
    assert len(host.alive()) == 2
    assert host.stop() == []
    assert host.alive() == []


def test_a_process_between_spawn_and_record_is_found_by_its_instance(host: Host) -> None:
    host.start("web.0", process=None)
    assert host.stop() == []
    assert host.ended_by(0) == -signal.SIGTERM


def test_a_process_of_a_corrupt_record_is_found_by_its_slot(host: Host) -> None:
    host.start("web.0")
    (host.records / "web.0").write_bytes(b"\0" * 100)
    assert recorded_replicas(host.layout) == []
    assert host.stop() == []
    assert host.ended_by(0) == -signal.SIGTERM


def test_a_process_whose_records_folder_is_lost_is_found_by_its_instance(host: Host) -> None:
    host.start("web.0")
    shutil.rmtree(host.layout.home)
    assert host.stop() == []
    assert host.ended_by(0) == -signal.SIGTERM


def test_what_was_stopped_leaves_no_record_to_be_found_dead_by(host: Host) -> None:
    host.start("web.0")
    assert host.stop() == []
    assert recorded_replicas(host.layout) == []


def test_a_replica_that_a_worker_holds_is_left_to_it(host: Host) -> None:
    host.start("web.0")
    lock = lock_record(host.records, SlotName("web.0"))
    assert lock is not None
    assert host.stop() == ["web.0 is still held by a worker"]
    assert host.children[0].poll() is None
    lock.close()


def test_a_process_that_has_taken_over_a_pid_is_not_touched(host: Host) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        found = ProcessIdentity.of(stranger.pid)
        assert found is not None
        earlier = msgspec.structs.replace(found, start_time=found.start_time - 1)
        record = host.start("web.0", process=earlier)
        os.kill(host.children[0].pid, signal.SIGKILL)
        host.ended_by(0)
        assert record.process == earlier
        assert host.stop() == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_another_clusters_replicas_are_not_touched(host: Host) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ixl-", dir=run_folder()))
    other = Host(Layout(folder, "shop"))
    other.start("web.0")
    host.start("web.0")
    assert host.stop() == []
    assert other.children[0].poll() is None
    assert other.stop() == []
    other.close()
    shutil.rmtree(folder)


def test_nothing_recorded_is_nothing_to_do(host: Host) -> None:
    (host.records / "web.0").touch()
    assert host.stop() == []
    shutil.rmtree(host.records)
    assert host.stop() == []
    assert host.told == []
    host.records.mkdir()
