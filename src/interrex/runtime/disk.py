"""The disk writer: one thread that stores what the cores persist, off the event loop.

A slow disk so delays promises but no heartbeat. Everything that waits in the queue is stored
with one sync (group commit), and answered once, with the highest token.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from interrex.core.errors import InterrexError, InvariantViolation
from interrex.core.storage import Record
from interrex.runtime.disk_file import DiskFull

RETRY_S = 0.25


class Store(Protocol):
    """What the writer stores into: ``LogStore`` in a worker."""

    def write(self, records: Sequence[Record]) -> None:
        """Stores the records, all or none; see ``LogStore.write`` for what it raises."""

    def close(self) -> None:
        """No more writes will come."""


class WriterListener(Protocol):
    """Told on the event loop what became of the records."""

    def persisted(self, token: int) -> None:
        """Everything submitted up to and including this token is on the disk."""

    def disk_full(self, error: DiskFull) -> None:
        """No space. What was submitted is kept, in order, and tried again until it fits.

        Called once; ``persisted`` follows when there is space again. Until then nothing that
        depends on the records happens: a vote that could not be written is not given.
        """

    def disk_failed(self, error: Exception) -> None:
        """What is on disk is unknown, or the records broke an invariant: stop the node."""


class _Request(NamedTuple):
    token: int
    records: Sequence[Record]


class Writer:
    """Stores records in the order they are submitted.

    Args:
        store: used by the writer alone from now on, and closed with it.
        listener: called on ``loop``.
        loop: where the answers go.
        retry_s: seconds between attempts while the disk is full.
    """

    def __init__(
        self,
        store: Store,
        listener: WriterListener,
        loop: asyncio.AbstractEventLoop,
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = store
        self._listener = listener
        self._loop = loop
        self._retry_s = retry_s
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._pending: list[_Request] = []
        self._closing = threading.Event()
        self._full = False
        self._thread = threading.Thread(target=self._run, name="disk-writer", daemon=True)
        self._thread.start()

    def submit(self, token: int, records: Sequence[Record]) -> None:
        """Queues records. Tokens only rise; ``persisted`` names the last one that is safe."""
        self._queue.put(_Request(token, records))

    def close(self, timeout_s: float = 5.0) -> bool:
        """Stores what is queued, ends the thread, closes the store. Blocks, but not for ever.

        Args:
            timeout_s: how long a disk that hangs is waited for.

        Returns:
            Whether the thread has ended; what a full disk did not take is given up.
        """
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        self._store.close()
        return True

    def _run(self) -> None:
        failure: Exception | None = RuntimeError("the disk writer ended unexpectedly")
        try:
            self._serve()
            failure = None
        except (InterrexError, InvariantViolation) as error:
            failure = error
        finally:
            if failure:
                self._post(self._listener.disk_failed, failure)

    def _serve(self) -> None:
        while self._collect():
            while self._pending and not self._store_pending():
                if self._closing.wait(self._retry_s):
                    return
                self._drain()

    def _collect(self) -> bool:
        """Waits for the next request and takes all that are queued; False when closing."""
        request = self._queue.get()
        if request is None:
            return False
        self._pending.append(request)
        self._drain()
        return True

    def _drain(self) -> None:
        while not self._queue.empty():
            request = self._queue.get_nowait()
            if request is None:
                self._queue.put(None)
                return
            self._pending.append(request)

    def _store_pending(self) -> bool:
        """Stores what is pending, in one batch if it fits; False when the disk is full."""
        try:
            self._write(len(self._pending))
        except DiskFull:
            return self._store_one_by_one()
        return True

    def _store_one_by_one(self) -> bool:
        """The last reserved bytes may still take the first requests."""
        try:
            while self._pending:
                self._write(1)
        except DiskFull as error:
            if not self._full:
                self._full = True
                self._post(self._listener.disk_full, error)
            return False
        return True

    def _write(self, count: int) -> None:
        requests = self._pending[:count]
        self._store.write([record for request in requests for record in request.records])
        del self._pending[:count]
        self._full = False
        self._post(self._listener.persisted, requests[-1].token)

    def _post(self, callback: Callable[..., object], argument: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, argument)
        except RuntimeError:
            # The loop was closed before the writer: nobody is left to be told.
            if not self._loop.is_closed():
                raise
