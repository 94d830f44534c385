"""What a worker remembers, on its own disk, of what the coordination service acknowledged.

A service that has lost its data, or was set back to a backup, knows less than that, or something
else. Whoever has run since before sees it by what it has applied; one that starts afterwards, by
what is kept here; and one whose own disk knows nothing, by what its peers tell it.

Invariant: what is remembered was acknowledged, and never shrinks.
"""

from typing import Any

import msgspec

from interrex.core.digest import digest
from interrex.core.storage import SetFact, Stored
from interrex.elections.coordinated.desk import Desk
from interrex.elections.interface import Persist

ACKNOWLEDGED = "acknowledged"
"""The fact's name on the disk."""

CHARACTERS = 16


class Acknowledged(msgspec.Struct, frozen=True, array_like=True):
    """The last change that was handed out, a digest of it (empty where it came in a snapshot), and
    the newest epoch that was seen."""

    index: int = 0
    change: str = ""
    epoch: int = 0


class Memory:
    """Keeps it, behind what happens: nothing waits for the disk.

    Args:
        desk: collects what is to be written.
        stored: what the disk holds, None for a member that keeps nothing.
    """

    def __init__(self, desk: Desk[Any], stored: Stored | None) -> None:
        self._desk = desk
        self._keeps = stored is not None
        kept = b"" if stored is None else stored.facts.get(ACKNOWLEDGED, b"")
        self._known = msgspec.msgpack.decode(kept, type=Acknowledged) if kept else Acknowledged()
        self._written = self._known
        self._awaited: int | None = None
        self._told = Acknowledged()

    @property
    def index(self) -> int:
        """Up to which index changes are known to have been acknowledged."""
        return max(self._known.index, self._told.index)

    @property
    def epoch(self) -> int:
        """The newest epoch that somebody is known to have led in."""
        return max(self._known.epoch, self._told.epoch)

    def applied(self, index: int, encoded: bytes | None) -> None:
        """All up to this change is handed out; None: it came in a snapshot."""
        if index > self._known.index:
            change = "" if encoded is None else _digest_of(encoded)
            self._known = Acknowledged(index, change, self._known.epoch)

    def saw_epoch(self, epoch: int) -> None:
        """Somebody leads in it, or led."""
        if epoch > self._known.epoch:
            self._known = msgspec.structs.replace(self._known, epoch=epoch)

    def told(self, index: int, epoch: int) -> None:
        """A peer remembers so much."""
        self._told = Acknowledged(max(index, self._told.index), "", max(epoch, self._told.epoch))

    def is_other(self, index: int, encoded: bytes) -> bool:
        """Whether another change is known to have been acknowledged at this index."""
        known = self._known
        return index == known.index and bool(known.change) and known.change != _digest_of(encoded)

    def keep(self) -> None:
        """Have what is new written; while that is under way it is collected."""
        if self._keeps and self._awaited is None and self._known != self._written:
            self._written, self._awaited = self._known, self._desk.new_token()
            fact = SetFact(ACKNOWLEDGED, msgspec.msgpack.encode(self._known))
            self._desk.effects.append(Persist(self._awaited, (fact,)))

    def persisted(self, token: int) -> None:
        """Everything up to this token is on disk."""
        if self._awaited is not None and self._awaited <= token:
            self._awaited = None


def _digest_of(encoded: bytes) -> str:
    return digest(encoded, CHARACTERS)
