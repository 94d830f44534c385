"""The HTTP socket's clients that take their time: what they do not read does not pile up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bench.run_folder import run_folder
from interrex.core.ids import WorkerName
from interrex.runtime import api
from interrex.runtime.api import MAX_UNREAD, ApiServer
from interrex.runtime.journal import Event
from interrex.runtime.questions import ChangeBody, Leadership, Outcome, StepDownBody

KILOBYTE = "x" * 1000
BURST = 100
MANY = 5000
ENOUGH_BYTES = 4 * 1024 * 1024
"""More than the sockets' own buffers and what asyncio takes on top of them."""


class Talker:
    """A worker that always has more to say; counts what it was asked for."""

    def __init__(self) -> None:
        self.said = 0
        self.unled = asyncio.Event()
        self.clients: list[asyncio.StreamWriter] = []
        self.faults: Counter[str] = Counter()

    def status_document(self) -> bytes:
        self.said += 1
        return b'"%s"' % KILOBYTE.encode()

    def spec_document(self) -> bytes:
        return b"{}"

    def is_healthy(self) -> bool:
        return True

    async def leader_above(self, epoch: int) -> Leadership:
        await self.unled.wait()
        raise AssertionError("nobody leads")

    async def confirm(self) -> Outcome:
        return Outcome(ok=True, text="")

    async def change(self, body: ChangeBody) -> Outcome:
        return Outcome(ok=True, text="")

    async def step_down(self, body: StepDownBody) -> Outcome:
        return Outcome(ok=True, text="")

    async def begin_anew(self) -> Outcome:
        return Outcome(ok=True, text="")

    async def leave(self) -> Outcome:
        return Outcome(ok=True, text="")

    def new_events(self) -> Callable[[], list[Event]]:
        return self._burst

    def _burst(self) -> list[Event]:
        self.said += BURST
        event = Event(time=1.0, by=WorkerName("worker-1"), kind="test", text=KILOBYTE)
        return [event] * BURST


@pytest.fixture
async def talker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talker]:
    monkeypatch.setattr(api, "EVENTS_POLL_S", 0)
    talker = Talker()
    server = ApiServer(talker)
    talker.faults = server.counters
    await server.start(socket_path())
    yield talker
    for client in talker.clients:
        client.transport.abort()
    server.close()
    socket_path().unlink(missing_ok=True)  # from Python 3.13 on asyncio does it


def socket_path() -> Path:
    return run_folder() / "api.sock"


async def connect(
    talker: Talker, request: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that asks, and reads little more than it is told to."""
    reader, writer = await asyncio.open_unix_connection(str(socket_path()), limit=4096)
    talker.clients.append(writer)
    writer.write(request)
    return reader, writer


async def until_it_stands_still(talker: Talker) -> None:
    """Until nothing more was said in a thousand turns of the loop."""
    before, turns = -1, 0
    while turns < 1000:
        turns = turns + 1 if talker.said == before else 0
        before = talker.said
        assert talker.said * len(KILOBYTE) < ENOUGH_BYTES, "it piles up"
        await asyncio.sleep(0)


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def test_a_slow_reader_of_events_is_waited_for_and_others_are_answered(
    talker: Talker,
) -> None:
    reader, _ = await connect(talker, get("/v1/events"))
    await reader.readuntil(b"data: ")
    await until_it_stands_still(talker)
    said = talker.said
    others_reader, _ = await connect(talker, get("/v1/healthz"))
    assert (await others_reader.readline()).startswith(b"HTTP/1.1 200")
    while talker.said == said:  # it is given more as soon as it reads
        assert await reader.read(65536)


async def test_answers_that_nobody_reads_are_not_made(talker: Talker) -> None:
    reader, _ = await connect(talker, get("/v1/status") * MANY)
    await until_it_stands_still(talker)
    assert talker.said < MANY
    seen = 0
    while seen < MANY:
        await reader.readuntil(b"HTTP/1.1 200")
        seen += 1
    assert talker.said == MANY


async def test_questions_behind_one_that_waits_are_not_taken_in_without_end(
    talker: Talker,
) -> None:
    _, writer = await connect(talker, get("/v1/leader?above=7"))
    sent = 0
    while writer.transport.get_write_buffer_size() == 0:  # until the server takes no more
        writer.write(get("/v1/healthz") * 100)
        sent += 1
        assert sent * 4000 < ENOUGH_BYTES + MAX_UNREAD, "it piles up"
        for _ in range(20):
            await asyncio.sleep(0)
    talker.unled.set()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400"),
        (b"POST /v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]", b"HTTP/1.1 400"),
        (
            b"POST /v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
            + b"x" * 2_000_000,
            b"HTTP/1.1 413",
        ),
        (
            b"POST /v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 25\r\n\r\n"
            b'{"id":"","operations":[]}',
            b"HTTP/1.1 400",
        ),
        (get("/v1/leader?above=the-last"), b"HTTP/1.1 400"),
        (get("/v1/leader?above=" + 5000 * "9"), b"HTTP/1.1 400"),
    ],
    ids=["no HTTP", "no change", "too long", "no id", "no epoch", "an endless epoch"],
)
async def test_what_makes_no_sense_is_answered_and_counted(
    talker: Talker, sent: bytes, answer: bytes
) -> None:
    reader, _ = await connect(talker, get("/v1/healthz"))
    await reader.readuntil(b"}")
    assert not talker.faults
    reader, _ = await connect(talker, sent)
    assert (await reader.readline()).startswith(answer)
    assert talker.faults == {"bad_requests": 1}
