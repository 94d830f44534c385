"""``interrex.election(url)``: take part in an election, and lead when it is one's turn."""

import asyncio
import math
import operator
import os
import socket
from collections.abc import AsyncIterator
from typing import Self

from interrex.core.time import S, seconds
from interrex.library.backends import backend_for
from interrex.library.errors import (
    AlreadyEntered,
    AlreadyLeading,
    BadMargin,
    ElectionClosed,
    NeedsAsyncio,
    NotLeading,
    UnknownSuccessor,
)
from interrex.library.leadership import Leadership, View
from interrex.library.scope import Lead
from interrex.library.standing import Backend, Standing
from interrex.library.urls import parse

MOST_PRIORITY = 10**9
"""Either way: what every service's numbers hold."""
MARGIN_SHARE = 10
"""Unless told otherwise a body is cancelled a tenth of the lease before its deadline."""


def election(
    url: str,
    *,
    identity: str | None = None,
    priority: int = 0,
    margin: float | None = None,
) -> "Election":
    """An election to take part in: ``async with election(url) as it``. Nothing happens before.

    Args:
        url: ``SCHEME://ADDRESSES/NAME?OPTIONS``; docs/library.md has each scheme's options.
        identity: what others see as the leader, unique among the members, 1 to 200 characters;
            without it, the host's name and the process's number.
        priority: of those who wait when the leadership falls vacant, the highest leads next;
            among equals whoever has waited longest. It never ends a leadership that goes on.
            By a service it is a head start of a quarter of a second, and no promise.
        margin: how many seconds before its deadline a body is cancelled, so that it has ended when
            another may lead; at least 0 and less than half of the lease. A tenth of the lease
            where it is not given.

    Raises:
        ValueError: the identity, the priority or the margin is none.
        MalformedUrl, UnknownScheme, UnknownOption, WrongPeers, BadTimes: the URL is at fault.
        BadSecret: the members' secret is needed and missing, or will not do.
        MissingExtra: the backend's client is not installed; says how to install it.
        BadMargin: the margin does not fit into the lease; has both.
    """
    name = identity if identity is not None else f"{socket.gethostname()}-{os.getpid()}"
    if not isinstance(name, str):
        raise ValueError(f"an identity is a str, not {name!r}")
    if not 0 < len(name) <= 200:
        raise ValueError(f"an identity has 1 to 200 characters, and {name!r} has {len(name)}")
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise ValueError(f"an identity is text, and {name!r} has half a character (a surrogate)")
    standing = Standing()
    backend = backend_for(parse(url), name, _whole(priority), standing)
    asked = None if margin is None else as_number("a margin", margin)
    return Election(backend, standing, name, asked)


def _whole(priority: int) -> int:
    try:
        whole = operator.index(priority)
    except TypeError:
        raise ValueError(f"a priority is a whole number, not {priority!r}") from None
    if abs(whole) > MOST_PRIORITY:
        raise ValueError(f"a priority is a whole number up to a thousand million, not {priority}")
    return whole


def as_number(what: str, given: object) -> float:
    """A time (s) that somebody gave; raises ValueError where it is none."""
    if isinstance(given, str | bytes):  # which float() would read
        raise ValueError(f"{what} is a number of seconds, not {given!r}")
    try:
        return float(given)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{what} is a number of seconds, not {given!r}") from None
    except OverflowError:
        return math.inf


def _check_loop() -> None:
    """Raises NeedsAsyncio; also where trio is a guest in asyncio's loop, with tasks of its own."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        raise NeedsAsyncio


class Election:
    """One member of an election. Open as long as its ``async with`` is; on one event loop."""

    def __init__(
        self, backend: Backend, standing: Standing, identity: str, margin: float | None
    ) -> None:
        """Raises BadMargin."""
        self.identity = identity
        self.standing = standing
        self.margin = 0
        self._asked_margin = margin
        self._backend = backend
        self._fit_margin()
        self._entered = False
        self._open = False
        self._in_lead = False
        self._in_body = False
        self._turns = 0
        """How many have ended: the next may begin before those who wait for an end are woken."""
        self._successor: str | None = None

    def _fit_margin(self) -> None:
        lease, asked = self._backend.lease, self._asked_margin
        if asked is not None and not 0 <= 2 * asked * S < lease:  # neither is what is no number
            raise BadMargin(asked, lease / S)
        self.margin = lease // MARGIN_SHARE if asked is None else seconds(asked)

    async def __aenter__(self) -> Self:
        """Join; waits for nobody else.

        Raises:
            NeedsAsyncio: another event loop runs here, as trio's.
            AlreadyEntered: it was entered before, whether or not it was left.
            ElectionError: it can never succeed.
        """
        _check_loop()
        if self._entered:
            raise AlreadyEntered(f"the election of {self.identity!r}", "interrex.election(...)")
        self._entered = True
        await self._backend.open()
        try:
            self._fit_margin()  # a service may have granted another lease than was asked for
        except BadMargin:
            await self._backend.close()
            raise
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._open = False
        self.standing.fail(
            ElectionClosed(
                f"{self.identity!r} has left the election\n"
                "make another to go on: async with interrex.election(...)"
            )
        )
        await self._backend.close()

    @property
    def view(self) -> View:
        """Who leads, as far as this member knows."""
        return self.standing.view

    @property
    def leadership(self) -> Leadership | None:
        """This member's own, while one of its ``lead()`` bodies runs."""
        return self.standing.leadership if self._in_body else None

    def waiting(self) -> list[str]:
        """The identities of those who wait in their ``lead()``, as far as is known here.

        Raises:
            ElectionClosed: it is not open.
        """
        self._check_open()
        return self._backend.waiting()

    def lead(self) -> Lead:
        """A scope for one turn: entering it waits, its body runs as leader and is cancelled when
        the leadership ends. Leaving it lets the next one lead. Enter it again for another turn.

        ``async with election.lead() as leadership``: see ``Lead`` and ``Leadership``.
        """
        return Lead(self)

    async def observe(self) -> AsyncIterator[View]:
        """Who leads: the view there is, then each newer one, without end.

        A slow reader misses views in between, never the newest. Ends when the election is left.

        Raises:
            ElectionClosed: it was not entered yet.
            ElectionError: the election cannot go on.
        """
        self._check_entered()
        seen: View | None = None
        while True:
            if self.standing.view != seen:
                seen = self.standing.view
                yield seen
                continue
            if not self._open:
                return
            if self.standing.failure is not None:
                raise self.standing.failure
            await self.standing.changed()

    async def resign(self) -> None:
        """End this member's leadership: its body is cancelled and, when it has ended, another may
        lead. Returns when that is so; in the body itself, it is where the body ends.

        Raises:
            NotLeading: there is nothing to give up.
        """
        await self._give_up(None, "it was given up")

    async def transfer(self, identity: str) -> None:
        """As ``resign``, in favour of a member that waits in its own ``lead()``.

        The wish is not a promise: where the successor is lost on the way, another one leads.

        Raises:
            NotLeading: there is nothing to hand over.
            UnknownSuccessor: nobody of this identity waits; names those who do.
        """
        self._check_leading()
        waiting = self._backend.waiting()
        if identity not in waiting:
            raise UnknownSuccessor(identity, waiting)
        await self._give_up(identity, f"it was handed over to {identity}")

    async def _give_up(self, successor: str | None, reason: str) -> None:
        self._check_leading()
        turn, self._successor = self._turns, successor
        self.standing.end(reason)
        while self._turns == turn:
            await self.standing.changed()

    def _check_leading(self) -> None:
        if self.leadership is None:
            raise NotLeading(f"{self.identity!r} does not lead")

    def _check_entered(self) -> None:
        if not self._entered:
            raise ElectionClosed("open the election first: async with interrex.election(...)")

    def _check_open(self) -> None:
        self._check_entered()
        if not self._open:
            raise self.standing.failure or ElectionClosed(f"{self.identity!r} is not in it yet")

    # What a scope asks

    def begin_standing(self) -> None:
        """A ``lead()`` is being entered."""
        self._check_open()
        if self._in_lead:
            raise AlreadyLeading(self.identity)
        self._in_lead = True
        self._backend.stand()
        self.standing.wake()  # whoever asks who waits

    def begin_body(self) -> None:
        """The body of a ``lead()`` runs from now on."""
        self._in_body = True
        self.standing.wake()  # whoever asks for its leadership

    def end_standing(self) -> None:
        """A ``lead()`` was left, or not reached."""
        successor, self._successor = self._successor, None
        self._in_lead = self._in_body = False
        self._turns += 1
        self._backend.withdraw(successor)
        self.standing.wake()
