"""A worker's disk: one writer that stores in order, syncs once a batch, and answers once.

As in production: a full disk is tried again until there is space, an error ends the worker's
process, a crash leaves the batch under way whole or not at all, and a log whose stored records
were changed is refused when it is opened, and put aside for good.
"""

from collections.abc import Callable
from typing import Protocol

from interrex.core.storage import (
    AppendEntries,
    Entry,
    Record,
    SaveSnapshot,
    SetFact,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.core.time import MS
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance

RETRY = 250 * MS
"""How often (ns) a full disk is tried again."""
SLOWEST_SYNC = 30
"""The longest sync of a healthy disk, in typical ones."""


class DiskBroken(Exception):  # noqa: N818
    """The disk cannot be opened or read: the worker's process ends."""


class Writing(Protocol):
    """The process that writes."""

    life: int

    def persisted(self, token: int) -> None:
        """Everything up to this token is on the disk."""

    def disk_full(self) -> None:
        """No space: what was submitted is tried again. Told once until some of it is stored."""

    def disk_failed(self, reason: str) -> None:
        """What is on the disk is unknown: the process must end."""


Batch = list[tuple[int, tuple[Record, ...]]]
Written = Callable[[int, int, tuple[Record, ...]], None]


class Contents:
    """What a log's records add up to."""

    __slots__ = ("entries", "facts", "snapshot")

    def __init__(self) -> None:
        self.facts: dict[str, bytes] = {}
        self.snapshot: Snapshot | None = None
        self.entries: list[Entry] = []

    def apply(self, record: Record) -> None:
        """Perform one record."""
        kind = type(record)
        if kind is SetFact:
            assert isinstance(record, SetFact)
            self.facts[record.key] = record.value
        elif kind is AppendEntries:
            assert isinstance(record, AppendEntries)
            self.entries.extend(record.entries)
        elif kind is TruncateFrom:
            assert isinstance(record, TruncateFrom)
            if self.entries:
                del self.entries[max(0, record.index - self.entries[0].index) :]
        else:
            assert isinstance(record, SaveSnapshot)
            self._save(record)

    def _save(self, record: SaveSnapshot) -> None:
        last = self.entries[-1].index if self.entries else 0
        if record.discard_log or last < record.snapshot.index:
            self.entries.clear()
        elif self.entries:
            del self.entries[: max(0, record.keep_after + 1 - self.entries[0].index)]
        self.snapshot = record.snapshot

    def copy(self) -> "Contents":
        """The same, to be changed apart."""
        other = Contents()
        other.facts = dict(self.facts)
        other.snapshot = self.snapshot
        other.entries = list(self.entries)
        return other

    def stored(self) -> Stored:
        """As a worker finds it."""
        return Stored(dict(self.facts), self.snapshot, tuple(self.entries))


class Disk:
    """One worker's disk.

    Args:
        agenda, chance: the world's.
        sync: how long (ns) a sync typically takes.
        written: told (life, token, records) of what is durable from now on.
    """

    def __init__(self, agenda: Agenda, chance: Chance, sync: int, written: Written) -> None:
        self._agenda = agenda
        self._chance = chance
        self._written = written
        self.usual_sync = sync
        self.sync = sync
        self.full = False
        self.failing = False
        self.contents = Contents()
        self.damage = ""
        """What the next opening finds wrong; empty where nothing is."""
        self.lost_identity = False
        self.unwritten = True
        """Whether the ticket is left that a log's first write uses up."""
        self.on_write: Callable[[], None] | None = None
        """Called once, within the next write."""
        self._durable: Contents | None = None
        """While the disk lies: what a power loss would leave."""
        self._writer: Writing | None = None
        self._full_told = False
        self._waiting: Batch = []
        self._writing: Batch = []

    # The writer

    @property
    def loss(self) -> str:
        """Why the next opening will put the log aside; empty where it will not."""
        return self.damage or ("it was disowned" if self.lost_identity else "")

    def open(self, writer: Writing) -> Stored | None:
        """Read the log for a process that begins.

        Returns:
            What is stored; None where it was lost or refused: it is put aside, and empty now.

        Raises:
            DiskBroken: it cannot be read, or there is no space for an empty one.
        """
        if self.failing:
            raise DiskBroken("the disk fails")
        lost = bool(self.loss)
        if lost:
            if self.full:
                raise DiskBroken("no space for an empty log")
            self.contents = Contents()
            self._durable = None if self._durable is None else Contents()
            self.damage, self.lost_identity = "", False
        self._writer, self._full_told = writer, False
        self._waiting, self._writing = [], []
        return None if lost else self.contents.stored()

    def disown(self) -> None:
        """Put the log aside: the next opening begins anew under a new identity."""
        self.lost_identity, self.unwritten = True, False

    def submit(self, token: int, records: tuple[Record, ...]) -> None:
        """Store these records after those before them, then say so."""
        self.unwritten = False
        self._waiting.append((token, records))
        if not self._writing:
            self._begin()

    def _begin(self) -> None:
        self._writing, self._waiting = self._waiting, []
        latency = self._latency()
        self._agenda.after(latency, self._finish, self._writer, self._writing)
        if self.on_write is not None:
            hook, self.on_write = self.on_write, None
            self._agenda.after(self._chance.below(latency + 1), hook)

    def _latency(self) -> int:
        return min(
            self.sync // 2 + self._chance.exponential(self.sync // 2), SLOWEST_SYNC * self.sync
        )

    def _finish(self, writer: Writing, batch: Batch) -> None:
        if writer is not self._writer or batch is not self._writing:
            return
        if self.failing:
            writer.disk_failed("the disk failed while writing")
        elif self.full:
            batch += self._waiting
            self._waiting = []
            self._agenda.after(RETRY, self._finish, writer, batch)
            if not self._full_told:
                self._full_told = True
                writer.disk_full()
        else:
            self._writing = []
            self._full_told = False
            self._store(writer.life, batch)
            if self._waiting:
                self._begin()
            writer.persisted(batch[-1][0])

    def _store(self, life: int, batch: Batch) -> None:
        contents = self.contents
        records = batch[0][1]
        for _, more in batch[1:]:
            records += more
        for record in records:
            contents.apply(record)
        self._written(life, batch[-1][0], records)

    # What befalls it

    def process_died(self) -> None:
        """The writer is gone: what it was writing is there whole or not at all."""
        writer, batch = self._writer, self._writing
        self._writer = None
        self._waiting, self._writing = [], []
        if writer is not None and batch and not self.full and self._chance.one_in(2):
            self._store(writer.life, batch)

    def lie(self) -> None:
        """From now on, acknowledge what a power loss would take away."""
        if self._durable is None:
            self._durable = self.contents.copy()

    def be_honest(self) -> None:
        """What was written is durable now."""
        self._durable = None

    @property
    def lies(self) -> bool:
        return self._durable is not None

    def power_lost(self) -> bool:
        """The machine is off, its processes are dead already.

        Returns:
            Whether anything that was acknowledged is gone.
        """
        if self._durable is None:
            return False
        kept, self._durable = self._durable, self._durable.copy()
        changed = kept.stored() != self.contents.stored()
        self.contents = kept
        return changed

    def replace(self) -> None:
        """Another, empty disk, that holds what a new cluster's does: no record at all."""
        self.contents = Contents()
        self.damage, self.lost_identity, self.unwritten = "", False, True
        self._durable = None
