"""Small misbehaving HTTP servers for the client's tests: each connection follows a script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from interrex.demo.client import Client

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Handler = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request's head; its body, which the head announces, is read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
    return head


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Client]:
    """A client of a server whose nth connection (from 0) is given to the handler."""
    count = 0
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        number, count = count, count + 1
        connections.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):  # the client has gone
                await handler(number, reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    client = Client.to_port("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield client
    finally:
        client.close()
        server.close()
        if connections:
            await asyncio.wait(connections)
