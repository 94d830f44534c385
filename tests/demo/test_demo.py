"""The demo itself, played for real; and nothing of it is left, however it ends."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from interrex.demo.faults import Kind
from interrex.runtime.procfs import all_pids, children_of

_PLAY = """\
import asyncio, sys
from interrex.demo.performance import Options, perform
from interrex.demo.stage import PlainStage
options = Options(seed=int(sys.argv[1]), once=sys.argv[2] == "once", pace=0.25)
sys.exit(asyncio.run(perform(options, PlainStage())))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short temporary folder, in which the demo makes its own."""
    made = Path(tempfile.mkdtemp(prefix="ixt-"))
    yield made
    shutil.rmtree(made)


@contextmanager
def _started(
    folder: Path, *arguments: str, program: str = _PLAY
) -> Iterator[subprocess.Popen[str]]:
    """A demo; killed at the end if it is still there, which its guard is there for."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        try:
            yield demo
        finally:
            demo.kill()


def _await_line(demo: subprocess.Popen[str], words: str) -> str:
    """Read until a line with these words; everything read."""
    assert demo.stdout is not None
    read = ""
    for line in demo.stdout:
        read += line
        if words in line:
            return read
    raise AssertionError(f"the demo never said {words!r}:\n{read}")


def _left_of(folder: Path) -> list[str]:
    """The command lines of processes that belong to a demo in this folder, and its files."""
    left = [str(path) for path in folder.iterdir()]
    for pid in all_pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words:
            left.append(words.decode())
    return left


def test_the_whole_story_is_told_and_nothing_fails(folder: Path) -> None:
    with _started(folder, "1", "once") as demo:
        told, _ = demo.communicate()
    assert demo.returncode == 0, told
    for kind in Kind:
        assert f"kill {kind}: SIGKILL to" in told
    assert "and no request failed" in told
    assert "acknowledged orders were read back as placed" in told
    assert _left_of(folder) == []


def test_ctrl_c_takes_the_fleet_down(folder: Path) -> None:
    with _started(folder, "2", "stay") as demo:
        _await_line(demo, "1/7")
        demo.send_signal(signal.SIGINT)
        told, _ = demo.communicate()
    assert demo.returncode == 130, told
    assert "All of it is down" in told
    assert _left_of(folder) == []


def test_a_demo_that_is_killed_leaves_nothing_behind(folder: Path) -> None:
    with _started(folder, "3", "stay") as demo:
        _await_line(demo, "1/7")
        handles = [
            os.pidfd_open(pid)
            for pid in children_of(demo.pid)
            if b"interrex.demo." in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(handles) == 2  # the guard and the load client
        demo.kill()
    for handle in handles:
        select.select([handle], [], [])
        os.close(handle)
    assert _left_of(folder) == []


def test_a_demo_that_cannot_be_played_says_why(folder: Path) -> None:
    no_ports = _PLAY.replace("import asyncio", "import interrex.demo.fleet as fleet, asyncio", 1)
    no_ports = no_ports.replace("options =", "fleet.PORTS_TRIED = 0\noptions =", 1)
    with _started(folder, "4", "once", program=no_ports) as demo:
        told, _ = demo.communicate()
    assert demo.returncode == 1
    assert "are all taken" in told
    assert _left_of(folder) == []
