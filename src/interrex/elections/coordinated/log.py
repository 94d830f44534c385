"""The log as a coordination service keeps it: what an entry holds, and how far it was handed out.

Invariant: entries are handed out once, in order, without a gap.
"""

from typing import Any

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import ChangeId
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.memory import Memory
from interrex.elections.interface import Committed, Restored


class LogEntry(msgspec.Struct, frozen=True, array_like=True):
    """One change, and the epoch in which it was written."""

    epoch: int
    change: ChangeId
    data: bytes


class SnapshotHead(msgspec.Struct, frozen=True):
    """The state after ``index`` is in so many parts, whose names begin with ``id``. Epochs are the
    service's own numbers and ``above``, which every later snapshot repeats."""

    index: int = 0
    id: str = ""
    parts: int = 0
    above: int = 0


class NotTaken(Exception):  # noqa: N818
    """What stands in the log's place is not to be handed out; says why."""


class Log:
    """What this worker has handed out.

    ``applied``: up to which index. ``tail_bytes``: of the entries after the snapshot. ``head``: of
    the newest snapshot that was seen. ``problem`` says why nobody may lead by what stands there;
    empty while nothing is wrong with it.
    """

    def __init__(self, desk: Desk[Any], memory: Memory) -> None:
        self._desk = desk
        self.memory = memory
        self.applied = 0
        self.tail_bytes = 0
        self.head = SnapshotHead()
        self.problem = ""

    @property
    def least(self) -> int:
        """The index that what is read from now on reaches, unless something was lost."""
        return max(self.applied, self.memory.index)

    @property
    def above(self) -> int:
        """What is added to the service's own numbers: since the log was begun anew they are low."""
        return self.head.above

    def check(self, index: int, encoded: bytes) -> None:
        """Raises NotTaken where another change was acknowledged at this index."""
        if self.memory.is_other(index, encoded):
            raise NotTaken("is another change than was acknowledged there: data was lost")

    def append(self, index: int, encoded: bytes) -> None:
        """Hand out the next entry.

        Raises:
            NotTaken: the bytes are no entry, or not the one that was acknowledged.
        """
        ensure(index == self.applied + 1, "entries are handed out in order, without a gap")
        self.check(index, encoded)
        try:
            data = msgspec.msgpack.decode(encoded, type=LogEntry).data
        except msgspec.MsgspecError as error:
            raise NotTaken(f"is no change: {error}") from error
        self.applied = index
        self.memory.applied(index, encoded)
        self.tail_bytes += len(encoded)
        self._desk.effects.append(Committed(index, data))

    def restore(self, state: bytes) -> None:
        """Hand out the snapshot's state in place of all that came before."""
        ensure(self.head.index > self.applied, "a state never goes back")
        self.applied, self.tail_bytes = self.head.index, 0
        self.memory.applied(self.applied, None)
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
