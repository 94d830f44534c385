"""Between an election and its backend: what a backend is asked for, and what it tells."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from interrex.library.leadership import Leadership, View


class Backend(Protocol):
    """One way to elect. Made without side effects, used on one event loop.

    It tells a ``Standing`` what it learns. ``stand`` and ``withdraw`` only say what is wanted.
    """

    @property
    def lease(self) -> int:
        """How long (ns) a leadership lasts when nothing renews it, at least."""

    async def open(self) -> None:
        """Join the others. Raises ElectionError when that can never succeed."""

    async def close(self) -> None:
        """Leave. What was held is given up."""

    def stand(self) -> None:
        """Let this member lead when its turn comes."""

    def withdraw(self, successor: str | None = None) -> None:
        """Do not stand any more and give up what is held: to ``successor``, or to the next."""

    def waiting(self) -> list[str]:
        """The identities of those who are known to stand, and do not lead."""


class Standing:
    """How one member stands: its view, its leadership, and who waits for news of either."""

    def __init__(self) -> None:
        self.view = View(None, 0)
        self.leadership: Leadership | None = None
        self.failure: Exception | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called after each change that may end or extend a leadership."""
        self._news = asyncio.Event()

    async def changed(self) -> None:
        """Returns after the next change. Take what is there first, then wait: none is missed."""
        await self._news.wait()

    def wake(self) -> None:
        """Whoever waits looks again."""
        # A new event each time: whoever waits is woken once, whoever comes later waits for more.
        news, self._news = self._news, asyncio.Event()
        news.set()
        self.on_change()

    # What backends tell

    def saw(self, leader: str | None, epoch: int) -> None:
        """Who leads, newest epoch first: news of an older one is no news."""
        view = View(leader, max(epoch, self.view.epoch))
        if epoch >= self.view.epoch and view != self.view:
            self.view = view
            self.wake()

    def grant(self, epoch: int, deadline: int) -> None:
        """This member leads until ``deadline`` (ns), unless renewed."""
        self.end("another leadership began")
        self.leadership = Leadership(epoch, deadline)
        self.wake()

    def renew(self, deadline: int) -> None:
        """The leadership lasts until then (ns)."""
        if self.leadership is not None:
            self.leadership.renew(deadline)

    def end(self, reason: str) -> None:
        """This member leads no more."""
        if self.leadership is not None:
            self.leadership.end(reason)
            self.leadership = None
            self.wake()

    def fail(self, error: Exception) -> None:
        """The backend cannot go on: everybody who waits gets this error."""
        self.failure = self.failure or error
        self.end(str(error).partition("\n")[0])
        self.wake()
