"""Clients that the elections of one event loop have in common, if they ask the same servers."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast
from weakref import WeakKeyDictionary


class Closable(Protocol):
    """A client."""

    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closable)


class _Lent:
    def __init__(self, client: Closable) -> None:
        self.client = client
        self.borrowers = 0


_lent: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Lent]] = WeakKeyDictionary()


def borrow(access: Hashable, make: Callable[[], Client]) -> Client:
    """The client that goes by this access on the running loop, made where there is none yet."""
    here = _lent.setdefault(asyncio.get_running_loop(), {})
    if access not in here:
        here[access] = _Lent(make())
    lent = here[access]
    lent.borrowers += 1
    return cast(Client, lent.client)


async def give_back(access: Hashable) -> None:
    """Whoever gives it back last closes it."""
    here = _lent[asyncio.get_running_loop()]
    lent = here[access]
    lent.borrowers -= 1
    if lent.borrowers == 0:
        del here[access]
        await lent.client.close()
