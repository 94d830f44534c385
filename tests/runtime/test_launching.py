"""Starting workers: once, however many start them at the same moment."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.runtime.launching import HANDED_LOCK, launch_worker, locked_worker, worker_is_alive
from interrex.runtime.layout import Layout

WORKER = WorkerName("worker-1")
HOST = HostName("local")


@contextmanager
def _launched(layout: Layout) -> Iterator[int | None]:
    pid = launch_worker(layout, WORKER, HOST)
    try:
        yield pid
    finally:
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A folder whose workers do nothing at all: they never come to take a lock themselves."""
    idle = tmp_path / "idle"
    idle.write_text("#!/bin/sh\nexec sleep 60\n")
    idle.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(idle))
    layout = Layout(tmp_path, "shop")
    layout.make()
    return layout


def test_a_worker_holds_its_lock_from_its_first_instant(layout: Layout) -> None:
    with _launched(layout) as pid:
        assert pid is not None
        assert worker_is_alive(layout, WORKER)
        with _launched(layout) as second:
            assert second is None
        with locked_worker(layout, WORKER) as locked:
            assert not locked
    assert not worker_is_alive(layout, WORKER)


def test_a_dead_workers_lock_is_free(layout: Layout) -> None:
    with _launched(layout):
        pass
    with _launched(layout) as pid:
        assert pid is not None


def test_nobody_is_started_while_the_cluster_is_being_taken_down(layout: Layout) -> None:
    layout.stopping.touch()
    with _launched(layout) as pid:
        assert pid is None
    assert not worker_is_alive(layout, WORKER)


@pytest.mark.parametrize("handed", [True, False])
def test_a_worker_takes_the_lock_it_was_handed_and_otherwise_its_own(
    tmp_path: Path, handed: bool
) -> None:
    """It keeps it to itself: no replica that it starts holds the lock after its death."""
    layout = Layout(tmp_path, "shop")
    layout.worker(WORKER).mkdir(parents=True)
    program = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from interrex.core.ids import WorkerName\n"
        "from interrex.runtime.launching import locked_worker\n"
        "from interrex.runtime.layout import Layout\n"
        "layout = Layout(Path(sys.argv[1]), 'shop')\n"
        "with locked_worker(layout, WorkerName('worker-1')) as locked:\n"
        "    child = subprocess.Popen(['sleep', '60'], close_fds=False, stdout=2)\n"
        "    print(locked, child.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    lock = os.open(layout.worker_lock(WORKER), os.O_RDWR | os.O_CREAT)
    actions = [(os.POSIX_SPAWN_DUP2, lock, HANDED_LOCK)] if handed else []
    if handed:
        fcntl.flock(lock, fcntl.LOCK_EX)
    reading, writing = os.pipe()
    waiting, going = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", program, str(tmp_path)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, writing, 1),
            (os.POSIX_SPAWN_DUP2, waiting, 0),
            *actions,
        ],
    )
    os.close(writing)
    os.close(waiting)
    os.close(lock)
    with open(reading, "rb") as output:
        locked, child = output.readline().split()
    assert locked == b"True"
    assert worker_is_alive(layout, WORKER)
    os.close(going)
    os.waitpid(pid, 0)
    assert not worker_is_alive(layout, WORKER)
    subprocess.run(["kill", "-9", child], check=True)
