"""What the demo sees of its fleet: the workers' own documents and what they note.

It asks every worker at its own socket, as `interrex status` does; when something was noticed is
read from the workers' events, which carry their time.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from interrex.core.ids import WorkerName
from interrex.demo.connection import Ask, Broken, Connection
from interrex.demo.faults import Process, processes_of
from interrex.runtime.journal import Event, EventTail
from interrex.runtime.layout import Layout
from interrex.worker.status import Status, missing_parts

PATIENCE_S = 1.0
BUSY_S = 0.02
QUIET_S = 0.25


class Watch:
    """Keeps the latest document of each worker that answers.

    Args:
        layout: the fleet's folders; workers: all that the fleet consists of.
    """

    def __init__(self, layout: Layout, workers: Iterable[WorkerName]) -> None:
        self._layout = layout
        self._workers = sorted(workers)
        self._connections: dict[WorkerName, Connection] = {}
        self._tail = EventTail([layout.events(worker) for worker in self._workers])
        self._looking = asyncio.Lock()
        self.documents: dict[WorkerName, Status] = {}
        """What each worker last said; a worker that does not answer has none."""

    @property
    def newest(self) -> Status | None:
        """The leader's own document, else one of those with the highest epoch."""
        if not self.documents:
            return None
        found = self.documents.values()
        return max(found, key=lambda status: (status.epoch, status.leader == status.source))

    def missing(self) -> list[str]:
        """What is not as it should be, as all the workers see it; empty when the fleet is whole."""
        missing = [
            f"{worker} does not answer" for worker in self._workers if worker not in self.documents
        ]
        for status in self.documents.values():
            missing += [part for part in missing_parts(status) if part not in missing]
        epochs = {status.epoch for status in self.documents.values()}
        if len(epochs) > 1:
            missing.append("the workers do not agree on the epoch yet")
        return missing

    async def look(self) -> None:
        """Ask every worker once."""
        async with self._looking:
            await asyncio.gather(*(self._ask(worker) for worker in self._workers))

    async def until(
        self, done: Callable[[], bool], timeout_s: float, seen: Callable[[], None] | None = None
    ) -> bool:
        """Look again and again until a condition holds; returns whether it does."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            await self.look()
            if seen is not None:
                seen()
            if done():
                return True
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(BUSY_S)  # the documents have no way to announce themselves

    def new_events(self) -> list[Event]:
        """What the workers have noted since the last call."""
        return self._tail.read()

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    async def _ask(self, worker: WorkerName) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                connection = await self._connected(worker)
                reply = await connection.exchange(Ask("GET", "/v1/status"))
            self.documents[worker] = msgspec.json.decode(reply.body, type=Status)
        except (OSError, Broken, TimeoutError, msgspec.MsgspecError):
            self.documents.pop(worker, None)
            lost = self._connections.pop(worker, None)
            if lost is not None:
                lost.close()

    async def _connected(self, worker: WorkerName) -> Connection:
        connection = self._connections.get(worker)
        if connection is not None and connection.usable:
            return connection
        path = str(self._layout.api_socket(worker))
        loop = asyncio.get_running_loop()
        _, made = await loop.create_unix_connection(lambda: Connection("interrex"), path)
        self._connections[worker] = made
        return made


class Noticing:
    """When each of the killed processes was first mentioned by a survivor.

    Args:
        killed: all that was killed; at: when, in seconds since 1970.
    """

    def __init__(self, killed: tuple[Process, ...], at: float) -> None:
        self._at = at
        self._leader = next((process.name for process in killed if process.leads), None)
        self._mentioned: dict[str, float | None] = {process.name: None for process in killed}

    def take(self, events: Iterable[Event]) -> None:
        """Look through new events."""
        for event in events:
            if event.time < self._at:
                continue
            name: str | None = event.slot or event.worker
            if event.kind == "leader.elected":
                name = self._leader
            if name in self._mentioned and self._mentioned[name] is None:
                self._mentioned[name] = event.time

    @property
    def took_s(self) -> float | None:
        """How long it took until all were noticed; None while one is not."""
        times = [time for time in self._mentioned.values() if time is not None]
        return max(times) - self._at if len(times) == len(self._mentioned) else None


def replaced(before: dict[str, Process], now: Status, killed: tuple[Process, ...]) -> bool:
    """Whether every killed process has been succeeded by another one."""
    live = processes_of(now)
    return all(
        process.name in live and live[process.name].pid != before[process.name].pid
        for process in killed
    )


def disturbed(before: dict[str, Process], now: Status, killed: tuple[Process, ...]) -> list[str]:
    """The processes that nobody killed, and that are not the same any more."""
    live = processes_of(now)
    spared = before.keys() - {process.name for process in killed}
    return sorted(name for name in spared if name not in live or live[name].pid != before[name].pid)
