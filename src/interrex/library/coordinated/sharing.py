"""Clients that the elections of one event loop have in common, if they ask the same servers."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from interrex.core.errors import InterrexError
from interrex.library.coordinated.options import told, waited_for


class Closable(Protocol):
    """A client."""

    async def close(self) -> None: ...


Client = TypeVar("Client", bound=Closable)


class _Lent:
    def __init__(self, client: Closable) -> None:
        self.client = client
        self.borrowers = 0


_lent: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Lent]] = WeakKeyDictionary()


async def borrow(
    access: Hashable,
    make: Callable[[], Client],
    introduce: Callable[[Client], Coroutine[None, None, None]],
    patience: float,
) -> Client:
    """The client that goes by this access on the running loop, once it has met its service.

    Args:
        make: makes it, where there is none yet.
        introduce: lets it meet the service.
        patience: for how many seconds that may take.

    Raises:
        ElectionError: it cannot be made, or the service is not there, is another, or lets nobody
            in; nothing is borrowed then.
    """
    here = _lent.setdefault(asyncio.get_running_loop(), {})
    if access not in here:
        try:
            here[access] = _Lent(make())
        except InterrexError as error:
            raise told(error) from error
    lent = here[access]
    lent.borrowers += 1
    client = cast(Client, lent.client)
    try:
        await waited_for(lambda: introduce(client), patience)
    except BaseException:
        await give_back(access)
        raise
    return client


async def give_back(access: Hashable) -> None:
    """Whoever gives it back last closes it."""
    here = _lent[asyncio.get_running_loop()]
    lent = here[access]
    lent.borrowers -= 1
    if lent.borrowers == 0:
        del here[access]
        await lent.client.close()
