"""The status document that the files alone give."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.run_folder import run_folder
from interrex.core.ids import BALANCER, HostName, ServiceName, SlotName, WorkerName
from interrex.core.spec import ClusterSpec, Expose, ServiceSpec
from interrex.runtime.journal import Event
from interrex.runtime.layout import Layout
from interrex.runtime.pidfd import ProcessIdentity
from interrex.runtime.records import ReplicaRecord, lock_record
from interrex.runtime.unsupervised import UNSUPERVISED, status_from_files
from interrex.runtime.worker_processes import WorkerProcess

HOST = HostName("local")
WEB = ServiceName("web")
SPEC = ClusterSpec(
    name="shop",
    workers=2,
    services={WEB: ServiceSpec(name=WEB, command=("serve",), replicas=2, expose=Expose(port=8080))},
)


@pytest.fixture
def layout() -> Iterator[Layout]:
    folder = Path(tempfile.mkdtemp(prefix="ixu-", dir=run_folder()))
    layout = Layout(folder, "shop")
    (layout.host(HOST) / "replicas").mkdir(parents=True)
    yield layout
    shutil.rmtree(folder)


@pytest.fixture
def child() -> Iterator[ProcessIdentity]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    identity = ProcessIdentity.of(process.pid)
    assert identity is not None
    yield identity
    process.kill()
    process.wait()


def record(layout: Layout, slot: str, epoch: int, process: ProcessIdentity | None) -> None:
    lock = lock_record(layout.host(HOST) / "replicas", SlotName(slot))
    assert lock is not None
    lock.write(
        ReplicaRecord(
            slot=SlotName(slot),
            incarnation=1,
            generation=1,
            epoch=epoch,
            port=21000,
            instance="x",
            log="",
            process=process,
        )
    )
    lock.close()


def test_what_lives_is_unsupervised_and_what_does_not_is_stopped(
    layout: Layout, child: ProcessIdentity
) -> None:
    dead = ProcessIdentity(child.pid, child.start_time - 1, child.boot_id, child.pid_namespace)
    record(layout, "web.10", 4, child)
    record(layout, "web.2", 5, dead)
    record(layout, f"{BALANCER}.0", 3, child)
    status = status_from_files(layout, SPEC, [])
    assert (status.supervised, status.leader, status.source) == (False, None, None)
    assert status.epoch == 5
    web = status.services[WEB]
    assert (web.desired, web.ready, web.expose) == (2, 0, "127.0.0.1:8080")
    assert [(one.name, one.state, one.pid) for one in web.replicas] == [
        ("web.2", "stopped", None),
        ("web.10", "unsupervised", child.pid),
    ]
    assert web.replicas[1].reason == UNSUPERVISED
    assert [(one.name, one.state, one.pid) for one in status.balancer] == [
        ("balancer.0", "unsupervised", child.pid)
    ]
    assert [(one.name, one.state, one.pid) for one in status.workers] == [
        ("worker-1", "lost", None),
        ("worker-2", "lost", None),
    ]


def test_what_runs_of_a_service_that_nobody_asks_for_is_shown_too(
    layout: Layout, child: ProcessIdentity
) -> None:
    record(layout, "old.0", 4, child)
    record(layout, "older.0", 4, None)
    services = status_from_files(layout, SPEC, []).services
    assert list(services) == ["old", "web"]
    assert (services[ServiceName("old")].desired, len(services[ServiceName("old")].replicas)) == (
        0,
        1,
    )


def test_a_worker_that_lives_and_does_not_answer_is_silent(
    layout: Layout, child: ProcessIdentity
) -> None:
    hung = WorkerProcess("shop", WorkerName("worker-2"), HOST, child)
    status = status_from_files(layout, SPEC, [hung])
    assert [(one.state, one.pid) for one in status.workers] == [
        ("lost", None),
        ("silent", child.pid),
    ]


def test_a_worker_that_lives_is_shown_also_where_no_file_tells_of_it(
    layout: Layout, child: ProcessIdentity
) -> None:
    alive = WorkerProcess("shop", WorkerName("worker-3"), HOST, child)
    names = [one.name for one in status_from_files(layout, SPEC, [alive]).workers]
    assert names == ["worker-1", "worker-2", "worker-3"]


def test_a_worker_was_heard_of_when_it_last_noted_something(layout: Layout) -> None:
    events = layout.events(WorkerName("worker-1"))
    events.parent.mkdir(parents=True)
    events.touch()
    status = status_from_files(layout, SPEC, [], now=events.stat().st_mtime + 7)
    assert [one.heard_s for one in status.workers] == [7.0, 0.0]


def test_the_epoch_is_the_newest_that_any_file_tells_of(
    layout: Layout, child: ProcessIdentity
) -> None:
    record(layout, "web.0", 5, child)
    assert status_from_files(layout, SPEC, []).epoch == 5
    events = layout.events(WorkerName("worker-1"))
    events.parent.mkdir(parents=True)
    led = Event(time=1.0, by=WorkerName("worker-1"), kind="leader.elected", text="", epoch=6)
    events.write_bytes(msgspec.json.encode(led) + b"\n")
    assert status_from_files(layout, SPEC, []).epoch == 6


def test_records_that_make_no_sense_are_left_out(layout: Layout) -> None:
    (layout.host(HOST) / "replicas" / "web.0").write_bytes(b"nonsense")
    (layout.host(HOST) / "replicas" / "web.1").touch()
    assert status_from_files(layout, SPEC, []).services[WEB].replicas == []


def test_a_cluster_without_any_file_is_described_too(layout: Layout) -> None:
    shutil.rmtree(layout.home)
    status = status_from_files(layout, SPEC, [])
    assert status.services[WEB].desired == 2
    layout.home.mkdir()


def test_what_the_election_does_not_promise_is_said_without_workers_too(layout: Layout) -> None:
    spec = msgspec.structs.replace(SPEC, election="bully")
    assert status_from_files(layout, SPEC, []).caution == ""
    assert "a leader in each part" in status_from_files(layout, spec, []).caution
