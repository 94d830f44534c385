"""The examples do what they say, with real processes, whoever elects."""

import asyncio
import importlib.util
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import interrex
from interrex.elections.embedding import EMBEDDED
from interrex.library.backends import COORDINATED, LOCAL
from interrex.library.errors import OtherCluster, StaleEpoch
from interrex.library.guards import sql
from tests.library.contract.arenas import Arena, arena_of
from tests.library.members import Places

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


async def test_of_two_crons_one_runs_the_job(arena: Arena, start: Started, tmp_path: Path) -> None:
    """As a program each waits for its turn only a second; here the first one has as long as it
    takes."""
    ran = tmp_path / "ran"
    job = ["sh", "-c", f"echo $INTERREX_EPOCH >> {ran}"]
    url = arena.election().patient_url(0)
    first = asyncio.create_task(example("cron_once").run_once(url, job, 60.0, 120.0))
    while not (ran.exists() and ran.read_text().strip()):
        assert not first.done(), first
        await asyncio.sleep(0.01)
    second = start("cron_once.py", url, *job)
    assert await asyncio.to_thread(second.wait) == 0
    assert len(ran.read_text().split()) == 1
    assert not first.done(), first
    first.cancel()
    await asyncio.wait([first])


def test_a_queue_is_read_on_by_the_next_reader(url: str, start: Started, tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    database = sqlite3.connect(path, timeout=60)
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


def example(name: str) -> Any:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """``queue.db`` with one item; whoever has been admitted to it is newer than anybody."""
    with closing(sqlite3.connect(tmp_path / "queue.db", timeout=0)) as database:
        database.execute(example("queue_reader").TABLE)
        database.execute(sql.SCHEMA)
        database.execute("INSERT INTO item (done_by) VALUES (NULL)")
        sql.admit(database.cursor(), "queue", 2**63 - 1)
        database.commit()
        yield database


async def test_a_reader_that_is_not_the_newest_waits_for_its_next_turn(
    url: str, queue: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, refused = example("queue_reader"), asyncio.Event()
    take = module.take

    def taking(database: sqlite3.Connection, reader: str, epoch: int) -> bool:
        try:
            found: bool = take(database, reader, epoch)
        except StaleEpoch:
            refused.set()
            raise
        return found

    monkeypatch.setattr(module, "take", taking)
    reading = asyncio.create_task(module.read(url, str(tmp_path / "queue.db"), "a"))
    waiting = asyncio.create_task(refused.wait())
    await asyncio.wait([reading, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert not reading.done(), reading
    with queue:
        queue.execute("UPDATE interrex_epochs SET epoch = 0")
    while queue.execute("SELECT done_by FROM item").fetchone() != ("a",):
        assert not reading.done(), reading
        await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait([reading])


async def test_a_reader_waits_for_one_that_was_stopped_within_its_transaction(
    queue: sqlite3.Connection, tmp_path: Path
) -> None:
    module = example("queue_reader")
    queue.execute("UPDATE interrex_epochs SET epoch = 1")  # in a transaction that does not end
    with closing(sqlite3.connect(tmp_path / "queue.db", timeout=0)) as database:
        reading = asyncio.create_task(module.read_on(database, "b", 2))
        await asyncio.sleep(0)
        assert not reading.done()
        queue.commit()
        while queue.execute("SELECT done_by FROM item").fetchone() != ("b",):
            assert not reading.done(), reading
            await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])


async def test_a_cron_whose_election_cannot_go_on_does_not_end_as_if_all_were_well() -> None:
    places = Places("raft", count=2)
    other = places.url(0).replace("/billing?", "/other?")
    async with interrex.election(other, identity="a"):
        run_once = example("cron_once").run_once
        with pytest.raises(OtherCluster):
            await run_once(places.url(1), ["false"], 60.0, 0.0)


@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_cron_takes_no_election_whose_majority_would_have_to_stay(scheme: str) -> None:
    """The others left after a second, and with the majority went the leader, amid its command."""
    command = [sys.executable, str(EXAMPLES / "cron_once.py"), Places(scheme).url(0), "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("cron_once: take interrex://, etcd://")
    assert len(done.stderr.splitlines()) == 1


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


@pytest.mark.parametrize("scheme", EMBEDDED)
def test_a_pair_that_elects_by_itself_needs_a_third_for_its_majority(
    scheme: str, start: Started, tmp_path: Path
) -> None:
    path, places = tmp_path / "state.txt", Places(scheme)

    def active() -> str:
        return path.read_text().split()[2] if path.exists() else ""

    programs = {
        name: start("failover_pair.py", places.url(place), name, 2 - place, path)
        for place, name in enumerate(("main", "spare", "third"))
    }
    until(lambda: active() in programs)
    first = active()
    programs.pop(first).send_signal(signal.SIGKILL)
    until(lambda: active() in programs)
    count, _, _, _, epoch = path.read_text().split()
    assert int(count) > 1
    assert int(epoch) > 0
