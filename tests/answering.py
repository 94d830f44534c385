"""Servers that say the same to everybody, whatever they are asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

Answer = Callable[[bytes], bytes]


class Says(asyncio.Protocol):
    """Answers everything alike."""

    def __init__(self, answer: Answer, open_ones: "set[asyncio.BaseTransport]") -> None:
        self._answer, self._open = answer, open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._open.add(transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer(data))

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self._transport)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    """A server that says the same to everybody, on the port that is given."""
    transports: set[asyncio.BaseTransport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Says(answer, transports), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for transport in transports:
            transport.close()


def http(body: bytes, status: bytes = b"200 OK") -> Answer:
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return lambda request: head + body


OLD_ETCD = http(b'{"etcdserver":"3.3.27","etcdcluster":"3.3.0"}')
"""As far as it is asked for its version."""


GATEWAY = http(b"<html>Bad Gateway</html>", b"502 Bad Gateway")
"""What stands before servers of HTTP says so while it reaches none."""


OLD_ZOOKEEPER: Answer = lambda request: b"Zookeeper version: 3.4.14-4c25d48, built\n"  # noqa: E731
"""As far as it is asked who it is."""
