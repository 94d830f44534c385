"""What one acceptor has accepted, slot by slot, in memory: a piece behind a boundary.

Each slot is an instance of Paxos of its own: it is accepted, and accepted again in a later round,
whatever its neighbours are. A slot with nothing between two that hold something is a *hole*. On
disk the same piece lies as a log without gaps: a hole is an entry of round 0, and a slot that is
accepted anew is cut off together with all behind it, which is written again in the same batch.

Invariants:
    the round of a slot never falls: an accepted value gives way only to one of a later round;
    ``persisted`` <= ``last``: up to there, what is in memory is also on disk;
    the snapshot's slot is never below the boundary: nothing is missing between the two.

Source: PMS 3 (a sequence of instances); "Paxos Made Moderately Complex", van Renesse and
Altinbuken 2015 ("PMMC"), 2.2 (an acceptor keeps the latest value for each slot).
"""

from collections.abc import Sequence

from interrex.core.errors import ensure
from interrex.core.storage import Entry, Snapshot
from interrex.elections.paxos.messages import Run

NO_ROUND = 0


class Slots:
    """The accepted values of one server. Slot 0 stands for the empty beginning."""

    def __init__(self, snapshot: Snapshot | None, entries: Sequence[Entry]) -> None:
        """From what was on disk: the entries may begin before the snapshot's slot, never after."""
        self.snapshot = snapshot
        self._entries = list(entries)
        self._base = entries[0].index - 1 if entries else self.snapshot_index
        ensure(self._base <= self.snapshot_index, "stored slots follow the snapshot")
        for position, entry in enumerate(self._entries):
            ensure(entry.index == self._base + 1 + position, "stored slots have no gaps")
        ensure(self.last >= self.snapshot_index, "stored slots reach the snapshot")
        self.persisted = self.last
        self.appended_bytes = 0
        """How many bytes were ever appended in this life: differences tell what is unsent."""

    @property
    def first(self) -> int:
        """The oldest slot that is still here."""
        return self._base + 1

    @property
    def last(self) -> int:
        return self._base + len(self._entries)

    @property
    def snapshot_index(self) -> int:
        return self.snapshot.index if self.snapshot else 0

    @property
    def newest_round(self) -> int:
        """The latest round of anything that is here."""
        newest = max((entry.epoch for entry in self._entries), default=NO_ROUND)
        return max(newest, self.snapshot.epoch if self.snapshot else NO_ROUND)

    def round_at(self, index: int) -> int:
        """The round of the value in this slot; 0 where there is none, or no longer."""
        position = index - self._base - 1
        return self._entries[position].epoch if 0 <= position < len(self._entries) else NO_ROUND

    def entry(self, index: int) -> Entry:
        """The entry in a slot that is here."""
        ensure(self.first <= index <= self.last, "a slot that is asked for is here")
        return self._entries[index - self._base - 1]

    def slice(self, start: int, end: int) -> list[Entry]:
        """The slots from ``start`` up to and including ``end``, holes as entries of round 0."""
        ensure(start >= self.first, "slots that are asked for are here")
        return self._entries[start - self._base - 1 : end - self._base]

    def batch(self, start: int, end: int, max_bytes: int) -> tuple[tuple[bytes, ...], int]:
        """The values from ``start`` to ``end`` at most, at least one, and their bytes."""
        size = 0
        values: list[bytes] = []
        for entry in self.slice(start, end):
            length = len(entry.data)
            if values and size + length > max_bytes:
                break
            size += length
            values.append(entry.data)
        return tuple(values), size

    def runs(self, start: int) -> tuple[Run, ...]:
        """The rounds from a slot on, in short; the last run says that nothing follows."""
        found: list[Run] = []
        for entry in self.slice(start, self.last):
            if not found or found[-1][1] != entry.epoch:
                found.append((entry.index, entry.epoch))
        if found:
            found.append((self.last + 1, NO_ROUND))
        return tuple(found)

    def put(self, entries: Sequence[Entry]) -> int:
        """Takes values for slots that follow one another.

        Returns:
            The first slot from which on the disk has to be written anew.
        """
        start, last = entries[0].index, self.last
        self.appended_bytes += sum(len(entry.data) for entry in entries)
        if start == last + 1:
            self._entries.extend(entries)
            return start
        ensure(start >= self.first, "only slots that are here are accepted")
        for entry in entries[: max(0, last + 1 - start)]:
            ensure(entry.epoch >= self.round_at(entry.index), "the round of a slot never falls")
        self._entries.extend(Entry(index, NO_ROUND, b"") for index in range(last + 1, start))
        position = start - self._base - 1
        self._entries[position : position + len(entries)] = entries
        changed = min(start, last + 1)
        self.persisted = min(self.persisted, changed - 1)
        return changed

    def save(self, snapshot: Snapshot, keep_after: int) -> None:
        """Takes a snapshot of what was learned here, and drops the slots up to ``keep_after``."""
        ensure(snapshot.index > self.snapshot_index, "snapshots only move on")
        ensure(keep_after <= snapshot.index <= self.last, "what is dropped is covered")
        self.snapshot = snapshot
        if keep_after > self._base:
            del self._entries[: keep_after - self._base]
            self._base = keep_after

    def restore(self, snapshot: Snapshot) -> None:
        """Replaces everything up to the snapshot's slot; what is behind it stays accepted."""
        ensure(snapshot.index > self.snapshot_index, "snapshots only move on")
        self.snapshot = snapshot
        del self._entries[: max(0, snapshot.index - self._base)]
        self._base = snapshot.index
