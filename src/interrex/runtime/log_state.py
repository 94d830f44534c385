"""The state that a log's records add up to, kept in memory so that the log can be rewritten."""

from collections.abc import Sequence
from typing import assert_never

from interrex.core.errors import ensure
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


class LogState:
    """Facts, snapshot and entries. The entries are shared with the core, not copied."""

    def __init__(self, stored: Stored) -> None:
        self._facts = dict(stored.facts)
        self._snapshot = stored.snapshot
        self._entries = list(stored.entries)

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    @property
    def last_index(self) -> int:
        """The index of the last entry, or of the snapshot when none follows it; 0 for neither."""
        return self._entries[-1].index if self._entries else self._floor

    @property
    def _floor(self) -> int:
        return self._snapshot.index if self._snapshot else 0

    def stored(self) -> Stored:
        """The state as a worker finds it when it starts."""
        return Stored(
            facts=dict(self._facts), snapshot=self._snapshot, entries=tuple(self._entries)
        )

    def check(self, records: Sequence[Record]) -> None:
        """Refuses records that would leave a gap or undo what a snapshot has settled.

        Raises:
            InvariantViolation: and nothing has been changed.
        """
        last, floor = self.last_index, self._floor
        for record in records:
            match record:
                case SetFact():
                    pass
                case AppendEntries(entries):
                    last = _follow(last, entries)
                case TruncateFrom(index):
                    ensure(index > floor, f"cut at {index}, the snapshot reaches {floor}")
                    last = min(last, index - 1)
                case SaveSnapshot(snapshot, keep_after, discard_log):
                    moves_on = snapshot.index >= floor or discard_log
                    ensure(moves_on, f"snapshot {snapshot.index} after {floor}")
                    ensure(keep_after <= snapshot.index, f"kept only after {keep_after}")
                    floor = snapshot.index
                    last = floor if discard_log else max(last, floor)
                case _:
                    assert_never(record)

    def apply(self, records: Sequence[Record]) -> None:
        """Performs records that ``check`` has passed."""
        for record in records:
            match record:
                case SetFact(key, value):
                    self._facts[key] = value
                case AppendEntries(entries):
                    self._entries.extend(entries)
                case TruncateFrom(index):
                    self._cut(index)
                case SaveSnapshot(snapshot, keep_after, discard_log):
                    if discard_log or self.last_index < snapshot.index:
                        self._entries.clear()
                    elif self._entries:
                        del self._entries[: max(0, keep_after + 1 - self._entries[0].index)]
                    self._snapshot = snapshot
                case _:
                    assert_never(record)

    def _cut(self, index: int) -> None:
        if self._entries:
            del self._entries[max(0, index - self._entries[0].index) :]


def _follow(last: int, entries: Sequence[Entry]) -> int:
    for entry in entries:
        ensure(entry.index == last + 1, f"entry {entry.index} was to follow {last}")
        last = entry.index
    return last
