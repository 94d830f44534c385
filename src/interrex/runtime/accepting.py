"""A listening socket whose callers cost little until they have greeted."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from interrex.runtime.link import Limits, Link
from interrex.runtime.means import lacks_means
from interrex.runtime.peer_socket import Credentials, peer_credentials

_AT_ONCE = 16
_PAUSE_S = 0.1


class Acceptor:
    """Accepts connections and makes links of them.

    Args:
        sock: listening, taken over.
        make_link: given a Unix socket's credentials (None for TCP); None turns the caller away.
        on_fault: told a counter's name and a reason when a caller never becomes a link.
        context: for TLS; None for plain sockets.
    """

    def __init__(
        self,
        sock: socket.socket,
        limits: Limits,
        make_link: Callable[[Credentials | None], Link | None],
        on_fault: Callable[[str, str], None],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._sock = sock
        self._limits = limits
        self._make_link = make_link
        self._on_fault = on_fault
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._strangers: dict[Link, socket.socket] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop.add_reader(sock, self._on_callers)

    def _on_callers(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._on_accept_error(error)
                return
            sock.setblocking(False)
            self._admit(sock)

    def _on_accept_error(self, error: OSError) -> None:
        """Out of descriptors, the socket stays readable: wait, rather than spin."""
        if not lacks_means(error):
            return
        self._on_fault("accept_errors", f"a caller could not be accepted: {error.strerror}")
        self._loop.remove_reader(self._sock)
        self._pause = self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock, self._on_callers)

    def _admit(self, sock: socket.socket) -> None:
        is_unix = sock.family == socket.AF_UNIX
        link = self._make_link(peer_credentials(sock) if is_unix else None)
        if link is None:
            sock.close()
            return
        if len(self._strangers) >= self._limits.strangers:
            self._on_fault("strangers_cut_off", "too many callers have not greeted")
            self._cut_off(next(iter(self._strangers)))
        self._strangers[link] = sock
        task = self._loop.create_task(self._connect(sock, link))
        self._tasks.add(task)
        task.add_done_callback(partial(self._connected, sock, link))

    def _cut_off(self, link: Link) -> None:
        """By way of the socket: cancelling uvloop while it connects one leaks the connection."""
        with suppress(OSError):
            self._strangers.pop(link).shutdown(socket.SHUT_RDWR)
        link.abort()

    async def _connect(self, sock: socket.socket, link: Link) -> None:
        timeout = self._limits.greeting_s if self._context else None
        await self._loop.connect_accepted_socket(
            lambda: link, sock, ssl=self._context, ssl_handshake_timeout=timeout
        )

    def _connected(self, sock: socket.socket, link: Link, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = task.exception()
        if isinstance(error, OSError):
            self._on_fault("failed_handshakes", f"a caller's TLS handshake failed: {error}")
        elif error:
            self._loop.call_exception_handler({"message": "accepting", "exception": error})
        if error and not link.is_connected:
            sock.close()
            link.discard()

    def greeted(self, link: Link) -> None:
        """This link is no stranger any more, or has ended."""
        self._strangers.pop(link, None)

    async def close(self) -> None:
        """Stops listening; those who have not greeted are cut off."""
        self._loop.remove_reader(self._sock)
        if self._pause:
            self._pause.cancel()
        self._sock.close()
        for link in list(self._strangers):
            self._cut_off(link)
        if self._tasks:
            await asyncio.wait(self._tasks)
