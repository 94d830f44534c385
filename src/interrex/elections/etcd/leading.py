"""What the leader does: writes changes and snapshots, confirms reads, hands over.

Invariant: everything is written in transactions that hold only while the leader's key is the very
one that this leadership began with, and one after the other; so etcd orders them, and none of a
deposed leader's lands after its successor's first reading. A transaction whose outcome is unknown
is asked again as it was: it writes the same keys, with the same values.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import (
    LEADER,
    LOG,
    PARTS,
    SNAPSHOT,
    SUCCESSOR,
    LogEntry,
    SnapshotHead,
    Successor,
    after,
    log_key,
    part_id,
    part_key,
)
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.etcd.view import View
from interrex.elections.interface import (
    Committed,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    Restored,
    SnapshotTaken,
    TakeSnapshot,
)

ENDED = "the leadership ended before etcd had answered"


class Written(NamedTuple):
    """A change that is being written, and at which index."""

    at: int
    change: ChangeId
    put: q.Put


class Leading:
    """One leadership.

    Args:
        desk: where etcd is asked.
        settings: sizes.
        view: what was read; all of it up to the epoch's revision.
        me: this worker.
        epoch: the creation revision of the leader's key.
        learned: takes what becomes known of the log.
        deposed: called when a guard did not hold, with the leader's key then, and when that was.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: EtcdSettings,
        view: View,
        me: WorkerName,
        epoch: int,
        learned: Callable[[list[Committed | Restored]], None],
        deposed: Callable[[q.KeyValue | None, int], None],
    ) -> None:
        self.epoch = epoch
        self._desk = desk
        self._settings = settings
        self._view = view
        self._me = me
        self._learned = learned
        self._deposed = deposed
        self._guard = q.Compare(LEADER, created=epoch)
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._last = view.applied
        self._queue: deque[Propose] = deque()
        self._unsettled: deque[Written] = deque()
        self._batch: list[Written] = []
        self._busy = False
        self._reads: list[int] = []
        self._asked_reads: list[int] = []
        self._read_backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._snapshot: Snapshot | None = None
        self._asked_snapshot = False
        self.heir: Successor | None = None
        """Whom it gives up for; None while it does not."""
        self._ended = False

    @property
    def handing_over(self) -> bool:
        """Whether it gives up leading."""
        return self.heir is not None

    @property
    def wake_at(self) -> int | None:
        """When something is asked again (ns)."""
        return earliest(
            None if self._busy or not self._has_work else self._backoff.at,
            None if self._asked_reads or not self._reads else self._read_backoff.at,
        )

    # What is asked of the leader

    def propose(self, event: Propose) -> None:
        self._queue.append(event)

    def confirm(self, read: int) -> None:
        self._reads.append(read)

    def hand_over(self, chosen: WorkerName | None) -> None:
        """Give up in favour of somebody, once what is being written is settled."""
        if self.heir is None:
            self.heir = Successor(self.epoch, self._me, chosen)
            self._abandon(self._queue, "the leader is handing over")

    def snapshot_taken(self, event: SnapshotTaken) -> None:
        if self._asked_snapshot and self._snapshot is None:
            self._snapshot = Snapshot(event, self.epoch, self._settings.part_bytes)

    def go_on(self) -> None:
        """Ask what can be asked now."""
        now = self._desk.now
        self._settle()
        if self._ended:
            return
        if self._reads and not self._asked_reads and self._read_backoff.is_due(now):
            self._asked_reads, self._reads = self._reads, []
            self._desk.ask(q.Transact((self._guard,), (), _LEADER_NOW), self._read)
        if not self._busy and self._has_work and self._backoff.is_due(now):
            self._write()
        self._consider_snapshot()

    def end(self) -> None:
        """It is over: nothing that is open will be known to have been done."""
        self._ended = True
        self._abandon(self._queue, ENDED)
        for written in self._unsettled:
            self._desk.effects.append(ProposalSettled(written.change, None, ENDED))
        self._unsettled.clear()
        for read in (*self._asked_reads, *self._reads):
            self._desk.effects.append(ReadConfirmed(read, confirmed=False))
        self._asked_reads, self._reads = [], []

    # Writing

    @property
    def _has_work(self) -> bool:
        return bool(self._batch or self._queue or self._snapshot or self.heir)

    def _write(self) -> None:
        """The next transaction: what is unsure from the last one, else changes, else parts of a
        snapshot, else the end."""
        if not self._batch:
            self._fill_batch()
        self._busy = True
        if self._batch:
            puts = tuple(written.put for written in self._batch)
            self._desk.ask(q.Transact((self._guard,), puts, _LEADER_NOW), self._wrote)
        elif self.heir is not None:
            heir = q.Put(SUCCESSOR, msgspec.json.encode(self.heir))
            question = q.Transact((self._guard,), (q.Delete(LEADER), heir), _LEADER_NOW)
            self._desk.ask(question, self._handed_over)
        elif self._snapshot is not None:
            compares, operations = self._snapshot.next_step(self._guard, self._view.head_revision)
            self._desk.ask(q.Transact(compares, operations, _LEADER_NOW), self._wrote_part)

    def _fill_batch(self) -> None:
        size = 0
        while self._queue and len(self._batch) < self._settings.batch_entries:
            change = self._queue[0]
            size += len(change.data)
            if self._batch and size > self._settings.batch_bytes:
                break
            self._queue.popleft()
            self._last += 1
            entry = msgspec.msgpack.encode(LogEntry(self.epoch, change.change, change.data))
            put = q.Put(log_key(self._last), entry)
            self._batch.append(Written(self._last, change.change, put))
            self._unsettled.append(self._batch[-1])

    def _answered(self, answer: q.Answer) -> bool | None:
        """Whether the guards held; None where that is not known, or is of no more interest."""
        self._busy = False
        if self._ended:
            return None
        if not isinstance(answer, q.Transacted):
            self._backoff.failed(self._desk.now)
            return None
        self._backoff.succeeded()
        return answer.succeeded

    def _wrote(self, answer: q.Answer) -> None:
        held = self._answered(answer)
        if held is None:
            return
        assert isinstance(answer, q.Transacted)
        if not held:
            self._lost(answer)
            return
        done, self._batch = self._batch, []
        at = answer.revision
        self._learned(
            self._view.add(q.KeyValue(one.put.key, one.put.value, at, at) for one in done)
        )

    def _wrote_part(self, answer: q.Answer) -> None:
        held = self._answered(answer)
        if held is None or self._snapshot is None:
            return
        assert isinstance(answer, q.Transacted)
        if not held and not self._holds(answer):
            self._lost(answer)
        elif self._snapshot.step_done():
            if held:
                head = self._snapshot.head_put
                at = answer.revision
                self._view.saw_snapshot(q.KeyValue(head.key, head.value, at, at))
            self._snapshot = None
            self._asked_snapshot = False

    def _handed_over(self, answer: q.Answer) -> None:
        held = self._answered(answer)
        if held is not None:
            assert isinstance(answer, q.Transacted)
            self._deposed(None if held else _leader_in(answer), answer.revision)

    def _holds(self, answer: q.Transacted) -> bool:
        leader = _leader_in(answer)
        return leader is not None and leader.created == self.epoch

    def _lost(self, answer: q.Transacted) -> None:
        self._deposed(_leader_in(answer), answer.revision)

    def _settle(self) -> None:
        while self._unsettled and self._unsettled[0].at <= self._view.applied:
            written = self._unsettled.popleft()
            self._desk.effects.append(ProposalSettled(written.change, written.at))

    def _abandon(self, queue: deque[Propose], reason: str) -> None:
        while queue:
            self._desk.effects.append(ProposalSettled(queue.popleft().change, None, reason))

    # Reads

    def _read(self, answer: q.Answer) -> None:
        if self._ended:
            return
        asked, self._asked_reads = self._asked_reads, []
        if not isinstance(answer, q.Transacted):
            self._reads = asked + self._reads
            self._read_backoff.failed(self._desk.now)
            return
        self._read_backoff.succeeded()
        for read in asked:
            self._desk.effects.append(ReadConfirmed(read, confirmed=answer.succeeded))
        if not answer.succeeded:
            self._lost(answer)

    # Snapshots

    def _consider_snapshot(self) -> None:
        view, settings = self._view, self._settings
        entries = view.applied - (0 if view.head is None else view.head.index)
        is_long = entries >= settings.snapshot_after or (
            entries > 0 and view.log_bytes >= settings.snapshot_after_bytes
        )
        if is_long and not self._asked_snapshot and not self.handing_over:
            self._asked_snapshot = True
            self._desk.effects.append(TakeSnapshot(view.applied))


_LEADER_NOW = (q.Get(LEADER),)


def _leader_in(answer: q.Transacted) -> q.KeyValue | None:
    return answer.got[0][0] if answer.got and answer.got[0] else None


class Snapshot:
    """A state on its way into etcd: its parts one by one, then its head, with which it holds.

    The head is written only if the head before is still the one that was seen: an attempt of which
    no answer came could otherwise land late, and put an old head over parts that are gone.
    """

    def __init__(self, taken: SnapshotTaken, epoch: int, part_bytes: int) -> None:
        data = taken.data
        starts = range(0, len(data), part_bytes)
        self._parts = [data[start : start + part_bytes] for start in starts]
        self._index = taken.index
        self._id = part_id(taken.index, epoch)
        self._done = 0
        head = SnapshotHead(taken.index, self._id, len(self._parts))
        self.head_put = q.Put(SNAPSHOT, msgspec.json.encode(head))

    def next_step(
        self, guard: q.Compare, head_revision: int
    ) -> tuple[tuple[q.Compare, ...], tuple[q.Operation, ...]]:
        """The next transaction's comparisons and operations."""
        if self._done < len(self._parts):
            part = q.Put(part_key(self._id, self._done), self._parts[self._done])
            return (guard,), (part,)
        mine = f"{PARTS}{self._id}/"
        operations = (
            self.head_put,
            q.Delete(LOG, log_key(self._index + 1)),
            q.Delete(PARTS, mine),
            q.Delete(after(mine), after(PARTS)),
        )
        return (guard, q.Compare(SNAPSHOT, modified=head_revision)), operations

    def step_done(self) -> bool:
        """One more is in etcd; returns whether it was the last."""
        self._done += 1
        return self._done > len(self._parts)
