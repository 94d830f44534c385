"""Keeps trying to be connected with one peer."""

import asyncio
import random
import ssl
from collections.abc import Coroutine
from typing import Protocol

from interrex.core.ids import WorkerName
from interrex.runtime.link import Link, Role
from interrex.runtime.peer_process import is_trusted
from interrex.runtime.peer_socket import (
    Address,
    Credentials,
    TcpAddress,
    UnixAddress,
    connect_unix,
    peer_credentials,
)

FIRST_DELAY_S = 0.005
MAX_DELAY_S = 1.0
CONNECT_S = 2.0
STEADY_S = 1.0
"""A connection that lived at least this long is tried again without any delay."""


class DialerOwner(Protocol):
    """What a dialer asks of and tells the transport it belongs to."""

    @property
    def client_context(self) -> ssl.SSLContext | None: ...

    def is_connected(self, peer: WorkerName) -> bool: ...

    def new_link(
        self, role: Role, peer: WorkerName | None, credentials: Credentials | None
    ) -> Link: ...

    def peer_faulted(self, peer: WorkerName, kind: str, reason: str) -> None:
        """Something other than nobody being there."""


class Dialer:
    """Dials a peer, or knocks on its door, whenever there is no connection.

    At once when it starts, when a connection that was steady is lost, and when ``poke`` is
    called; else after 5 ms, doubled up to 1 s, each shortened at random by up to a half.

    Args:
        role: dial or knock.
    """

    def __init__(
        self,
        owner: DialerOwner,
        role: Role,
        peer: WorkerName,
        address: Address,
        rng: random.Random,
    ) -> None:
        self.address = address
        self._owner = owner
        self._role = role
        self._peer = peer
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._failures = 0
        self._again = False
        self._connecting: set[asyncio.Task[object]] = set()
        self._task = self._loop.create_task(self._run(), name=f"dial {peer}")
        self._task.add_done_callback(self._ended)

    def poke(self) -> None:
        """Try now: something tells that the peer is there, whatever we believe."""
        self._failures = 0
        self._again = True
        self._changed.set()

    def connection_changed(self) -> None:
        """The peer was connected, which is what a poke was for, or lost."""
        if self._owner.is_connected(self._peer):
            self._again = False
        self._changed.set()

    async def close(self) -> None:
        """Stops trying."""
        self._task.cancel()
        await asyncio.wait([self._task, *self._connecting])

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nobody else would notice that a peer is not looked for any more."""
        if not task.cancelled() and (error := task.exception()):
            message = f"looking for {self._peer} ended unexpectedly"
            self._loop.call_exception_handler({"message": message, "exception": error})

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            if self._owner.is_connected(self._peer) and not self._again:
                began = self._loop.time()
                await self._changed.wait()
                if self._loop.time() - began >= STEADY_S:
                    self._failures = 0
            elif self._failures and not self._again:
                await self._pause()
            else:
                await self._try()

    async def _pause(self) -> None:
        delay = min(FIRST_DELAY_S * 2 ** min(self._failures - 1, 16), MAX_DELAY_S)
        try:
            async with asyncio.timeout(delay * self._rng.uniform(0.5, 1.0)):
                await self._changed.wait()
        except TimeoutError:
            self._again = True

    async def _try(self) -> None:
        self._again = False
        self._failures += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connect()
        except ssl.SSLError as error:
            self._owner.peer_faulted(self._peer, "failed_handshakes", f"TLS failed: {error}")
        except OSError:
            # Nobody there, or not reachable: the usual reason to be here.
            return

    async def _connect(self) -> None:
        if isinstance(self.address, UnixAddress):
            await self._connect_unix(self.address)
        else:
            await self._connect_tcp(self.address)

    async def _connect_unix(self, address: UnixAddress) -> None:
        sock = connect_unix(address.path)
        credentials = peer_credentials(sock)
        link = self._owner.new_link(self._role, self._peer, credentials)
        if is_trusted(credentials):
            # Not create_unix_connection: uvloop takes charge of the socket too late there, and
            # a link that ends before that has its descriptor closed twice.
            connecting = self._loop.connect_accepted_socket(lambda: link, sock)
            await _settle(link, self._never_cancelled(connecting))
            return
        sock.close()
        link.discard()
        reason = f"its socket belongs to uid {credentials.uid}"
        self._owner.peer_faulted(self._peer, "strange_users", reason)

    async def _never_cancelled(self, connecting: Coroutine[object, object, object]) -> None:
        """Cancelling uvloop just then leaks the connection; on one host it takes no time anyway."""
        task = self._loop.create_task(connecting)
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        await asyncio.shield(task)

    async def _connect_tcp(self, address: TcpAddress) -> None:
        link = self._owner.new_link(self._role, self._peer, None)
        context = self._owner.client_context
        if context is None:
            link.discard()
            reason = "it is on another host, and this worker has no TLS files"
            self._owner.peer_faulted(self._peer, "missing_tls", reason)
            return
        connecting = self._loop.create_connection(
            lambda: link, address.address, address.port, ssl=context, server_hostname=""
        )
        await _settle(link, connecting)


async def _settle(link: Link, connecting: Coroutine[object, object, object]) -> None:
    """Waits until the link is greeted or has ended; leaves nothing behind when cancelled."""
    try:
        await connecting
        await link.settled
    finally:
        if not link.settled.done():
            link.abort()
        if not link.is_connected:
            link.discard()
