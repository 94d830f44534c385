"""One connection: keeping it alive, giving it up, and the shapes of answers."""

import asyncio

import pytest

from interrex.demo import client as client_module
from interrex.demo.connection import Ask, Broken, Connection, Reply
from tests.demo.servers import OK, read_request, serving

GET = Ask("GET", "/")


async def test_connections_are_kept_alive_and_taken_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "CONNECTIONS", 3)
    asked: list[int] = []

    async def many(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            asked.append(number)
            writer.write(OK)

    async with serving(many) as client:
        for _ in range(9):
            assert await client.send(GET) == Reply(200, b"ok")
    assert asked == [0, 1, 2] * 3


async def test_a_connection_is_given_up_after_its_share_of_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "CONNECTIONS", 1)
    monkeypatch.setattr(client_module, "EXCHANGES_EACH", 2)
    asked: list[int] = []

    async def many(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            asked.append(number)
            writer.write(OK)

    async with serving(many) as client:
        for _ in range(5):
            await client.send(GET)
    assert asked == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (OK, Reply(200, b"ok")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            Reply(200, b"ok"),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Reply(200, b"ok")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Reply(204, b"")),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", Reply(200, b"to the end")),
    ],
)
async def test_every_shape_of_answer_is_read_whole(answer: bytes, reply: Reply) -> None:
    async def byte_by_byte(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        for offset in range(len(answer)):
            writer.write(answer[offset : offset + 1])
            await writer.drain()

    async with serving(byte_by_byte) as client:
        assert await client.send(GET) == reply


async def test_nonsense_breaks_the_connection() -> None:
    async def nonsense(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await reader.read()

    async with serving(nonsense) as client:
        with pytest.raises(Broken, match="not HTTP") as broken:
            await client.send(GET)
    assert broken.value.begun


async def test_a_server_that_speaks_unasked_loses_the_connection() -> None:
    hung_up = asyncio.Event()

    async def impatient(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await reader.read()
        hung_up.set()

    async with serving(impatient) as client:
        assert await client.send(GET) == Reply(200, b"ok")
        await hung_up.wait()


async def test_a_closed_connection_is_known_to_be_of_no_use() -> None:
    connection = Connection("test")
    assert not connection.usable
    with pytest.raises(Broken, match="closed while idle") as broken:
        await connection.exchange(GET)
    assert not broken.value.begun
