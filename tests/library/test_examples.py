"""The examples do what they say, with real processes, whoever elects."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from interrex.library.backends import COORDINATED, LOCAL
from tests.library.contract.arenas import Arena, arena_of

EXAMPLES = Path(__file__).parents[2] / "examples" / "library"


@pytest.fixture(scope="module", params=(LOCAL, *COORDINATED))
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """Every backend whose members have one URL in common."""
    with arena_of(request.param) as arena:
        yield arena


@pytest.fixture
def url(arena: Arena) -> str:
    return arena.election().url(0)


class Started:
    """Example programs of one test, ended with it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, name: str, *arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
        process = self._stack.enter_context(subprocess.Popen(command))
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def start() -> Iterator[Started]:
    with ExitStack() as stack:
        yield Started(stack)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.01)


def test_of_two_crons_one_runs_the_job(url: str, start: Started, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    job = ("sh", "-c", f"echo $INTERREX_EPOCH >> {ran}")
    first = start("cron_once.py", url, *job)
    until(lambda: ran.exists() and ran.read_text().strip() != "")
    second = start("cron_once.py", url, *job)
    assert second.wait(30) == 0
    assert len(ran.read_text().split()) == 1
    assert first.poll() is None


def test_a_queue_is_read_on_by_the_next_reader(url: str, start: Started, tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    database = sqlite3.connect(path, timeout=30)
    database.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, done_by TEXT)")
    database.commit()

    def add() -> None:
        database.execute("INSERT INTO item (done_by) VALUES (NULL)")
        database.commit()

    def readers() -> list[str]:
        return [name for (name,) in database.execute("SELECT done_by FROM item ORDER BY id")]

    processes = {name: start("queue_reader.py", url, path, name) for name in ("a", "b")}
    add()
    until(lambda: None not in readers())
    (first,) = readers()
    processes[first].send_signal(signal.SIGKILL)
    add()
    until(lambda: None not in readers())
    assert sorted(readers()) == ["a", "b"]
    database.close()


def test_of_a_pair_the_second_takes_over(url: str, start: Started, tmp_path: Path) -> None:
    path = tmp_path / "state.txt"

    def active() -> str:
        return path.read_text().split()[2] if path.exists() else ""

    main = start("failover_pair.py", url, "main", 2, path)
    until(lambda: active() == "main")
    start("failover_pair.py", url, "spare", 1, path)
    main.send_signal(signal.SIGKILL)
    until(lambda: active() == "spare")
    count, _, _, _, epoch = path.read_text().split()
    assert int(count) > 1
    assert int(epoch) > 0
