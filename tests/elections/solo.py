"""One server whose peers are the test itself, whatever its election's messages are."""

from collections.abc import Mapping
from random import Random
from typing import Any, Generic, TypeVar

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Stored
from interrex.core.time import MS
from interrex.elections.interface import (
    Committed,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    PayloadReceived,
    Persist,
    Persisted,
    ProposalSettled,
    Propose,
    SendPayload,
    WakeUp,
)
from interrex.elections.replicated.election import ReplicatedElection

from .network import MemoryDisk

Kind = TypeVar("Kind")
MessageKind = TypeVar("MessageKind", bound=msgspec.Struct)
AnyElection = TypeVar("AnyElection", bound=ReplicatedElection)
AnySettings = TypeVar("AnySettings")


def worker(member: int) -> WorkerName:
    return WorkerName(f"w{member}")


def voters(size: int) -> dict[int, WorkerName]:
    return {member: worker(member) for member in range(1, size + 1)}


class Solo(Generic[AnyElection, AnySettings]):
    """Member 1 of a cluster of ``size``; ``persists`` False leaves writes to the test.

    An election's own says how its core is made, what its messages are, and whole conversations.
    """

    asking = "asking"
    """What it is called while it asks whether it would be elected."""

    def __init__(
        self,
        size: int = 3,
        *,
        stored: Stored | None = None,
        settings: AnySettings | None = None,
        genesis: Mapping[int, WorkerName] | None = None,
        seed: int = 1,
        persists: bool = True,
        member: int = 1,
    ) -> None:
        self.settings = settings or self.usual_settings()
        self.member = member
        self.now = 1_000 * MS
        self.persists = persists
        self.disk = MemoryDisk()
        found = stored or Stored()
        self.disk.facts, self.disk.snapshot = dict(found.facts), found.snapshot
        self.disk.entries = list(found.entries)
        self.core = self.new_core(found, genesis or voters(size), Random(seed))
        self.effects: list[ElectionEffect] = []
        self.writing: list[Persist] = []
        self.step(WakeUp())

    # What an election says

    def usual_settings(self) -> AnySettings:
        raise NotImplementedError

    def new_core(
        self, found: Stored, genesis: Mapping[int, WorkerName], random: Random
    ) -> AnyElection:
        """What a worker runs, from what its disk holds."""
        raise NotImplementedError

    def decode(self, payload: bytes) -> Any:
        """The message in a payload."""
        raise NotImplementedError

    # In

    def step(self, event: ElectionEvent) -> list[ElectionEffect]:
        effects = self.core.step(event, self.now)
        self.effects.extend(effects)
        for effect in effects:
            if isinstance(effect, Persist):
                self.writing.append(effect)
        if self.persists:
            self.write()
        return effects

    def write(self) -> None:
        """All that was handed out to be written is on disk."""
        while self.writing:
            persist = self.writing.pop(0)
            for record in persist.records:
                self.disk.write(record)
            self.step(Persisted(persist.token))

    def receive(self, message: Any) -> list[ElectionEffect]:
        return self.step(PayloadReceived(worker(message.source), msgspec.msgpack.encode(message)))

    def pass_time(self, duration: int) -> None:
        """Time goes by, and the wake-ups in it happen when they are due."""
        end = self.now + duration
        while self.core.wake_at is not None and self.core.wake_at <= end:
            self.now = max(self.now, self.core.wake_at)
            self.step(WakeUp())
        self.now = end

    def oversleep(self, duration: int) -> None:
        """The process is stopped: the first wake-up comes late."""
        self.now += duration
        self.step(WakeUp())

    def propose(self, name: str, data: bytes = b"x") -> list[ElectionEffect]:
        return self.step(Propose(ChangeId(name), data))

    # Out

    def take(self) -> list[Any]:
        """What was sent since the last time this was asked."""
        sent = [self.decode(one.payload) for one in self.effects if isinstance(one, SendPayload)]
        self.effects = [one for one in self.effects if not isinstance(one, SendPayload)]
        return sent

    def taken(self, kind: type[MessageKind]) -> list[MessageKind]:
        """The messages of one kind that were sent since; the others are forgotten."""
        return [one for one in self.take() if isinstance(one, kind)]

    def said(self, kind: type[Kind]) -> list[Kind]:
        """All effects of a kind, from the beginning."""
        return [one for one in self.effects if isinstance(one, kind)]

    @property
    def committed(self) -> list[bytes]:
        return [one.data for one in self.said(Committed)]

    @property
    def settled(self) -> dict[str, int | None]:
        return {one.change: one.index for one in self.said(ProposalSettled)}

    @property
    def leaders(self) -> list[tuple[str | None, int]]:
        return [(one.leader, one.epoch) for one in self.said(LeaderChanged)]

    @property
    def log(self) -> list[tuple[int, int]]:
        """What is stored: index and epoch of each entry."""
        return [(entry.index, entry.epoch) for entry in self.disk.entries]

    @property
    def role(self) -> str:
        role = self.core._server.role
        return self.asking if getattr(role, "asking", False) else type(role).__name__.lower()
