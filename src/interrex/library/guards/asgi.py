"""HTTP: a middleware for ASGI applications that admits requests, and WebSockets, by the epoch in
their header."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from interrex.library.errors import StaleEpoch
from interrex.library.guards.epochs import MOST_EPOCH, whole_epoch

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
        """Called in a thread of the guard's own, one call at a time: it may wait.

        Raises StaleEpoch."""


class MemoryEpochs:
    """The newest epoch of one process: a restarted one admits anything first."""

    def __init__(self) -> None:
        self._newest = 0

    def admit(self, epoch: int) -> None:
        """Raises StaleEpoch, and ValueError where it is none."""
        epoch = whole_epoch(epoch)
        if epoch < self._newest:
            raise StaleEpoch(epoch, self._newest)
        self._newest = epoch


class Refusal(NamedTuple):
    """Why a request is not let through: HTTP's status, and what is said."""

    status: int
    answer: dict[str, object]


class EpochGuard:
    """``app = EpochGuard(app, EpochFile("/var/lib/shop/epoch"))``.

    A guarded request without the header ``Interrex-Epoch: NUMBER`` gets 428, one that is no number
    400, a stale one 409 with ``{"error": ..., "newest": NUMBER}``; the application does not see it.
    The opening of a WebSocket is guarded the same, whatever ``methods`` say: where the server can
    send no such answer (ASGI's extension ``websocket.http.response``) it is closed, which is a 403.

    Whoever waits for an epoch to be on disk, or for another process that holds the file, keeps only
    guarded requests waiting, not the event loop.

    Not guaranteed: that a request which was admitted, and is still being answered, ends before one
    of a newer epoch begins; nor that a WebSocket which was admitted closes then. Where that
    matters, compare again where it is written.

    Args:
        app: what is guarded.
        epochs: where the newest is kept; shared by all processes that answer.
        methods: the names of those that are guarded, in any case; others pass.

    Raises:
        ValueError: the methods are not names, or the epochs cannot admit one.
    """

    def __init__(self, app: App, epochs: Epochs, methods: Collection[str] = WRITES) -> None:
        given: object = epochs
        if isinstance(given, type) or not callable(getattr(given, "admit", None)):
            raise ValueError(f"epochs are kept by what has admit(epoch), and {given!r} has not")
        self._app = app
        self._epochs = epochs
        self._methods = _names(methods)
        self._thread = ThreadPoolExecutor(1, "interrex-epochs")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "websocket" or (kind == "http" and scope["method"] in self._methods):
            refusal = await self._refusal(scope)
            if refusal is not None:
                await _refuse(scope, receive, send, refusal)
                return
        await self._app(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Refusal | None:
        values = [value for name, value in scope["headers"] if name.lower() == HEADER.encode()]
        if not values:
            return Refusal(428, {"error": f"the header {HEADER} is missing"})
        if len(values) > 1 or not _is_epoch(values[0]):
            return Refusal(400, {"error": f"the header {HEADER} is to be one whole number"})
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._epochs.admit, int(values[0]))
        except StaleEpoch as error:
            return Refusal(409, {"error": str(error), "newest": error.newest})
        return None


def _names(methods: Collection[str]) -> frozenset[str]:
    """As servers write them: one that is written otherwise would guard nothing, without a word."""
    given: Any = methods
    names = list(given) if isinstance(given, Collection) else [given]
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"methods are names in a list, as ('POST', 'PUT'), and not {given!r}")
    return frozenset(name.upper() for name in names)


def _is_epoch(value: bytes) -> bool:
    return value.isdigit() and len(value) <= len(str(MOST_EPOCH)) and int(value) <= MOST_EPOCH


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # that it is to be opened
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.answer["error"]})
            return
    body = json.dumps(refusal.answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
