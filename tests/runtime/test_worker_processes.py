"""Workers are found by their command lines, whatever state they are in."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from interrex.runtime.worker_processes import ENTRY_MODULE, worker_processes

SCRIPT = "print(flush=True); import sys; sys.stdin.read()"


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[list[int]]:
    """The pids of two processes that go by the name of one worker, and of one that leads."""
    with ExitStack() as stack:
        pids = []
        for worker in ("worker-2", "worker-2", "worker-1"):
            words = [ENTRY_MODULE.decode(), str(tmp_path), "shop", worker, "local"]
            process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.enter_context(process)
            assert process.stdout is not None
            process.stdout.readline()
            pids.append(process.pid)
        yield pids


def test_two_processes_of_one_worker_are_both_found(tmp_path: Path, starting: list[int]) -> None:
    """One that dies and the next, or one that has just forked."""
    found = [process.identity.pid for process in worker_processes(tmp_path)]
    assert found == [starting[2], *sorted(starting[:2])]
