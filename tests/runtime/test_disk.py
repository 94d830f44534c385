"""The disk writer: order, group commit, a full disk, a failing one, a slow one."""

import asyncio
import errno
import gc
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interrex.core.errors import InvariantViolation
from interrex.core.storage import Stored
from interrex.runtime.disk import Writer
from interrex.runtime.disk_file import DiskFailed, DiskFull
from interrex.runtime.log_store import LogStore
from tests.runtime.faulty_disk import Faults, HeldSync
from tests.runtime.log_samples import SMALL_HALF, append, reload, vote

Heard = tuple[str, object]


class Listener:
    """Keeps what the writer tells, in order."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()

    def persisted(self, token: int) -> None:
        self.heard.put_nowait(("persisted", token))

    def disk_full(self, error: DiskFull) -> None:
        self.heard.put_nowait(("full", error))

    def disk_failed(self, error: Exception) -> None:
        self.heard.put_nowait(("failed", error))


class Bench:
    """A writer over a log whose disk can be made to fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults = Faults()
        self.listener = Listener()
        store = LogStore(folder, open_file=self.faults.open, half_bytes=SMALL_HALF)
        store.load()
        self.writer = Writer(store, self.listener, asyncio.get_running_loop(), retry_s=0.001)

    async def next(self) -> Heard:
        return await self.listener.heard.get()

    @property
    def syncs(self) -> int:
        return self.faults.calls["sync"]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.faults.failing.clear()
    if isinstance(bench.faults.on_sync, HeldSync):
        bench.faults.on_sync.released.release(1000)
    assert bench.writer.close()
    assert not any(thread.name == "disk-writer" for thread in threading.enumerate())
    gc.collect()


async def test_a_record_is_on_disk_when_it_is_answered(bench: Bench) -> None:
    bench.writer.submit(1, [vote(1)])
    assert await bench.next() == ("persisted", 1)
    assert reload(bench.folder) == Stored({"vote": b"1"})


async def test_what_queues_while_the_disk_is_slow_is_stored_with_one_sync(bench: Bench) -> None:
    held = bench.faults.on_sync = HeldSync()
    before = bench.syncs
    bench.writer.submit(1, [append(1)])
    await asyncio.to_thread(held.entered.acquire)  # the loop goes on meanwhile
    for token in range(2, 50):
        bench.writer.submit(token, [append(token)])
    held.released.release(2)
    assert [await bench.next(), await bench.next()] == [("persisted", 1), ("persisted", 49)]
    assert bench.syncs == before + 2
    assert len(reload(bench.folder).entries) == 49


async def test_nothing_is_answered_before_its_sync_has_returned(bench: Bench) -> None:
    held = bench.faults.on_sync = HeldSync()
    bench.writer.submit(1, [vote(1)])
    await asyncio.to_thread(held.entered.acquire)
    await asyncio.to_thread(bool)  # a whole trip to a thread and back
    assert bench.listener.heard.empty()
    held.released.release()
    assert await bench.next() == ("persisted", 1)


async def test_a_full_disk_is_told_once_and_everything_is_stored_when_there_is_space(
    bench: Bench,
) -> None:
    bench.faults.failing["reserve"] = errno.ENOSPC
    bench.writer.submit(1, [append(1, b"x" * SMALL_HALF)])
    bench.writer.submit(2, [vote(1)])
    kind, error = await bench.next()
    assert kind == "full"
    assert isinstance(error, DiskFull)
    bench.writer.submit(3, [vote(2)])
    bench.faults.failing.clear()
    while (heard := await bench.next())[1] != 3:
        assert heard[0] == "persisted"
    stored = reload(bench.folder)
    assert (stored.facts, len(stored.entries)) == ({"vote": b"2"}, 1)


async def test_what_still_fits_before_a_record_too_large_is_stored(bench: Bench) -> None:
    held = bench.faults.on_sync = HeldSync()
    bench.writer.submit(1, [vote(1)])
    await asyncio.to_thread(held.entered.acquire)
    bench.faults.failing["reserve"] = errno.ENOSPC
    bench.writer.submit(2, [vote(2)])
    bench.writer.submit(3, [append(1, b"x" * SMALL_HALF)])
    held.released.release(2)
    assert [await bench.next(), await bench.next()] == [("persisted", 1), ("persisted", 2)]
    assert (await bench.next())[0] == "full"
    assert reload(bench.folder) == Stored({"vote": b"2"})


async def test_a_failed_sync_is_told_and_nothing_follows(bench: Bench) -> None:
    bench.faults.failing["sync"] = errno.EIO
    bench.writer.submit(1, [vote(1)])
    kind, error = await bench.next()
    assert kind == "failed"
    assert isinstance(error, DiskFailed)
    bench.faults.failing.clear()
    bench.writer.submit(2, [vote(2)])
    assert bench.writer.close()
    assert bench.listener.heard.empty()


async def test_records_that_break_an_invariant_stop_the_node(bench: Bench) -> None:
    bench.writer.submit(1, [append(7)])
    kind, error = await bench.next()
    assert kind == "failed"
    assert isinstance(error, InvariantViolation)


async def test_closing_stores_what_is_queued(bench: Bench) -> None:
    for token in range(1, 20):
        bench.writer.submit(token, [append(token)])
    assert bench.writer.close()
    assert len(reload(bench.folder).entries) == 19


async def test_closing_gives_up_what_a_full_disk_does_not_take(bench: Bench) -> None:
    bench.faults.failing["reserve"] = errno.ENOSPC
    bench.writer.submit(1, [append(1, b"x" * SMALL_HALF)])
    assert (await bench.next())[0] == "full"
    assert bench.writer.close()
    assert reload(bench.folder) == Stored()


async def test_closing_does_not_wait_for_ever_for_a_disk_that_hangs(bench: Bench) -> None:
    held = bench.faults.on_sync = HeldSync()
    bench.writer.submit(1, [vote(1)])
    await asyncio.to_thread(held.entered.acquire)
    assert not bench.writer.close(timeout_s=0.01)


async def test_a_loop_that_is_gone_is_not_told(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.load()
    gone = asyncio.new_event_loop()
    gone.close()
    writer = Writer(store, Listener(), gone)
    writer.submit(1, [vote(1)])
    assert writer.close()
    assert reload(tmp_path) == Stored({"vote": b"1"})
