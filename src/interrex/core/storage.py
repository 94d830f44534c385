"""What a worker keeps on disk, as records the cores hand out and get back.

One writer performs ``Persist`` effects in order, syncs once a batch, and answers ``Persisted``;
whatever depends on a record waits inside the core for that answer. A slow disk therefore
delays promises but no heartbeat.
"""

import msgspec


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the replicated log: its index (from 1), the epoch it was made in, its bytes."""

    index: int
    epoch: int
    data: bytes


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """The state after all entries up to ``index``, of which the last was made in ``epoch``."""

    index: int
    epoch: int
    data: bytes


class SetFact(msgspec.Struct, frozen=True, tag=True):
    """Replaces one small named value (a vote, the highest epoch seen, an assignment)."""

    key: str
    value: bytes


class AppendEntries(msgspec.Struct, frozen=True, tag=True):
    """Adds entries right after the last stored one."""

    entries: tuple[Entry, ...]


class TruncateFrom(msgspec.Struct, frozen=True, tag=True):
    """Drops the stored entries from this index on."""

    index: int


class SaveSnapshot(msgspec.Struct, frozen=True, tag=True):
    """Replaces the snapshot and drops the entries up to ``keep_after`` (at most its index).

    With ``discard_log`` every stored entry is dropped: the snapshot came from the leader and the
    log did not fit it. Only then may its index be lower than that of the snapshot before.
    """

    snapshot: Snapshot
    keep_after: int
    discard_log: bool = False


Record = SetFact | AppendEntries | TruncateFrom | SaveSnapshot


class Stored(msgspec.Struct, frozen=True):
    """What a worker finds on its disk when it starts.

    ``facts`` maps a name to its bytes; ``entries`` follow the snapshot without a gap.
    """

    facts: dict[str, bytes] = {}
    snapshot: Snapshot | None = None
    entries: tuple[Entry, ...] = ()
