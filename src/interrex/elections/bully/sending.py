"""Giving one peer this worker's copy: increments where it holds the version before, else the whole.

Used by a coordinator towards everybody, and by a halted worker whose copy is the newest towards
the one that halted it.

One batch of increments is under way at a time; what is proposed meanwhile shares the next one.
What was lost on the way is found by the peer's answers to beats and sent again.
"""

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Snapshot
from interrex.elections.bully.copy import agreement
from interrex.elections.bully.messages import BeatAnswer, ChunkWanted, Copy, Standing, WholeCopy
from interrex.elections.bully.node import Node


class Sending:
    """What one peer holds of this worker's copy, and what is on its way there.

    Invariant: up to ``matched`` the peer's disk holds this copy.
    """

    def __init__(self, node: Node, worker: WorkerName, epoch: int) -> None:
        self._node = node
        self.worker = worker
        self.epoch = epoch
        self.matched = 0
        self._sent = 0
        self._sent_beat = 0
        self._wants_whole = False
        self._whole: Snapshot | None = None
        self._offset = 0
        self._waiting = False
        """Whether a chunk is under way."""
        self._told = -1
        self.begun = False

    def begin(self, standing: Standing) -> None:
        """The peer said what it holds: decides between increments and the whole."""
        copy = self._node.copy
        common = agreement(copy.runs, copy.version, standing.runs, standing.version)
        self._wants_whole = standing.commit > common or common + 1 < copy.first
        # A whole state may be older than what is the same: then the peer gets that again.
        self.matched = self._sent = 0 if self._wants_whole else common
        self._whole = None
        self._waiting = False
        self._told = -1
        self.begun = True
        self.drive(0)

    def drive(self, beat: int) -> None:
        """Sends all that may be sent now; ``beat`` is the number of the latest beat."""
        if not self.begun:
            return
        if not self._wants_whole and self._sent + 1 < self._node.copy.first:
            self._wants_whole = True  # the increments that it lacked were dropped meanwhile
        if self._wants_whole:
            self._send_whole(beat)
        elif self._sent <= self.matched:
            self._send_increments(beat)

    def _send_increments(self, beat: int) -> None:
        node, copy = self._node, self._node.copy
        entries = copy.batch(self._sent + 1, node.settings.batch_bytes)
        if not entries and self._told >= min(node.commit, self.matched):
            return
        prev_epoch = copy.epoch_at(self._sent)
        ensure(prev_epoch is not None, "what was sent is known")
        node.send(
            self.worker,
            Copy(node.member, self.epoch, self._sent, prev_epoch or 0, node.commit, entries),
        )
        self._told = min(node.commit, self._sent + len(entries))
        self._sent += len(entries)
        self._sent_beat = beat

    def _send_whole(self, beat: int) -> None:
        node = self._node
        if self._whole is None:
            self._whole, self._offset = node.copy.snapshot, 0
            if self._whole is None:
                node.ask_for_snapshot()
                return
        if self._waiting:
            return
        whole = self._whole
        data = whole.data[self._offset : self._offset + node.settings.snapshot_chunk_bytes]
        node.send(
            self.worker,
            WholeCopy(
                node.member,
                self.epoch,
                node.standing,
                whole.index,
                whole.epoch,
                self._offset,
                len(whole.data),
                data,
            ),
        )
        self._waiting = True
        self._sent_beat = beat

    def on_wanted(self, message: ChunkWanted, beat: int) -> None:
        """The peer asks for the chunk that it lacks, unless that is under way."""
        whole = self._whole
        if whole is None or whole.index != message.index:
            return
        if not (self._waiting and message.offset == self._offset):
            self._offset = min(message.offset, len(whole.data))
            self._waiting = False
            self.drive(beat)

    def on_copied(self, matched: int, beat: int) -> None:
        """Up to ``matched`` the peer's disk holds this copy."""
        ensure(matched <= self._node.copy.version, "nobody holds more of a copy than its maker")
        self.matched = max(self.matched, matched)
        if self._whole is not None and self.matched >= self._whole.index:
            self._wants_whole, self._whole, self._waiting = False, None, False
            self._sent = self.matched
        self._sent = max(self._sent, self.matched)
        self.drive(beat)

    def on_beat_answer(self, answer: BeatAnswer, beat: int) -> None:
        """Finds what was lost: the answer is to a beat sent after it, and does not know it."""
        self.matched = max(self.matched, answer.matched)
        if self.begun and answer.number > self._sent_beat:
            if self._wants_whole:
                # All on its disk, and nothing heard of it: the last chunk is answered once more.
                index = 0 if self._whole is None else self._whole.index
                self._waiting = self._waiting and answer.matched < index <= answer.received
            else:
                self._sent = max(answer.received, self.matched)
                if self._sent > self.matched:
                    return  # it is there, and on its way to the disk
                if answer.received < self.matched:
                    self._told = -1  # it holds all, and has not heard that it is the same
        self.drive(beat)
