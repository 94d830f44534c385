"""A socket proxy that stands between two workers: packet filters do not see Unix sockets.

It listens where one worker dials another and forwards each direction separately, so that a
network's one-way faults can be played on one machine.
"""

import asyncio
from pathlib import Path
from typing import cast

from interrex.runtime.peer_socket import connect_unix, listen_unix


class Direction:
    """The bytes that flow one way, of all connections.

    Attributes:
        delay_s: how much later everything arrives, in order.
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._dropping = False
        self._held: list[tuple[_End, bytes]] = []

    def pause(self) -> None:
        """Keep what comes until ``resume``."""
        self._paused = True

    def drop(self) -> None:
        """Throw away what comes until ``resume``: a stream with a hole is garbage to its reader."""
        self._dropping = True

    def resume(self) -> None:
        """Forward again, what was kept first."""
        self._paused = self._dropping = False
        held, self._held = self._held, []
        for end, data in held:
            end.write(data)

    def carry(self, end: "_End", data: bytes) -> None:
        if self._dropping:
            return
        if self._paused:
            self._held.append((end, data))
        elif self.delay_s:
            self._loop.call_later(self.delay_s, end.write, data)
        else:
            end.write(data)


class _End(asyncio.Protocol):
    """One end of a forwarded connection."""

    def __init__(self, proxy: "UnixProxy", outgoing: Direction) -> None:
        self._proxy = proxy
        self._outgoing = outgoing
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._gone = False
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._proxy.ends.add(self)
        if self._gone:
            self._transport.abort()
            return
        for data in self._early:
            self._transport.write(data)
        if self.other is None:
            self.other = self._proxy.connect(self)

    def data_received(self, data: bytes) -> None:
        if self.other:
            self._outgoing.carry(self.other, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._proxy.ends.discard(self)
        if self.other:
            self.other.end()

    def write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)
        elif not self._gone:
            self._early.append(data)

    def end(self) -> None:
        self._gone = True
        if self._transport:
            self._transport.abort()


class UnixProxy:
    """Listens at one path and forwards to another.

    Args:
        path: where to listen, in a folder of mode 0700.
        target: where the worker really listens; dialed for every caller.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self.target = target
        self.forward = Direction()
        """From the one who dialed to the target."""
        self.back = Direction()
        """From the target to the one who dialed."""
        self.ends: set[_End] = set()
        self.refusing = False
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await self._loop.create_unix_server(
            lambda: _End(self, self.forward), sock=listen_unix(self.path)
        )

    def connect(self, caller: _End) -> _End:
        """Dials the target for a caller."""
        end = _End(self, self.back)
        end.other = caller
        task = self._loop.create_task(self._dial(caller, end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return end

    async def _dial(self, caller: _End, end: _End) -> None:
        try:
            if self.refusing:
                raise ConnectionRefusedError
            sock = connect_unix(self.target)
            await self._loop.connect_accepted_socket(lambda: end, sock)
        except OSError:
            caller.end()

    def reset(self) -> None:
        """Cuts every open connection, both ways."""
        for end in list(self.ends):
            end.end()

    async def close(self) -> None:
        if self._server:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
