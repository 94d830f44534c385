"""Whom the demo kills, and whom it refuses to."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from interrex.core.ids import SlotName
from interrex.core.spec import LOCAL_HOST
from interrex.demo.faults import Part, Process
from interrex.demo.killing import NotOurs, kill, open_verified
from interrex.runtime.layout import Layout
from interrex.runtime.pidfd import ProcessIdentity
from interrex.runtime.procfs import INSTANCE_VARIABLE
from interrex.runtime.records import Instances

REPLICA = SlotName("shop.1")
_READY = "import sys; print('up', flush=True); sys.stdin.read()"


@contextmanager
def _child(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-c", _READY, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        yield child
        child.kill()


def _never(at: int) -> None:
    raise AssertionError("somebody was signalled")


def _instance(layout: Layout) -> dict[str, str]:
    return {INSTANCE_VARIABLE: Instances(layout.host(LOCAL_HOST)).new(REPLICA, 1, 1)}


async def test_a_replica_of_this_fleet_is_killed_and_seen_dead(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "demo")
    with _child(_instance(layout)) as child:
        sent: list[int] = []
        await kill((Process(Part.REPLICA, REPLICA, child.pid),), layout, sent.append)
        assert len(sent) == 1
        assert ProcessIdentity.of(child.pid) is None  # it is not even a zombie


async def test_none_is_killed_if_one_is_somebody_elses(tmp_path: Path) -> None:
    ours, theirs = Layout(tmp_path / "ours", "demo"), Layout(tmp_path / "theirs", "demo")
    with _child(_instance(ours)) as child, _child(_instance(theirs)) as stranger:
        targets = (
            Process(Part.REPLICA, REPLICA, child.pid),
            Process(Part.REPLICA, REPLICA, stranger.pid),
        )
        with pytest.raises(NotOurs, match=f"pid {stranger.pid} is not"):
            await kill(targets, ours, _never)
        assert child.poll() is None
        assert stranger.poll() is None


async def test_a_pid_that_names_another_slot_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "demo")
    with _child(_instance(layout)) as child, pytest.raises(NotOurs):
        open_verified(Process(Part.REPLICA, "shop.2", child.pid), layout)


async def test_a_worker_is_known_by_its_command_line(tmp_path: Path) -> None:
    layout, other = Layout(tmp_path, "demo"), Layout(tmp_path / "other", "demo")
    with _child({}, "interrex.runtime.entry", str(tmp_path), "demo", "worker-2") as child:
        with pytest.raises(NotOurs):
            open_verified(Process(Part.WORKER, "worker-1", child.pid), layout)
        with pytest.raises(NotOurs):
            open_verified(Process(Part.WORKER, "worker-2", child.pid), other)
        await kill((Process(Part.WORKER, "worker-2", child.pid),), layout, lambda at: None)


async def test_a_dead_process_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "demo")
    with _child(_instance(layout)) as child:
        pass
    with pytest.raises(NotOurs, match="is dead already"):
        open_verified(Process(Part.REPLICA, REPLICA, child.pid), layout)
