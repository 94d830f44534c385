"""``lead()``: a scope that waits for its turn, and whose body ends when the leadership does.

It cancels as asyncio's own structured scopes do: by ``Task.cancel``, counted, so that its own
cancellation is told from everybody else's. What it cancelled itself it takes back: the program goes
on after the ``async with``. A cancellation from outside always goes through, also when both come
in the same turn of the loop, and a body's own exception is never replaced.

Differs from ``asyncio.timeout``: a cancellation that was asked for before the scope was entered is
delivered before (there it is swallowed), and one that the body did not wait for any more does not
leak into the code that follows.
"""

import asyncio
from types import TracebackType
from typing import Protocol

from interrex.core.time import MS, S
from interrex.library.errors import AlreadyEntered
from interrex.library.leadership import Leadership
from interrex.library.standing import Standing
from interrex.runtime.clock import now_ns


class Stage(Protocol):
    """What a scope asks of the election that it belongs to."""

    standing: Standing
    margin: int
    """How long (ns) before its deadline a body is cancelled."""

    def begin_standing(self) -> None:
        """Raises ElectionError when the election is not open or in another ``lead()``."""

    def begin_body(self) -> None:
        """A leadership was taken: from now on it can be given up."""

    def end_standing(self) -> None:
        """Give up what is held, and stand no more."""


class Lead:
    """One turn: ``async with election.lead() as leadership``. Not to be entered twice.

    After it, ``leadership.lost`` and ``leadership.reason`` tell whether the body was cancelled.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._leadership: Leadership | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancels_before = 0
        self._cancelled = False
        self._entered = False
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Leadership:
        """Waits for its turn.

        Raises:
            AlreadyLeading: another ``lead()`` of this election is open.
            AlreadyEntered: this one was used.
            ElectionError: the election cannot go on.
        """
        if self._entered:
            raise AlreadyEntered("this lead()", "election.lead()")
        self._stage.begin_standing()
        self._entered = True
        try:
            # Whatever was asked to be cancelled before is cancelled here, and not taken for ours.
            await asyncio.sleep(0)
            leadership = await self._granted()
        except BaseException:
            self._stage.end_standing()
            raise
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancels_before = task, task.cancelling()
        self._leadership = leadership
        self._stage.standing.on_change = self._look
        self._stage.begin_body()
        return leadership

    async def _granted(self) -> Leadership:
        standing = self._stage.standing
        while True:
            if standing.failure is not None:
                raise standing.failure
            leadership = standing.leadership
            if leadership is not None and leadership.deadline - self._stage.margin > now_ns():
                return leadership
            # A lease that is nearly over is renewed without further news: look again by then.
            delay = None if leadership is None else max(self._stage.margin, 10 * MS) / S
            try:
                async with asyncio.timeout(delay):
                    await standing.changed()
            except TimeoutError:
                continue

    def _look(self) -> None:
        """Cancel the body if the leadership has ended; else look again when it would."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        leadership = self._leadership
        if leadership is None or self._cancelled:
            return
        left = leadership.deadline - self._stage.margin - now_ns()
        if leadership.ended or left <= 0:
            leadership.end("its deadline has come, and nothing renewed it")
            self._cancelled = True
            assert self._task is not None
            self._task.cancel()
            return
        self._timer = asyncio.get_running_loop().call_later(left / S, self._look)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        leadership, task = self._leadership, self._task
        assert leadership is not None
        assert task is not None
        self._leadership = None
        self._look()
        self._stage.standing.on_change = _nothing
        leadership.end("its body has ended", lost=False)
        self._stage.end_standing()
        if not self._cancelled:
            return False
        delivered = isinstance(error, asyncio.CancelledError)
        if not delivered:
            delivered = await _take_pending_cancel()
        from_outside = task.uncancel() > self._cancels_before
        if not from_outside:
            return isinstance(error, asyncio.CancelledError)
        if delivered and error is None:
            raise asyncio.CancelledError
        if delivered and not isinstance(error, asyncio.CancelledError):
            # Its own exception goes first; the cancellation is due at the next await.
            task.uncancel()
            task.cancel()
        return False


async def _take_pending_cancel() -> bool:
    """The body had ended when it was cancelled: let that arrive here and not behind the scope."""
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return True
    return False


def _nothing() -> None:
    """For when there is no body to be cancelled."""
