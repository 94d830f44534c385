"""Members of an embedded election in this process, on loopback."""

import asyncio
from contextlib import suppress
from typing import NamedTuple

import interrex
from bench.processes import free_ports
from interrex.library.errors import NotLeading, UnknownSuccessor

QUICK = "heartbeat=0.05&election_timeout=1"


class Places:
    """The URLs of the members of one election."""

    def __init__(self, scheme: str, name: str = "billing", count: int = 3, more: str = "") -> None:
        self.scheme, self.name, self.more = scheme, name, more
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]

    def url(self, place: int, more: str = "") -> str:
        peers = ",".join(self.addresses)
        return f"{self.scheme}://{peers}/{self.name}?self={place}&{QUICK}{self.more}{more}"

    def patient_url(self, place: int) -> str:
        """The same: with a longer election time-out it takes longer to begin."""
        return self.url(place)


class Turn(NamedTuple):
    identity: str
    epoch: int


class Turns:
    """Lets members lead, and tells who does."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._begun: asyncio.Queue[Turn] = asyncio.Queue()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def stand(self, election: interrex.Election) -> None:
        """Lead whenever it may."""
        self._tasks[election.identity] = self._group.create_task(self._lead(election))

    def stop(self, election: interrex.Election) -> None:
        """Stand no more."""
        self._tasks.pop(election.identity).cancel()

    def stop_all(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    async def _lead(self, election: interrex.Election) -> None:
        while True:
            async with election.lead() as leadership:
                self._begun.put_nowait(Turn(election.identity, leadership.epoch))
                await asyncio.get_running_loop().create_future()

    async def next(self, after: int = 0) -> Turn:
        """The next who begins to lead, in an epoch after this one."""
        while (turn := await self._begun.get()).epoch <= after:
            pass
        return turn


async def until_waiting(election: interrex.Election, *identities: str) -> None:
    """Until this member knows that exactly these wait."""
    while sorted(election.waiting()) != sorted(identities):
        await election.standing.changed()


async def leads_before(leader: interrex.Election, *others: interrex.Election) -> int:
    """Until this member leads while exactly these others wait: its epoch.

    Where all of this process stood still for longer than a lease, whoever leads by then hands over.
    """
    waiting = sorted(other.identity for other in others)
    while (leads := leader.leadership) is None or sorted(leader.waiting()) != waiting:
        for other in others:
            if other.leadership is not None:
                with suppress(NotLeading, UnknownSuccessor):
                    await other.transfer(leader.identity)
        await asyncio.sleep(0.001)
    return leads.epoch


async def led_since(election: interrex.Election, epoch: int) -> Turn:
    """Who leads from this epoch on, as a member sees it."""
    async for view in election.observe():
        if view.leader is not None and view.epoch >= epoch:
            return Turn(view.leader, view.epoch)
    raise AssertionError("the election was left")
