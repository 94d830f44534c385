"""HTTP: a middleware for ASGI applications that admits requests by the epoch in their header."""

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Protocol

from interrex.library.errors import StaleEpoch

HEADER = "interrex-epoch"
WRITES = ("POST", "PUT", "PATCH", "DELETE")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Epochs(Protocol):
    """Where the newest epoch is kept: ``guards.files.EpochFile`` survives this process."""

    def admit(self, epoch: int) -> None:
        """Raises StaleEpoch."""


class MemoryEpochs:
    """The newest epoch of one process: a restarted one admits anything first."""

    def __init__(self) -> None:
        self._newest = 0

    def admit(self, epoch: int) -> None:
        """Raises StaleEpoch."""
        if epoch < self._newest:
            raise StaleEpoch(epoch, self._newest)
        self._newest = epoch


class EpochGuard:
    """``app = EpochGuard(app, EpochFile("/var/lib/shop/epoch"))``.

    A guarded request without the header ``Interrex-Epoch: NUMBER`` gets 428, one that is no number
    400, a stale one 409 with ``{"error": ..., "newest": NUMBER}``; the application does not see it.

    Not guaranteed: that a request which was admitted, and is still being answered, ends before one
    of a newer epoch begins. Where that matters, compare again where it is written.

    Args:
        app: what is guarded.
        epochs: where the newest is kept; shared by all processes that answer.
        methods: those that are guarded; others pass.
    """

    def __init__(self, app: App, epochs: Epochs, methods: Collection[str] = WRITES) -> None:
        self._app = app
        self._epochs = epochs
        self._methods = frozenset(methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in self._methods:
            await self._app(scope, receive, send)
            return
        values = [value for name, value in scope["headers"] if name.lower() == HEADER.encode()]
        if not values:
            await _refuse(send, 428, {"error": f"the header {HEADER} is missing"})
        elif len(values) > 1 or not values[0].isdigit() or len(values[0]) > 19:
            await _refuse(send, 400, {"error": f"the header {HEADER} is to be one whole number"})
        else:
            try:
                self._epochs.admit(int(values[0]))
            except StaleEpoch as error:
                await _refuse(send, 409, {"error": str(error), "newest": error.newest})
                return
            await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, answer: dict[str, object]) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
