"""The sample API's answers leave whole: who is killed in between leaves no half of one."""

import asyncio
from pathlib import Path

from uvicorn import Config
from uvicorn.server import ServerState

from interrex.demo.orders import OrderBook
from interrex.demo.serving import WholeAnswers
from interrex.demo.shop import shop


class Noting(asyncio.Transport):
    """A transport that keeps every write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.ended = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.ended.set()

    def is_closing(self) -> bool:
        return self.ended.is_set()


async def test_head_and_body_are_one_write_also_where_the_connection_ends_with_them(
    tmp_path: Path,
) -> None:
    config = Config(shop(OrderBook(tmp_path / "orders.db")), log_level="warning")
    config.load()
    protocol = WholeAnswers(config, ServerState(), {})
    transport = Noting()
    protocol.connection_made(transport)
    protocol.data_received(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(60):
        await transport.ended.wait()
    (answer,) = transport.writes
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok\n")
