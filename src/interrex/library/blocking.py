"""The same for programs without asyncio: the election runs on a thread of its own.

``with election(url, identity="a") as it, it.lead() as leadership: ...``

A thread cannot be cancelled: the body looks at ``leadership.ended`` between its steps, or gives
``on_end``, and nothing is handed over before the body has ended. Its leadership may run out before
it notices: the epoch is what keeps its last writes out.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Self, TypeVar

from interrex.library.election import Election
from interrex.library.election import election as asynchronous
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
    """One member of an election. Its methods may be called from any thread."""

    def __init__(self, inner: Election) -> None:
        self._inner = inner
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._inner.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._run(self._inner.__aexit__(*exc))
        finally:
            self._stop()

    @property
    def view(self) -> View:
        """Who leads, as far as this member knows."""
        return self._inner.view

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
        turn = asyncio.run_coroutine_threadsafe(self._turn(granted, left, on_end), self._loop)
        turn.add_done_callback(lambda done: _tell_failure(done, granted))
        try:
            leadership = granted.result(timeout)
        except BaseException:
            self._loop.call_soon_threadsafe(left.set)
            turn.cancel()
            raise
        try:
            yield leadership
        finally:
            self._loop.call_soon_threadsafe(left.set)
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
                if on_end is not None:
                    on_end()
                await left.wait()
                raise

    def views(self) -> Iterator[View]:
        """As ``Election.observe``: the view there is, then each newer one."""
        observing = self._inner.observe()

        async def following() -> View | None:
            return await anext(observing, None)

        while (view := self._run(following())) is not None:
            yield view

    def resign(self) -> None:
        """As ``Election.resign``; from another thread than the body's, which it waits for."""
        self._run(self._inner.resign())

    def transfer(self, identity: str) -> None:
        """As ``Election.transfer``; from another thread than the body's, which it waits for."""
        self._run(self._inner.transfer(identity))

    def _run(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _tell_failure(turn: "Future[None]", granted: "Future[Leadership]") -> None:
    if not granted.done() and not turn.cancelled() and (error := turn.exception()) is not None:
        granted.set_exception(error)
