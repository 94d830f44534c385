"""Logs to test with: records, a dumb model of what they add up to, and ways to open a store."""

import random
from pathlib import Path

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
from interrex.runtime.log_format import MAX_SLOT_COPY
from interrex.runtime.log_store import LogStore

SMALL_HALF = 80 * 1024
"""Some 8 KiB for batches: the log changes halves often."""


def vote(term: int) -> SetFact:
    return SetFact("vote", b"%d" % term)


def append(index: int, data: bytes = b"x", epoch: int = 1) -> AppendEntries:
    return AppendEntries((Entry(index, epoch, data),))


def small_store(folder: Path) -> LogStore:
    return LogStore(folder, half_bytes=SMALL_HALF)


def reload(folder: Path) -> Stored:
    """What a restarted worker finds."""
    store = LogStore(folder, half_bytes=SMALL_HALF, must_exist=True)
    try:
        return store.load()
    finally:
        store.close()


class Model:
    """The records' meaning, told a second time and as simply as possible."""

    def __init__(self) -> None:
        self.facts: dict[str, bytes] = {}
        self.snapshot: Snapshot | None = None
        self.entries: dict[int, Entry] = {}

    @property
    def last(self) -> int:
        return max(self.entries, default=self.snapshot.index if self.snapshot else 0)

    def add(self, record: Record) -> None:
        if isinstance(record, SetFact):
            self.facts[record.key] = record.value
        elif isinstance(record, AppendEntries):
            self.entries |= {entry.index: entry for entry in record.entries}
        elif isinstance(record, TruncateFrom):
            self.entries = {i: e for i, e in self.entries.items() if i < record.index}
        else:
            ends_before = self.last < record.snapshot.index
            self.snapshot = record.snapshot
            gone = record.discard_log or ends_before
            kept = {} if gone else self.entries
            self.entries = {i: e for i, e in kept.items() if i > record.keep_after}

    def stored(self) -> Stored:
        return Stored(self.facts, self.snapshot, tuple(self.entries.values()))

    def draw(self, rng: random.Random, large: float = 0.0) -> Record:
        """A record that fits what is there; ``large`` is how often one is beyond a tail slot."""
        floor = self.snapshot.index if self.snapshot else 0
        kind = rng.choices(["fact", "append", "truncate", "snapshot"], [5, 8, 1, 1])[0]
        if kind == "append":
            size = rng.choice([1, 20, 300, 2000])
            if large and rng.random() < large:
                size = MAX_SLOT_COPY + 1
            count = rng.choice([1, 1, 1, 3])
            first = self.last + 1
            made = (Entry(first + i, 1, rng.randbytes(size)) for i in range(count))
            return AppendEntries(tuple(made))
        if kind == "truncate" and self.last > floor:
            return TruncateFrom(rng.randint(floor + 1, self.last))
        if kind == "snapshot":
            snapshot = Snapshot(rng.randint(floor, self.last + 3), 1, rng.randbytes(100))
            keep = max(0, snapshot.index - rng.randint(0, 3))
            return SaveSnapshot(snapshot, keep, rng.random() < 0.2)
        return SetFact(rng.choice(["vote", "epoch"]), rng.randbytes(rng.choice([4, 40])))
