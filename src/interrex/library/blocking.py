"""The same for programs without asyncio: the election runs on a thread of its own.

``with election(url, identity="a") as it, it.lead() as leadership: ...``

A thread cannot be cancelled: the body looks at ``leadership.ended`` between its steps, or gives
``on_end``, and nothing is handed over before the body has ended. Its leadership may run out before
it notices: the epoch is what keeps its last writes out.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from typing import Self, TypeVar

from interrex.library.election import Election
from interrex.library.election import election as asynchronous
from interrex.library.errors import AlreadyEntered, ElectionClosed
from interrex.library.leadership import Leadership, View

T = TypeVar("T")


def election(
    url: str,
    *,
    identity: str | None = None,
    priority: int = 0,
    margin: float | None = None,
) -> "BlockingElection":
    """As ``interrex.election``, to be entered by ``with``. Raises what that raises."""
    return BlockingElection(asynchronous(url, identity=identity, priority=priority, margin=margin))


class BlockingElection:
    """One member of an election. Its methods may be called from any thread.

    It belongs to the process that entered it: one that was forked after that opens its own.
    """

    def __init__(self, inner: Election) -> None:
        self._inner = inner
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left = asyncio.Event()
        self._is_open = False
        self._lock = threading.Lock()
        """Held while work is given to the thread: none comes behind the word to end."""
        self._thread: threading.Thread | None = None
        self._process = 0

    def __enter__(self) -> Self:
        """Raises AlreadyEntered, and what ``async with`` raises."""
        if self._process:
            raise AlreadyEntered(f"the election of {self._inner.identity!r}", "election(...)")
        self._process = os.getpid()
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(loop,), daemon=True)
        self._thread.start()
        self._is_open = True
        try:
            self._run(self._inner.__aenter__)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Whoever waits on another thread is told; a body that runs there has lost."""
        if self._process != os.getpid():
            return  # left by a child of the process that takes part
        try:
            self._run(lambda: self._inner.__aexit__(*exc))
        finally:
            self._stop()

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._until_left())

    async def _until_left(self) -> None:
        await self._left.wait()

    def _stop(self) -> None:
        with self._lock:
            self._is_open = False
            self._post(self._left.set)
        if self._thread is not None:
            self._thread.join()

    @property
    def identity(self) -> str:
        """By which the others know this member."""
        return self._inner.identity

    @property
    def view(self) -> View:
        """Who leads, as far as this member knows."""
        return self._inner.view

    @property
    def leadership(self) -> Leadership | None:
        """This member's own, while one of its ``lead()`` bodies runs, on whatever thread."""
        return self._inner.leadership

    def waiting(self) -> list[str]:
        """As ``Election.waiting``. Raises ElectionClosed where it is not open."""

        async def asking() -> list[str]:
            return self._inner.waiting()

        return self._run(asking)

    @contextmanager
    def lead(
        self, timeout: float | None = None, on_end: Callable[[], None] | None = None
    ) -> Iterator[Leadership]:
        """A turn: waits until this member leads.

        Args:
            timeout: for how many seconds at most; None: for ever.
            on_end: called on the election's thread when the leadership is lost, before another
                may lead by this member's doing. Not to block.

        Raises:
            TimeoutError: its turn did not come in time.
            ElectionError: as ``Election.lead``.
        """
        granted: Future[Leadership] = Future()
        left = asyncio.Event()
        turn = self._submit(lambda: self._turn(granted, left, on_end))
        turn.add_done_callback(lambda done: _tell_failure(done, granted))
        try:
            leadership = granted.result(timeout)
        except BaseException as error:
            is_late = isinstance(error, TimeoutError) and not granted.done()
            self._post(left.set)
            turn.cancel()
            if is_late:
                raise TimeoutError(f"{self.identity!r} did not lead within {timeout} s") from None
            raise
        try:
            yield leadership
        finally:
            if self._process == os.getpid():
                self._post(left.set)
                with suppress(CancelledError):  # the election was left meanwhile
                    turn.result()

    async def _turn(
        self,
        granted: "Future[Leadership]",
        left: asyncio.Event,
        on_end: Callable[[], None] | None,
    ) -> None:
        async with self._inner.lead() as leadership:
            granted.set_result(leadership)
            try:
                await left.wait()
            except asyncio.CancelledError:
                try:
                    if on_end is not None:
                        on_end()
                finally:
                    await left.wait()
                raise

    def observe(self) -> Iterator[View]:
        """As ``Election.observe``: the view there is, then each newer one."""
        observing = self._inner.observe()

        async def following() -> View | None:
            return await anext(observing, None)

        try:
            while (view := self._run(following)) is not None:
                yield view
        except ElectionClosed:
            return

    def resign(self) -> None:
        """As ``Election.resign``; from another thread than the body's, which it waits for."""
        self._run(self._inner.resign)

    def transfer(self, identity: str) -> None:
        """As ``Election.transfer``; from another thread than the body's, which it waits for."""
        self._run(lambda: self._inner.transfer(identity))

    def _run(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        try:
            return self._submit(work).result()
        except CancelledError:
            raise _closed() from None

    def _submit(self, work: Callable[[], Coroutine[object, object, T]]) -> "Future[T]":
        """Raises ElectionClosed where there is no thread that would do it."""
        if not self._process:
            raise ElectionClosed("open the election first: with election(...)")
        if self._process != os.getpid():
            raise ElectionClosed(
                f"this process was forked from process {self._process}, which takes part in the "
                "election\nopen one here: with election(...)"
            )
        with self._lock:
            if not self._is_open or self._loop is None:
                raise _closed()
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def _post(self, work: Callable[[], object]) -> None:
        """Let the thread do it, unless it has ended."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(work)


def _closed() -> ElectionClosed:
    return ElectionClosed("the election was left\nmake another to go on: with election(...)")


def _tell_failure(turn: "Future[None]", granted: "Future[Leadership]") -> None:
    if granted.done():
        return
    error = _closed() if turn.cancelled() else turn.exception()
    if error is not None:
        granted.set_exception(error)
