"""A run of the tests that is ended or killed leaves nothing behind, or the next one removes it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.run_folder import RUN_VARIABLE, sweep
from interrex.runtime.procfs import all_pids

ROOT = Path(__file__).parents[1]
FLEET_FOR_EVER = f"""
import os, threading

def test_something_with_a_fleet(fleet):
    assert fleet.status() is not None
    print("RUN", os.environ["{RUN_VARIABLE}"], flush=True)
    threading.Event().wait()
"""


class Run:
    """A run of the tests, stuck in the midst of a fleet; ``folder`` is its own."""

    def __init__(self, path: Path) -> None:
        (path / "test_for_ever.py").write_text(FLEET_FOR_EVER)
        plugins = ["-p", "tests.conftest", "-p", "tests.system.conftest"]
        options = ["-s", "-c", "/dev/null", "--rootdir", str(path), "-p", "no:cacheprovider"]
        environment = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *plugins, *options, str(path)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if "RUN " in line:
                self.folder = Path(line.split("RUN ")[1].strip())
                return
        raise AssertionError("".join(self.output))

    def end(self, number: int) -> None:
        """Signal it, and see its end."""
        self.process.send_signal(number)
        self.output.append(self.process.communicate(timeout=60)[0])

    def processes(self) -> list[int]:
        """What it has started and lives."""
        mark = f"{RUN_VARIABLE}={self.folder}".encode()
        return [pid for pid in all_pids() if mark in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    yield made
    made.process.kill()
    made.process.communicate()
    sweep()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_asked_to_end_takes_its_fleets_down(run: Run, number: int) -> None:
    assert len(run.processes()) > 5
    run.end(number)
    assert run.process.returncode == pytest.ExitCode.INTERRUPTED, run.output
    assert run.processes() == []
    assert not run.folder.exists()


def test_what_a_killed_run_has_left_is_ended_by_the_next(run: Run) -> None:
    run.end(signal.SIGKILL)
    assert len(run.processes()) > 5
    assert run.folder in sweep()
    assert run.processes() == []
    assert not run.folder.exists()


def test_a_run_that_lives_is_left_alone(run: Run) -> None:
    before = run.processes()
    assert run.folder not in sweep()
    assert set(before) <= set(run.processes())


def test_what_a_dead_run_had_beside_its_folder_is_removed_with_it() -> None:
    folder = Path(tempfile.mkdtemp(prefix="ix-run-", dir="/tmp"))
    beside = Path(tempfile.mkdtemp(prefix=f"ix-peer-{folder.name}-", dir="/tmp"))
    (folder / "lock").touch()
    sweep()
    assert not folder.exists()
    assert not beside.exists()
