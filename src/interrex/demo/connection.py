"""One HTTP/1.1 client connection on asyncio: one request at a time, kept alive between them.

h11 reads the answer; this file knows what a retry depends on: whether a byte of it had come when
the connection broke.
"""

import asyncio
from typing import cast

import h11
import msgspec


class Ask(msgspec.Struct, frozen=True):
    """A request; ``body`` is sent as JSON unless it is empty."""

    method: str
    target: str
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes


class Broken(Exception):  # noqa: N818
    """The connection ended before the whole answer had come.

    ``begun``: at least one byte of it had.
    """

    def __init__(self, begun: bool, reason: str) -> None:
        super().__init__(reason)
        self.begun = begun


class Connection(asyncio.Protocol):
    """Made by ``create_connection``; then ``exchange`` as often as ``usable``.

    Args:
        host: for the Host header.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._status = 0
        self._body = b""
        self._begun = False
        self.exchanges = 0

    @property
    def usable(self) -> bool:
        """Whether another request can be sent on it, as far as anybody knows."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self._http.our_state is h11.IDLE
            and self._reply is None
        )

    async def exchange(self, ask: Ask) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            Broken: the connection ended, or spoke something else than HTTP.
        """
        if self._transport is None or self._transport.is_closing():
            raise Broken(False, "closed while idle")
        self.exchanges += 1
        self._status, self._body, self._begun = 0, b"", False
        self._reply = asyncio.get_running_loop().create_future()
        headers = [("Host", self._host), ("Content-Length", str(len(ask.body)))]
        if ask.body:
            headers.append(("Content-Type", "application/json"))
        events: list[h11.Event] = [
            h11.Request(method=ask.method, target=ask.target, headers=headers)
        ]
        if ask.body:
            events.append(h11.Data(data=ask.body))
        events.append(h11.EndOfMessage())
        self._transport.write(b"".join(self._http.send(event) or b"" for event in events))
        try:
            return await self._reply
        finally:
            if not self._reply.done() or self._reply.cancelled():
                self.close()  # given up: the answer that may still come belongs to nobody
            self._reply = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._reply.done():
            self.close()  # a server that speaks unasked (408) is about to close
            return
        self._begun = True
        self._read(data)

    def eof_received(self) -> bool:
        if self._reply is not None and not self._reply.done() and self._begun:
            self._read(b"")  # a body without a length ends here
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(str(exc) if exc else "closed")

    def _read(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while not self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._fail(f"not HTTP: {error}")
            self.close()

    def _take(self, event: object) -> bool:
        """Returns whether there is nothing more to take for now."""
        match event:
            case h11.Response():
                self._status = event.status_code
            case h11.Data():
                self._body += bytes(event.data)
            case h11.EndOfMessage():
                self._finish()
                return True
            case h11.InformationalResponse():
                return False
            case _:
                return True
        return False

    def _finish(self) -> None:
        finished = self._http.their_state is h11.DONE and self._http.our_state is h11.DONE
        unasked, _ = self._http.trailing_data
        if finished and not unasked:
            self._http.start_next_cycle()
        else:
            self.close()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(Reply(self._status, self._body))

    def _fail(self, reason: str) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(Broken(self._begun, reason))
