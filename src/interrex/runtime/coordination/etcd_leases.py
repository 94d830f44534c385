"""Leases that several elections of one program share: kept alive once for all of them.

An election asks as if its lease were its own. Whoever asks first asks etcd; whoever asks meanwhile,
or a moment later, gets the same answer and is told when etcd was asked, which is what its deadline
counts from. So all of them ask again at the same time, and etcd hears one question.

Invariant: a lease that is given up is told of to every election under it before etcd hears of it:
none believes in a lease that may have ended.

Members of one election never share a lease: a lease tells one from another.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from interrex.core.time import S
from interrex.elections.etcd.questions import (
    Answer,
    Grant,
    Granted,
    KeepAlive,
    Kept,
    LeaseEnded,
    LeaseGone,
    Question,
    Revoke,
)
from interrex.elections.interface import Noticed
from interrex.runtime.clock import now_ns

FRESH_SHARE = 16
"""An answer is told again for this part of its lease: less than the time between renewals."""


class Sharer(Protocol):
    """One election's client."""

    folder: str

    def say(self, event: Noticed) -> None:
        """Take news."""


Asking = Callable[[Question], Awaitable[Answer]]


class SharedLease:
    """One lease at a time, for elections of different names.

    Args:
        ttl_s: what all of them ask for.
        ask: asks etcd once.
    """

    def __init__(self, ttl_s: int, ask: Asking) -> None:
        self.ttl_s = ttl_s
        self.sharers: list[Sharer] = []
        self._ask = ask
        self._last: Granted | None = None
        """The lease as it was granted or renewed last, and when that was asked for."""
        self._asking: asyncio.Task[Answer] | None = None

    def has(self, folder: str) -> bool:
        """Whether a member of this election is among the sharers."""
        return any(one.folder == folder for one in self.sharers)

    async def grant(self, question: Grant) -> Answer:
        """The lease there is, renewed lately, or else a new one."""
        answer = await self._renewed(question)
        if isinstance(answer, LeaseGone):
            answer = await self._renewed(question)
        return answer

    async def keep_alive(self, question: KeepAlive) -> Answer:
        """As etcd answers it; a lease that was given up is gone."""
        if self._last is None or self._last.lease != question.lease:
            return LeaseGone()
        answer = await self._renewed(None)
        return Kept(answer.ttl_s, answer.asked) if isinstance(answer, Granted) else answer

    async def revoke(self, question: Revoke) -> Answer:
        """Give a lease up: all who share it are told first."""
        if self._last is not None and self._last.lease == question.lease:
            self._end()
        return await self._ask(question)

    async def give_up(self) -> None:
        """Something is left under it that must not live on."""
        if self._last is not None:
            await self.revoke(Revoke(self._last.lease))

    async def close(self) -> None:
        """Ask no more."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    def _end(self) -> None:
        """It can be relied on no more."""
        last, self._last = self._last, None
        if last is not None:
            for one in list(self.sharers):
                one.say(Noticed(LeaseEnded(last.lease)))

    async def _renewed(self, grant: Grant | None) -> Answer:
        """A renewal that was asked for a moment ago, or the next one's answer."""
        last = self._last
        if last is not None and now_ns() < (last.asked or 0) + last.ttl_s * S // FRESH_SHARE:
            return last
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._renew(grant))
        return await asyncio.shield(self._asking)

    async def _renew(self, grant: Grant | None) -> Answer:
        """Ask etcd once. Without a lease and without ``grant`` it is gone."""
        try:
            asked, last = now_ns(), self._last
            if last is not None:
                return self._kept(last, asked, await self._ask(KeepAlive(last.lease)))
            if grant is None:
                return LeaseGone()
            answer = await self._ask(grant)
            if isinstance(answer, Granted):
                answer = self._last = msgspec.structs.replace(answer, asked=asked)
            return answer
        finally:
            self._asking = None

    def _kept(self, last: Granted, asked: int, answer: Answer) -> Answer:
        if self._last is None or self._last.lease != last.lease:
            return LeaseGone()  # it was given up meanwhile
        if isinstance(answer, LeaseGone):
            self._end()
        elif isinstance(answer, Kept):
            self._last = Granted(last.lease, answer.ttl_s, asked)
            return self._last
        return answer


class Leases:
    """The leases of one client's elections: as many as the most members of one election here."""

    def __init__(self) -> None:
        self._leases: list[SharedLease] = []

    def join(self, sharer: Sharer, ttl_s: int, ask: Asking) -> SharedLease:
        """One of so many seconds that no other member of this election has."""
        fitting = (one for one in self._leases if one.ttl_s == ttl_s and not one.has(sharer.folder))
        lease = next(fitting, None)
        if lease is None:
            lease = SharedLease(ttl_s, ask)
            self._leases.append(lease)
        lease.sharers.append(sharer)
        return lease

    async def close(self) -> None:
        """Ask no more."""
        for lease in self._leases:
            await lease.close()
