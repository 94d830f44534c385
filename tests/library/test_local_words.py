"""What a program says to workers that come and go: ``interrex:///`` beside a worker of the test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

import interrex
from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.library.errors import NoCluster
from interrex.runtime.clock import now_ns
from interrex.runtime.contest_words import (
    MAX_WORD,
    Ended,
    Follow,
    Leads,
    Now,
    Reply,
    StandDown,
    StandFor,
    StillHere,
    Word,
    decode_word,
    encode_word,
)
from interrex.runtime.frames import FrameReader, encode_frame
from interrex.runtime.layout import Layout


class Worker:
    """Takes one program at a time, and answers only what it is told to."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.lead_socket(WorkerName("worker-1"))
        self._path.parent.mkdir(parents=True)
        self._words: asyncio.Queue[Word] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def begin(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer, frames = writer, FrameReader(MAX_WORD)
        while data := await reader.read(MAX_WORD):
            frames.feed(data)
            while (frame := frames.next_frame()) is not None:
                self._words.put_nowait(decode_word(frame))

    async def hears(self) -> Word:
        """The next word that says something new."""
        while isinstance(word := await self._words.get(), StillHere):
            continue
        return word

    async def greets(self) -> None:
        """Takes whoever follows."""
        assert isinstance(await self.hears(), Follow)
        self.say(Now(None, 0, ()))

    def say(self, reply: Reply) -> None:
        assert self._writer is not None
        self._writer.write(encode_frame(encode_word(reply)))

    def end(self) -> None:
        """As where it is killed."""
        assert self._server is not None
        self._server.close()
        self._path.unlink(missing_ok=True)
        if self._writer is not None:
            self._writer.close()


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    made = await Worker(Layout(tmp_path, "shop")).begin()
    yield made
    made.end()


async def entered(worker: Worker, state: Path) -> interrex.Election:
    """One that asks this worker."""
    election = interrex.election(f"interrex:///shop/billing?state={state}", identity="a")
    entering = asyncio.create_task(election.__aenter__())
    await worker.greets()
    await entering
    return election


async def led(election: interrex.Election) -> None:
    """One turn, until it is over."""
    async with election.lead():
        await asyncio.get_running_loop().create_future()


async def test_a_ticket_is_laid_down_before_the_next_until_a_worker_says_it_is_void(
    worker: Worker, tmp_path: Path
) -> None:
    election = await entered(worker, tmp_path)
    turn = asyncio.create_task(led(election))
    first = await worker.hears()
    assert isinstance(first, StandFor)
    worker.say(Leads(first.ticket, 7, now_ns() + S // 2))
    await turn  # nothing renews it
    assert await worker.hears() == StandDown(first.ticket)
    turn = asyncio.create_task(led(election))
    second = await worker.hears()
    assert isinstance(second, StandFor)
    for _ in range(2):  # as often as workers die before they say so
        worker.end()
        await worker.begin()
        await worker.greets()
        again = [await worker.hears() for _ in range(3)]
        assert isinstance(again[0], StandFor)
        assert isinstance(again[2], StandFor)
        tickets = [again[0].ticket, again[1], again[2].ticket]
        assert tickets == [first.ticket, StandDown(first.ticket), second.ticket]
    worker.say(Ended(first.ticket, "it was withdrawn"))
    worker.say(Leads(second.ticket, 8, now_ns() + S))
    async for view in election.observe():
        if view.epoch == 8:
            break
    worker.end()
    await worker.begin()
    await worker.greets()
    claimed = await worker.hears()
    assert isinstance(claimed, StandFor)
    assert claimed.ticket == second.ticket
    turn.cancel()
    await asyncio.wait([turn])
    await election.__aexit__(None, None, None)


async def test_as_many_as_a_worker_has_callers_may_wait_by_names_as_long_as_they_may_be(
    worker: Worker, tmp_path: Path
) -> None:
    election = await entered(worker, tmp_path)
    names = tuple(f"{number:0200}" for number in range(1024))
    worker.say(Now("b", 7, names))
    async for view in election.observe():
        if view.epoch == 7:
            break
    assert tuple(election.waiting()) == names
    await election.__aexit__(None, None, None)


async def test_where_no_worker_answers_the_program_is_told_so(
    worker: Worker, tmp_path: Path
) -> None:
    """Of a fleet that was taken down the folders are left; one whose workers hang takes callers."""
    url = f"interrex:///shop/billing?state={tmp_path}&patience=0.05"
    for _ in range(2):
        with pytest.raises(NoCluster, match=r"(?s)within 0.05 s.*interrex up FILE"):
            await interrex.election(url).__aenter__()
        worker.end()
    await worker.begin()


async def test_a_worker_is_waited_for_that_is_about_to_begin(
    worker: Worker, tmp_path: Path
) -> None:
    worker.end()
    election = interrex.election(f"interrex:///shop/billing?state={tmp_path}&patience=60")
    entering = asyncio.create_task(election.__aenter__())
    await asyncio.sleep(0)
    await worker.begin()
    await worker.greets()
    await entering
    await election.__aexit__(None, None, None)
