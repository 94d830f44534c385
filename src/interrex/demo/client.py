"""A client that behaves like a few browsers: kept-alive connections, and one retry of a GET.

A GET whose connection breaks before any byte of its answer is asked once more on a new
connection; nothing else is ever retried (RFC 9110, section 9.2.2: a POST may have been executed).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from interrex.demo.connection import Ask, Broken, Connection, Reply

CONNECTIONS = 16
EXCHANGES_EACH = 100
"""After so many requests a connection is given up for a new one, as browsers come and go."""


class NoConnection(Exception):  # noqa: N818
    """Nobody accepts connections there."""


class Sender(Protocol):
    """Sends one request once."""

    async def send(self, ask: Ask, *, fresh: bool = False) -> Reply:
        """Raises Broken or NoConnection; ``fresh`` asks for a connection never used before."""


class Ending(StrEnum):
    """How a request ended, if not with an answer."""

    BROKEN = "broken"  # the connection, the retry's too if there was one
    REFUSED = "refused"  # nobody listens
    LATE = "late"  # no answer in time


class Result(msgspec.Struct, frozen=True):
    """A request's end: ``reply``, or why there is none."""

    reply: Reply | None
    ending: Ending | None = None
    retried: bool = False
    reason: str = ""


async def ask_once_or_twice(sender: Sender, ask: Ask, timeout_s: float) -> Result:
    """Send a request, and a GET once more if its connection broke before the answer began."""
    retried = False
    try:
        async with asyncio.timeout(timeout_s):
            try:
                return Result(await sender.send(ask))
            except Broken as broken:
                if ask.method != "GET" or broken.begun:
                    raise
                retried = True
                return Result(await sender.send(ask, fresh=True), retried=True)
    except Broken as broken:
        when = "in the middle of its answer" if broken.begun else "before its answer"
        reason = f"the connection broke {when} ({broken})"
        return Result(None, Ending.BROKEN, retried, reason)
    except NoConnection as error:
        return Result(None, Ending.REFUSED, retried, str(error))
    except TimeoutError:
        return Result(None, Ending.LATE, retried, f"no answer in {timeout_s:g} s")


class Client:
    """A fixed number of kept-alive connections, used in turn; more while all are busy.

    Args:
        connect: makes a connection; raises OSError where nobody listens.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._idle: deque[Connection] = deque()
        self._busy = 0

    @classmethod
    def to_port(cls, host: str, port: int) -> "Client":
        """A client of a server on TCP."""

        async def connect() -> Connection:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(lambda: Connection(f"{host}:{port}"), host, port)
            return made

        return cls(connect)

    async def send(self, ask: Ask, *, fresh: bool = False) -> Reply:
        """See ``Sender``."""
        self._busy += 1
        connection = None
        try:
            connection = await self._take(fresh)
            return await connection.exchange(ask)
        finally:
            self._busy -= 1
            if connection is not None:
                self._give_back(connection)

    async def _take(self, fresh: bool) -> Connection:
        while self._idle and not self._idle[0].usable:
            self._idle.popleft()
        if self._idle and not fresh and len(self._idle) + self._busy > CONNECTIONS:
            return self._idle.popleft()
        try:
            return await self._connect()
        except OSError as error:
            raise NoConnection(error.strerror or str(error)) from error

    def _give_back(self, connection: Connection) -> None:
        if connection.usable and connection.exchanges < EXCHANGES_EACH:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        while self._idle:
            self._idle.popleft().close()
