"""What a server is whatever its election and its role: who it is, its disk, and its way out.

Invariant: what a message promises is on disk before the message leaves (see ``disk``).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from random import Random
from typing import ClassVar, Generic, Protocol, TypeVar

import msgspec

from interrex.core.errors import InvariantViolation, ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.interface import ElectionEffect, SendPayload, SnapshotTaken, TakeSnapshot
from interrex.elections.replicated.disk import Disk
from interrex.elections.replicated.settings import ReplicatedSettings


class Electorate(Protocol):
    """Who elects, as a server's log says."""

    @property
    def voters(self) -> dict[int, WorkerName]:
        """Member ids and workers' names of those who vote by the newest configuration."""

    @property
    def by_worker(self) -> list[tuple[int, WorkerName]]:
        """The same, in the order of the workers' names."""

    @property
    def electorate(self) -> dict[int, WorkerName]:
        """All whose word may be needed now."""

    @property
    def groups(self) -> tuple[Collection[int], ...]:
        """A majority of each of these is needed."""

    def is_alone(self, member: int) -> bool:
        """Whether a member needs nobody else."""

    def worker_of(self, member: int) -> WorkerName | None:
        """A voter's or a learner's worker."""

    def member_of(self, worker: WorkerName) -> int | None:
        """The voter that a worker is."""


AnyMessage = TypeVar("AnyMessage", bound=msgspec.Struct)


class OwnFact(msgspec.Struct, frozen=True, array_like=True):
    """A fact on disk that says whose disk it is."""

    member: int


AnyFact = TypeVar("AnyFact", bound=OwnFact)

_encode = msgspec.msgpack.Encoder().encode


class DurableNode(ABC, Generic[AnyMessage]):
    """The durable half of a server and its outbox. Roles act through it; it decides nothing.

    An election's own node adds what its paper wants on disk: a vote or a promise, and the log.
    """

    epoch_word: ClassVar[str]
    """What the paper calls an epoch."""
    membership: Electorate

    def __init__(
        self, worker: WorkerName, member: int, settings: ReplicatedSettings, random: Random
    ) -> None:
        self.worker = worker
        self.member = member
        self.settings = settings
        self.random = random
        self.now = 0
        self.effects: list[ElectionEffect] = []
        self.disk = Disk()
        self.peers: dict[WorkerName, int] = {}
        """The member ids of workers, as they said hello or wrote."""
        self.campaigns = self.random.getrandbits(48)
        """Numbers this server's campaigns; starts anywhere, so that no answer to a question of an
        earlier life of the process is taken for one to this life's."""
        self._snapshot_asked = 0
        self._bytes_since_snapshot = 0

    # What an election's own node says

    @property
    @abstractmethod
    def epoch(self) -> int:
        """The newest epoch that this server has seen."""

    @property
    @abstractmethod
    def given_to(self) -> int:
        """The member to whom the vote or the promise of this epoch was given, 0 for nobody."""

    @abstractmethod
    def begin_epoch(self, epoch: int, given_to: int = 0) -> None:
        """Moves to a newer epoch."""

    @property
    @abstractmethod
    def may_campaign(self) -> bool:
        """Whether to stand for election."""

    @property
    @abstractmethod
    def stored_index(self) -> int:
        """Up to which index the log is on disk."""

    @abstractmethod
    def restored(self) -> None:
        """Hands out the state found on disk, as the first thing of all."""

    @abstractmethod
    def persisted(self, token: int) -> None:
        """What was handed out up to this token is on disk."""

    @abstractmethod
    def snapshot_taken(self, taken: SnapshotTaken) -> None:
        """Keeps the state after an applied index, and drops what it covers."""

    # Out

    def send(self, member: int, message: AnyMessage) -> None:
        worker = self.membership.worker_of(member) or self._peer_of(member)
        if worker is not None:
            self.effects.append(SendPayload(worker, _encode(message)))

    def send_when_stored(self, member: int, message: AnyMessage) -> None:
        """Sends a promise once all that is recorded so far is on disk."""
        worker = self.worker_of(member)
        if worker is None:
            return
        free = self.disk.hold(SendPayload(worker, _encode(message)))
        if free is not None:
            self.effects.append(free)

    def worker_of(self, member: int) -> WorkerName | None:
        return self.membership.worker_of(member) or self._peer_of(member)

    def _peer_of(self, member: int) -> WorkerName | None:
        return next((worker for worker, one in self.peers.items() if one == member), None)

    def name_of(self, member: int) -> str:
        """A member for people."""
        return self.worker_of(member) or f"member {member}"

    def is_mail(self, target: int, source: int, worker: WorkerName) -> bool:
        """Whether mail is this member's and from who it says. Notes whose id that is."""
        if target != self.member or source == self.member:
            return False
        known = self.membership.worker_of(source)
        if known is None:
            self.peers[worker] = source
            return True
        return known == worker

    def flush(self) -> None:
        """Hands out the next write, where there is one."""
        persist = self.disk.flush(self.now)
        if persist is not None:
            self.effects.append(persist)

    @property
    def is_disk_stuck(self) -> bool:
        """Whether a write has had no answer for an election time-out: no time to campaign."""
        since = self.disk.waiting_since
        return since is not None and self.now - since >= self.settings.election_timeout

    def ask_for_snapshot(self, applied: int, snapshot_index: int) -> None:
        """Asks for the state, where the log has grown enough since the last."""
        settings = self.settings
        grown = applied - max(snapshot_index, self._snapshot_asked)
        if grown >= settings.snapshot_after or (
            self._bytes_since_snapshot >= settings.snapshot_after_bytes
        ):
            self._snapshot_asked = applied
            self._bytes_since_snapshot = 0
            self.effects.append(TakeSnapshot(applied))


def stored_fact(stored: Stored, key: str, none: AnyFact) -> AnyFact:
    """A member's own fact on its disk; ``none`` where there is none yet.

    Raises:
        InvariantViolation: it cannot be read, or is another member's.
    """
    value = stored.facts.get(key)
    if value is None:
        return none
    try:
        fact = msgspec.msgpack.decode(value, type=type(none))
    except msgspec.DecodeError as error:
        raise InvariantViolation(f"the stored {key} cannot be read: {error}") from error
    ensure(
        fact.member == none.member,
        f"the disk is member {fact.member}'s, this server is {none.member}",
    )
    return fact
