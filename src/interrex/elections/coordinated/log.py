"""The log as a coordination service keeps it: what an entry holds, and how far it was handed out.

Invariant: entries are handed out once, in order, without a gap.
"""

from typing import Any

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import ChangeId
from interrex.elections.coordinated.desk import Desk
from interrex.elections.interface import Committed, Restored


class LogEntry(msgspec.Struct, frozen=True, array_like=True):
    """One change, and the epoch in which it was written."""

    epoch: int
    change: ChangeId
    data: bytes


class SnapshotHead(msgspec.Struct, frozen=True):
    """The state after ``index`` is in so many parts, whose names begin with ``id``."""

    index: int = 0
    id: str = ""
    parts: int = 0


class Log:
    """What this worker has handed out.

    ``applied``: up to which index. ``tail_bytes``: of the entries after the snapshot. ``head``: of
    the newest snapshot that was seen. ``problem`` says why nobody may lead by what stands there;
    empty while nothing is wrong with it.
    """

    def __init__(self, desk: Desk[Any]) -> None:
        self._desk = desk
        self.applied = 0
        self.tail_bytes = 0
        self.head = SnapshotHead()
        self.problem = ""

    def append(self, index: int, encoded: bytes) -> None:
        """Hand out the next entry.

        Raises:
            msgspec.MsgspecError: the bytes are no entry.
        """
        ensure(index == self.applied + 1, "entries are handed out in order, without a gap")
        data = msgspec.msgpack.decode(encoded, type=LogEntry).data
        self.applied = index
        self.tail_bytes += len(encoded)
        self._desk.effects.append(Committed(index, data))

    def restore(self, state: bytes) -> None:
        """Hand out the snapshot's state in place of all that came before."""
        ensure(self.head.index > self.applied, "a state never goes back")
        self.applied, self.tail_bytes = self.head.index, 0
        self._desk.effects.append(Restored(self.applied, state))

    def saw_head(self, head: SnapshotHead) -> None:
        """A newer snapshot is in place of the log before it."""
        self.head = head
        self.tail_bytes = 0


def snapshot_id(index: int, epoch: int) -> str:
    """The name of one snapshot; later ones sort behind it."""
    return f"{index:020d}-{epoch:020d}"


def pieces(state: bytes, size: int) -> list[bytes]:
    """A state in parts that the service takes."""
    return [state[start : start + size] for start in range(0, len(state), size)]
