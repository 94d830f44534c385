"""A snapshot on its way: cut into chunks by whoever has it, put together by whoever lacks it.

Source: PML 5.5 (catching up by another replica's snapshot).
"""

from interrex.core.storage import Snapshot
from interrex.elections.interface import MalformedPayload
from interrex.elections.paxos.messages import InstallSnapshot, SnapshotWanted


def chunk(
    source: int,
    target: int,
    number: int,
    snapshot: Snapshot,
    offset: int,
    size: int,
    *,
    leads: bool,
) -> InstallSnapshot:
    """The chunk of a snapshot that begins at an offset, at most ``size`` bytes of it."""
    data = snapshot.data[offset : offset + size]
    return InstallSnapshot(
        target,
        source,
        number,
        leads,
        snapshot.index,
        snapshot.epoch,
        offset,
        len(snapshot.data),
        data,
    )


class Arriving:
    """The chunks of one snapshot that have arrived so far."""

    def __init__(self) -> None:
        self._chunks = bytearray()
        self._of: tuple[int, int, int] = (0, 0, 0)
        """Slot, round and length of the snapshot that the chunks are of."""
        self._moved_at = 0

    def is_welcome(self, lesson: InstallSnapshot, now: int, patience: int) -> bool:
        """Whether to go on with a chunk that a server sends which does not lead.

        Several may teach at once, and the network may repeat what they send: one is heeded while
        it goes on, and only the next chunk or a new offer is answered. Otherwise teachers would
        undo each other's work, and every repetition would be repeated.
        """
        identity = (lesson.index, lesson.epoch, lesson.total)
        if identity == self._of:
            return lesson.offset in (0, len(self._chunks))
        return lesson.offset == 0 and (not self._chunks or now - self._moved_at >= patience)

    def take(self, message: InstallSnapshot, most: int, now: int) -> Snapshot | None:
        """Adds a chunk, if it is the next one.

        Returns:
            The snapshot once it is whole.

        Raises:
            MalformedPayload: it contradicts itself, or is longer than ``most`` bytes.
        """
        identity = (message.index, message.epoch, message.total)
        if message.total > most:
            raise MalformedPayload(f"a snapshot of {message.total} bytes is too large")
        if message.epoch > message.round:
            raise MalformedPayload("a snapshot of a later round than its sender's")
        if self._of != identity:
            self._of = identity
            self._chunks.clear()
        if message.offset == len(self._chunks):
            if message.offset + len(message.data) > message.total:
                raise MalformedPayload("a snapshot's chunk reaches behind its end")
            self._chunks += message.data
            self._moved_at = now
        if len(self._chunks) < message.total:
            return None
        snapshot = Snapshot(message.index, message.epoch, bytes(self._chunks))
        self._chunks = bytearray()
        self._of = (0, 0, 0)
        return snapshot

    def wanted(self, source: int, member: int, number: int) -> SnapshotWanted:
        """What to ask the sender for next."""
        return SnapshotWanted(source, member, number, self._of[0], len(self._chunks))
