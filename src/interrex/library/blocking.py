"""The same for programs without asyncio: the election runs on a thread of its own.

``with election(url, identity="a") as it, it.lead() as leadership: ...``

A thread cannot be cancelled: the body looks at ``leadership.ended`` between its steps, or gives
``on_end``, and nothing is handed over before the body has ended. Its leadership may run out before
it notices: the epoch is what keeps its last writes out.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Self

from interrex.library.election import Election, as_number
from interrex.library.election import election as asynchronous
from interrex.library.election_thread import ElectionThread, closed
from interrex.library.errors import AlreadyEntered, ElectionClosed
from interrex.library.leadership import Leadership, View


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
        self._thread = ElectionThread()

    def __enter__(self) -> Self:
        """Raises AlreadyEntered, and what ``async with`` raises."""
        if self._thread.was_started:
            raise AlreadyEntered(f"the election of {self._inner.identity!r}", "election(...)")
        self._thread.start()
        try:
            self._thread.run(self._inner.__aenter__)
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Whoever waits on another thread is told; a body that runs there has lost."""
        if not self._thread.is_ours:
            return  # left by a child of the process that takes part
        try:
            self._thread.run(lambda: self._inner.__aexit__(*exc))
        finally:
            self._thread.stop()

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

        return self._thread.run(asking)

    def lead(
        self, timeout: float | None = None, on_end: Callable[[], None] | None = None
    ) -> "BlockingLead":
        """A scope for one turn: entering it by ``with`` waits until this member leads.

        Args:
            timeout: for how many seconds at most; None: for ever.
            on_end: called on the election's thread when the leadership is lost, before another
                may lead by this member's doing. Not to block.

        Raises:
            ValueError: the time-out is no number of seconds, or ``on_end`` cannot be called.
        """
        given: object = on_end
        if given is not None and not callable(given):
            raise ValueError(f"on_end is to be called, and {on_end!r} cannot be")
        return BlockingLead(self._inner, self._thread, _patience(timeout), on_end)

    def observe(self) -> Iterator[View]:
        """As ``Election.observe``: the view there is, then each newer one."""
        observing = self._inner.observe()

        async def following() -> View | None:
            return await anext(observing, None)

        try:
            while (view := self._thread.run(following)) is not None:
                yield view
        except ElectionClosed:
            if not self._thread.is_ours:  # not entered yet, or by another process
                raise

    def resign(self) -> None:
        """As ``Election.resign``; from another thread than the body's, which it waits for."""
        self._thread.run(self._inner.resign)

    def transfer(self, identity: str) -> None:
        """As ``Election.transfer``; from another thread than the body's, which it waits for."""
        self._thread.run(lambda: self._inner.transfer(identity))


class BlockingLead:
    """One turn: ``with election.lead() as leadership``. Not to be entered twice.

    After it, ``leadership.lost`` and ``leadership.reason`` tell whether it ended before its body.
    """

    def __init__(
        self,
        inner: Election,
        thread: ElectionThread,
        patience: float | None,
        on_end: Callable[[], None] | None,
    ) -> None:
        self._inner = inner
        self._thread = thread
        self._patience = patience
        self._on_end = on_end
        self._granted: Future[Leadership] = Future()
        self._left = asyncio.Event()
        self._turn: Future[None] | None = None

    def __enter__(self) -> Leadership:
        """Waits for its turn.

        Raises:
            TimeoutError: its turn did not come in time.
            AlreadyEntered: this one was used.
            ElectionError: as ``Election.lead``.
        """
        if self._turn is not None:
            raise AlreadyEntered("this lead()", "election.lead()")
        self._turn = turn = self._thread.submit(self._lead)
        turn.add_done_callback(self._tell_failure)
        try:
            return self._granted.result(self._patience)
        except BaseException as error:
            is_late = isinstance(error, TimeoutError) and not self._granted.done()
            self._thread.post(self._left.set)
            turn.cancel()
            if is_late:
                name, patience = self._inner.identity, self._patience
                raise TimeoutError(f"{name!r} did not lead within {patience:g} s") from None
            raise

    def __exit__(self, *exc: object) -> None:
        if self._turn is not None and self._thread.is_ours:
            self._thread.post(self._left.set)
            with suppress(CancelledError):  # the election was left meanwhile
                self._turn.result()

    async def _lead(self) -> None:
        async with self._inner.lead() as leadership:
            self._granted.set_result(leadership)
            try:
                await self._left.wait()
            except asyncio.CancelledError:
                try:
                    if self._on_end is not None:
                        self._on_end()
                finally:
                    await self._left.wait()
                raise

    def _tell_failure(self, turn: "Future[None]") -> None:
        if self._granted.done():
            return
        error = closed() if turn.cancelled() else turn.exception()
        if error is not None:
            self._granted.set_exception(error)


def _patience(timeout: float | None) -> float | None:
    """For how many seconds a thread is to wait; what is longer than it can wait is for ever."""
    if timeout is None:
        return None
    seconds = as_number("a time-out", timeout)
    if math.isnan(seconds):
        raise ValueError(f"a time-out is a number of seconds, not {timeout!r}")
    return seconds if seconds < threading.TIMEOUT_MAX else None
