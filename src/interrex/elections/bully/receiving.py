"""Taking another worker's copy: the coordinator's or, before leading, the newest one there is.

What this worker holds and the other does not is dropped and reported as lost.
"""

from interrex.core.ids import WorkerName
from interrex.core.storage import Snapshot
from interrex.elections.bully.copy import agreement
from interrex.elections.bully.messages import ChunkWanted, Copied, Copy, Joined, WholeCopy
from interrex.elections.bully.node import Node, check_configurations
from interrex.elections.interface import MalformedPayload


class Receiving:
    """The copy that comes from one worker in one epoch.

    Invariant: up to ``verified`` this worker's copy is the sender's.
    """

    def __init__(self, node: Node, worker: WorkerName, epoch: int) -> None:
        self._node = node
        self.worker = worker
        self.epoch = epoch
        # Only this epoch's coordinator makes versions of it: who has one has all before it, too.
        self.verified = node.copy.version if node.copy.epoch == epoch else 0
        self._chunks = bytearray()
        self._chunks_of: tuple[int, int, int] | None = None
        self._installed: tuple[int, int, int] | None = None

    @property
    def matched(self) -> int:
        """Up to here the copy is the sender's and on disk."""
        return min(self.verified, self._node.copy.persisted)

    def on_copy(self, message: Copy) -> None:
        """Increments.

        Raises:
            MalformedPayload: an entry is none.
        """
        node, copy = self._node, self._node.copy
        check_configurations(message.entries)
        prev, last = message.prev_index, message.prev_index + len(message.entries)
        if prev < node.commit and copy.epoch_at(prev) is None:
            prev = node.commit  # older than what is remembered; what is agreed stays
        elif copy.epoch_at(prev) != message.prev_epoch:
            return  # something before it was lost: the next beat's answer says so
        for position, entry in enumerate(message.entries):
            if entry.index <= prev or copy.epoch_at(entry.index) == entry.epoch:
                continue
            if entry.index <= copy.version:
                if entry.index <= node.commit:
                    self._begin_anew()
                    return
                node.cut(entry.index)
            node.append(message.entries[position:])
            break
        self.verified = max(self.verified, last)
        node.commit_to(min(message.commit, self.verified))
        if message.entries:
            node.send_when_stored(self.worker, Copied(node.member, self.epoch, last))

    def _begin_anew(self) -> None:
        """What was handed out here is not in the other's copy: only the whole will do."""
        node = self._node
        node.send_when_stored(self.worker, Joined(node.member, self.epoch, node.standing))

    def on_whole(self, message: WholeCopy) -> None:
        """A chunk of a whole state.

        Raises:
            MalformedPayload: it is too large, reaches behind its end, or is no state.
        """
        node, copy = self._node, self._node.copy
        if message.total > node.settings.max_copy_bytes:
            raise MalformedPayload(f"a whole copy of {message.total} bytes is too large")
        identity = (message.index, message.stamp, message.total)
        copied = Copied(node.member, self.epoch, message.index)
        if self._installed == identity:
            node.send_when_stored(self.worker, copied)  # the last one was lost
            return
        if self._chunks_of != identity:
            self._chunks_of = identity
            self._chunks.clear()
        if message.offset == len(self._chunks):
            if message.offset + len(message.data) > message.total:
                raise MalformedPayload("a whole copy's chunk reaches behind its end")
            self._chunks += message.data
        if len(self._chunks) < message.total:
            wanted = ChunkWanted(node.member, self.epoch, message.index, len(self._chunks))
            node.send(self.worker, wanted)
            return
        if not self._holds(message):
            common = agreement(
                copy.runs, copy.version, message.history.runs, message.history.version
            )
            whole = Snapshot(message.index, message.stamp, bytes(self._chunks))
            node.install(whole, common, message.history.version)
        self._installed = identity
        self._chunks = bytearray()
        self._chunks_of = None
        self.verified = max(self.verified, message.index)
        node.send_when_stored(self.worker, copied)

    def _holds(self, whole: WholeCopy) -> bool:
        """Whether it brings nothing: what it holds is in this copy, and the sender's has all that
        was handed out here. One that was overtaken on its way must take nothing back."""
        node, copy = self._node, self._node.copy
        known = whole.index <= copy.version and copy.epoch_at(whole.index) == whole.stamp
        same = max(self.verified, whole.index if known else 0)
        return whole.index <= same and node.commit <= same
