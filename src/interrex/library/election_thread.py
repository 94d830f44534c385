"""The thread on which an election runs whose program has no event loop."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TypeVar

from interrex.library.errors import ElectionClosed

T = TypeVar("T")


class ElectionThread:
    """An event loop on a thread of its own, from ``start`` to ``stop``. Used from any thread.

    It belongs to the process that started it: one that was forked after that starts its own.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left = asyncio.Event()
        self._is_open = False
        self._lock = threading.Lock()
        """Held while work is given to the thread: none comes behind the word to end."""
        self._thread: threading.Thread | None = None
        self._process = 0

    @property
    def was_started(self) -> bool:
        """Whether it was, and perhaps has ended since."""
        return self._process != 0

    @property
    def is_ours(self) -> bool:
        """Whether this process started it."""
        return self._process == os.getpid()

    def start(self) -> None:
        """Once."""
        self._process = os.getpid()
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(loop,), daemon=True)
        self._thread.start()
        self._is_open = True

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._until_left())

    async def _until_left(self) -> None:
        await self._left.wait()

    def stop(self) -> None:
        """What is under way there is cancelled; returns when the thread has ended."""
        with self._lock:
            self._is_open = False
            self.post(self._left.set)
        if self._thread is not None:
            self._thread.join()

    def run(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """Do it there, and wait. Raises ElectionClosed where there is no thread that would."""
        try:
            return self.submit(work).result()
        except CancelledError:
            raise closed() from None

    def submit(self, work: Callable[[], Coroutine[object, object, T]]) -> "Future[T]":
        """Have it done there. Raises ElectionClosed where there is no thread that would."""
        if not self.was_started:
            raise ElectionClosed("open the election first: with election(...)")
        if not self.is_ours:
            raise ElectionClosed(
                f"this process was forked from process {self._process}, which takes part in the "
                "election\nopen one here: with election(...)"
            )
        with self._lock:
            if not self._is_open or self._loop is None:
                raise closed()
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def post(self, work: Callable[[], object]) -> None:
        """Let the thread do it, unless it has ended."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(work)


def closed() -> ElectionClosed:
    """For whoever asks an election that was left."""
    return ElectionClosed("the election was left\nmake another to go on: with election(...)")
