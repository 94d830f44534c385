"""A host's processes under test: performs effects, waits for their answers, leaves nothing."""

import asyncio
import contextlib
import os
import resource
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from interrex.core.ids import ServiceName, SlotName
from interrex.core.spec import Check, CheckKind, ServiceSpec
from interrex.runtime.pidfd import ProcessIdentity, open_pidfd, reap, send_signal, signal_group
from interrex.runtime.processes import HostProcesses
from interrex.runtime.procfs import all_pids, instance_of
from interrex.runtime.records import Instances
from interrex.supervision.interface import (
    Claim,
    Claimed,
    Exited,
    Probe,
    Probed,
    Signal,
    Spawn,
    Spawned,
    SpawnFailed,
    SupervisionEvent,
    Sweep,
    Swept,
)

PATIENCE_S = 60.0
"""A hang is a failure; nothing passes or fails by being fast."""

SLOT = SlotName("web.0")
Event = TypeVar("Event", bound=SupervisionEvent)


def service(*command: str, **fields: Any) -> ServiceSpec:
    """A service that runs this command."""
    return ServiceSpec(name=ServiceName("web"), command=command, **fields)


def check(kind: CheckKind, **fields: Any) -> Check:
    """A check with a patient time-out."""
    return Check(kind=kind, **({"timeout": PATIENCE_S} | fields))


@contextlib.contextmanager
def no_more_descriptors(but: int = 0) -> Iterator[None]:
    """This process may open so many files more, and then none."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + but, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Ear:
    """A named pipe that programs say words into."""

    def __init__(self, path: Path, listening: bool) -> None:
        self.path = path
        if not path.exists():
            os.mkfifo(path)
        # Open for writing too, so that it never ends.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._text = b""
        self._said = asyncio.Event()
        if listening:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        self._text += os.read(self._descriptor, 65536)
        self._said.set()

    async def hear(self, words: int) -> list[str]:
        """Takes the next words, each a line or a part of one."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self._text.split()) < words or not self._text.endswith(b"\n"):
                self._said.clear()
                await self._said.wait()
        heard = self._text.decode().split()
        self._text = " ".join(heard[words:]).encode()
        if self._text:
            self._text += b"\n"
        return heard[:words]

    def close(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


class Host:
    """HostProcesses with its events kept in order for whoever waits for one."""

    def __init__(self, state: Path, *, listening: bool = True, **options: Any) -> None:
        self.state = state
        self._started: list[ProcessIdentity] = []
        self.events: list[SupervisionEvent] = []
        self._arrived = asyncio.Event()
        self._ear = Ear(state / "ear", listening)
        self.processes = HostProcesses(state, asyncio.get_running_loop(), self._heard, **options)

    def _heard(self, event: SupervisionEvent) -> None:
        if isinstance(event, Spawned) and (identity := ProcessIdentity.of(event.pid)) is not None:
            self._started.append(identity)
        self.events.append(event)
        self._arrived.set()

    async def next_of_any(self) -> SupervisionEvent:
        """The next event."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.events:
                self._arrived.clear()
                await self._arrived.wait()
        return self.events.pop(0)

    async def next(self, kind: type[Event]) -> Event:
        """The next event, which has to be of this kind."""
        event = await self.next_of_any()
        assert isinstance(event, kind), event
        return event

    async def claim(self, slot: SlotName = SLOT) -> Claimed:
        """Claims a slot."""
        self.processes.perform(Claim(slot))
        return await self.next(Claimed)

    def start(
        self, spec: ServiceSpec, *, slot: SlotName = SLOT, incarnation: int = 1, port: int = 0
    ) -> None:
        """Asks for a process."""
        self.processes.perform(
            Spawn(
                slot=slot,
                incarnation=incarnation,
                generation=7,
                epoch=3,
                port=port,
                spec=spec,
            )
        )

    async def spawn(
        self, spec: ServiceSpec, *, slot: SlotName = SLOT, incarnation: int = 1, port: int = 0
    ) -> int:
        """Claims the slot and starts a process in it: its pid."""
        if incarnation == 1:
            await self.claim(slot)
        self.start(spec, slot=slot, incarnation=incarnation, port=port)
        return (await self.next(Spawned)).pid

    async def fail_to_spawn(self, spec: ServiceSpec, port: int = 0) -> SpawnFailed:
        """Claims the slot and asks for a process that cannot be started."""
        await self.claim()
        self.start(spec, port=port)
        return await self.next(SpawnFailed)

    def signal(self, name: str, incarnation: int = 1) -> None:
        """Signals the slot's process group."""
        self.processes.perform(Signal(SLOT, incarnation, name))

    async def sweep(self, incarnation: int = 1) -> int:
        """Sweeps: how many processes were killed."""
        self.processes.perform(Sweep(SLOT, incarnation))
        return (await self.next(Swept)).killed

    async def exited(self) -> int | None:
        """Waits for the death of the main process: its status."""
        return (await self.next(Exited)).status

    async def probe(
        self, what: Check, port: int = 0, spec: ServiceSpec | None = None, *, own: bool = False
    ) -> Probed:
        """Asks once; ``own``: the answer has to be the replica's."""
        spec = spec or service("unused")
        self.processes.perform(Probe(SLOT, 1, 11, port, what, spec, own))
        return await self.next(Probed)

    def shell(self, script: str, **fields: Any) -> ServiceSpec:
        """A service that runs a shell script, which says words to the test with ``>&3``."""
        return service("/bin/sh", "-c", f"exec 3>{self._ear.path}; {script}", **fields)

    async def hear(self, words: int) -> list[str]:
        """The next words that replicas say."""
        return await self._ear.hear(words)

    def kill_all(self) -> None:
        """Ends every process of this host's replicas, however it was left."""
        self.processes.close()
        self._ear.close()
        # By name too: right after a spawn, at the exec, an environment cannot be read.
        for identity in self._started:
            if (handle := open_pidfd(identity)) is not None:
                signal_group(handle, identity.pid, signal.SIGKILL)
                os.close(handle)
        kill_instances(self.state)


def kill_instances(state: Path) -> None:
    """Kills every process that carries an instance id of this host's folder, until none is left."""
    mark = Instances(state).prefix(SlotName(""))
    while handles := [
        handle
        for pid in all_pids()
        if mark in (instance_of(pid) or "")
        and (identity := ProcessIdentity.of(pid)) is not None
        and (handle := open_pidfd(identity)) is not None
    ]:
        for handle in handles:
            send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], PATIENCE_S)
            reap(handle)
            os.close(handle)


def record_fields(state: Path, slot: SlotName = SLOT) -> dict[str, Any]:
    """A slot's record as plain values."""
    body = (state / "replicas" / slot).read_bytes().partition(b"\n")[0]
    fields: dict[str, Any] = msgspec.json.decode(body)
    return fields
