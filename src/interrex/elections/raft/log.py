"""The replicated log in memory: the entries behind a boundary, and the snapshot.

Invariants:
    entries are contiguous, their terms never fall;
    ``persisted`` <= ``last_index``: up to there, what is in memory is also on disk;
    the snapshot's index is never below the boundary: no entry is missing between the two.
"""

from collections.abc import Sequence

from interrex.core.errors import ensure
from interrex.core.storage import Entry, Snapshot


class Log:
    """The log of one server. Index 0 with term 0 stands for the empty beginning."""

    def __init__(self, snapshot: Snapshot | None, entries: Sequence[Entry]) -> None:
        """From what was on disk: the entries may begin before the snapshot's index, never after."""
        self.snapshot = snapshot
        snapshot_index = snapshot.index if snapshot else 0
        self._entries = list(entries)
        self.last_index = entries[-1].index if entries else snapshot_index
        self._base_index = snapshot_index
        self._base_term = snapshot.epoch if snapshot else 0
        if self._entries and self._entries[0].index <= snapshot_index:
            # The term before the first entry is not known: the first entry becomes the boundary.
            boundary = self._entries.pop(0)
            self._base_index, self._base_term = boundary.index, boundary.epoch
        for position, entry in enumerate(self._entries):
            ensure(entry.index == self._base_index + 1 + position, "a stored log has no gaps")
        ensure(self.last_index >= snapshot_index, "a stored log reaches its snapshot")
        self.persisted = self.last_index
        self.appended_bytes = 0
        """How many bytes were ever appended in this life: differences tell what is unsent."""

    @property
    def first_index(self) -> int:
        """The oldest index whose entry is still here."""
        return self._base_index + 1

    @property
    def last_term(self) -> int:
        return self._entries[-1].epoch if self._entries else self._base_term

    @property
    def snapshot_index(self) -> int:
        return self.snapshot.index if self.snapshot else 0

    def term_at(self, index: int) -> int | None:
        """The term of the entry at this index, None where the log does not reach."""
        position = index - self._base_index - 1
        if position == -1:
            return self._base_term
        if position < 0 or position >= len(self._entries):
            return None
        return self._entries[position].epoch

    def entry(self, index: int) -> Entry:
        """The entry at an index that is here."""
        ensure(self.first_index <= index <= self.last_index, "an entry that is asked for is here")
        return self._entries[index - self._base_index - 1]

    def slice(self, start: int, end: int) -> list[Entry]:
        """The entries from ``start`` up to and including ``end``."""
        ensure(start >= self.first_index, "entries that are asked for are here")
        return self._entries[start - self._base_index - 1 : end - self._base_index]

    def batch(self, start: int, max_bytes: int) -> tuple[tuple[Entry, ...], int]:
        """Entries from ``start`` on, at least one where there is one, and their bytes."""
        position = start - self._base_index - 1
        ensure(position >= 0, "entries that are asked for are here")
        entries = self._entries
        size, end, count = 0, position, len(entries)
        while end < count:
            length = len(entries[end].data)
            if size + length > max_bytes and end > position:
                break
            size += length
            end += 1
        return tuple(entries[position:end]), size

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds entries right after the last."""
        index, term = self.last_index, self.last_term
        for entry in entries:
            index += 1
            ensure(entry.index == index and entry.epoch >= term, "a log grows in order")
            term = entry.epoch
            self.appended_bytes += len(entry.data)
        self._entries.extend(entries)
        self.last_index = index

    def truncate(self, index: int) -> None:
        """Drops the entries from ``index`` on."""
        ensure(index > self.snapshot_index, "what a snapshot covers is never truncated")
        del self._entries[index - self._base_index - 1 :]
        self.last_index = min(self.last_index, index - 1)
        self.persisted = min(self.persisted, index - 1)

    def save(self, snapshot: Snapshot, keep_after: int) -> None:
        """Takes a snapshot of this very log, and drops the entries up to ``keep_after``."""
        ensure(snapshot.index > self.snapshot_index, "snapshots only move on")
        ensure(self.term_at(snapshot.index) == snapshot.epoch, "a snapshot is of its own log")
        self.snapshot = snapshot
        if keep_after > self._base_index:
            term = self.term_at(keep_after)
            ensure(term is not None and keep_after <= snapshot.index, "what is dropped is covered")
            del self._entries[: keep_after - self._base_index]
            self._base_index, self._base_term = keep_after, term or 0

    def restore(self, snapshot: Snapshot) -> None:
        """Replaces everything by the leader's snapshot."""
        ensure(snapshot.index > self.snapshot_index, "snapshots only move on")
        self.snapshot = snapshot
        self._entries.clear()
        self.last_index = self._base_index = snapshot.index
        self._base_term = snapshot.epoch

    def is_up_to_date(self, last_index: int, last_term: int) -> bool:
        """Whether a log that ends so is at least as up to date as this one (paper, 5.4.1)."""
        return (last_term, last_index) >= (self.last_term, self.last_index)

    def last_within_term(self, index: int, term: int) -> int:
        """The last index up to ``index`` whose term is at most ``term``.

        Above it nothing can match a log whose entry there has that term: both ends jump over whole
        terms, so finding the common prefix costs one message per term and not per entry.
        """
        index = min(index, self.last_index)
        while index > self._base_index and (self.term_at(index) or 0) > term:
            index -= 1
        return index
