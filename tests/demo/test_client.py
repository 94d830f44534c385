"""The client's rules: when a request is asked again, and what its end is called."""

import asyncio
import socket

import pytest

from interrex.demo.client import Client, Ending, ask_once_or_twice
from interrex.demo.connection import Ask, Broken, Reply
from tests.demo.servers import OK, read_request, serving

GET = Ask("GET", "/")
POST = Ask("POST", "/orders", b"{}")
PATIENCE_S = 60.0
"""Nothing is late by it, however slow the machine is."""


class Scripted:
    """Answers, or raises, one thing after the other; remembers who asked for a fresh connection."""

    def __init__(self, *script: Reply | Exception) -> None:
        self._script = list(script)
        self.fresh: list[bool] = []

    async def send(self, ask: Ask, *, fresh: bool = False) -> Reply:
        self.fresh.append(fresh)
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


async def test_a_get_is_asked_once_more_on_a_fresh_connection() -> None:
    sender = Scripted(Broken(False, "reset"), Reply(200, b"ok"))
    result = await ask_once_or_twice(sender, GET, PATIENCE_S)
    assert result.reply == Reply(200, b"ok")
    assert result.retried
    assert sender.fresh == [False, True]


async def test_a_get_is_not_asked_a_third_time() -> None:
    sender = Scripted(Broken(False, "reset"), Broken(False, "reset"), Reply(200, b"ok"))
    result = await ask_once_or_twice(sender, GET, PATIENCE_S)
    assert (result.reply, result.ending, result.retried) == (None, Ending.BROKEN, True)


async def test_a_get_whose_answer_had_begun_is_not_asked_again() -> None:
    sender = Scripted(Broken(True, "reset"), Reply(200, b"ok"))
    result = await ask_once_or_twice(sender, GET, PATIENCE_S)
    assert (result.ending, result.retried) == (Ending.BROKEN, False)
    assert "in the middle of its answer" in result.reason


async def test_a_post_is_never_asked_again() -> None:
    sender = Scripted(Broken(False, "reset"), Reply(201, b"ok"))
    result = await ask_once_or_twice(sender, POST, PATIENCE_S)
    assert (result.ending, result.retried) == (Ending.BROKEN, False)
    assert len(sender.fresh) == 1


async def test_an_error_status_is_an_answer_like_any_other() -> None:
    sender = Scripted(Reply(503, b""), Reply(200, b"ok"))
    result = await ask_once_or_twice(sender, GET, PATIENCE_S)
    assert result.reply == Reply(503, b"")
    assert not result.retried


async def test_nobody_listening_is_no_broken_connection() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = await ask_once_or_twice(Client.to_port("127.0.0.1", port), GET, PATIENCE_S)
    assert (result.ending, result.retried) == (Ending.REFUSED, False)


async def test_an_answer_that_never_comes_is_late() -> None:
    async def silent(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()

    async with serving(silent) as client:
        result = await ask_once_or_twice(client, GET, 0.01)
    assert (result.ending, result.retried) == (Ending.LATE, False)


async def test_a_real_connection_that_breaks_before_the_first_byte_is_retried() -> None:
    async def first_breaks(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        if number > 0:
            writer.write(OK)
            await writer.drain()

    async with serving(first_breaks) as client:
        result = await ask_once_or_twice(client, GET, PATIENCE_S)
    assert result.reply == Reply(200, b"ok")
    assert result.retried


@pytest.mark.parametrize("begun", [b"H", OK[:20], OK[:-1]])
async def test_a_real_connection_that_breaks_after_the_first_byte_is_not(begun: bytes) -> None:
    async def breaks(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(begun)
        await writer.drain()

    async with serving(breaks) as client:
        result = await ask_once_or_twice(client, GET, PATIENCE_S)
    assert (result.reply, result.ending, result.retried) == (None, Ending.BROKEN, False)


async def test_a_broken_connection_is_not_used_again() -> None:
    async def one_each(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()

    async with serving(one_each) as client:
        for _ in range(40):
            result = await ask_once_or_twice(client, GET, PATIENCE_S)
            assert result.reply == Reply(200, b"ok")
