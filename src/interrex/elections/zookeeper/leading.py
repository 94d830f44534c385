"""What the leader does: writes changes and snapshots, confirms reads, hands over.

Invariant: everything is written in transactions that hold only while the breadcrumb has the version
that this leadership gave it, and this worker's node in the line is there: so neither a deposed
leader nor one whose session has ended writes anything. A transaction of unknown outcome is asked
again as it was: that its node exists already then says that it was done, for nobody else makes it.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.interface import (
    ProposalSettled,
    Propose,
    ReadConfirmed,
    SnapshotTaken,
    TakeSnapshot,
)
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import (
    ACTIVE,
    SNAPSHOT,
    TIP,
    Crumb,
    LogEntry,
    SnapshotHead,
    Tip,
    log_path,
    part_path,
)
from interrex.elections.zookeeper.reader import Reader
from interrex.elections.zookeeper.settings import ZooKeeperSettings

ENDED = "the leadership ended before ZooKeeper had answered"
REMOVED_AT_ONCE = 100


class Written(NamedTuple):
    """A change that is being written, and at which index."""

    at: int
    change: ChangeId
    entry: LogEntry


class Leading:
    """One leadership.

    Args:
        desk: where ZooKeeper is asked.
        settings: sizes.
        reader: has read all that stood there when it began.
        crumb: what the breadcrumb says, and ``stat`` its version and the epoch.
        granted_ms: the session's time-out.
        renewed: called with the time of asking (ns) when the ensemble has confirmed it.
        deposed: called with the reason when a guard did not hold.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: ZooKeeperSettings,
        reader: Reader,
        crumb: Crumb,
        stat: q.Stat,
        granted_ms: int,
        renewed: Callable[[int], None],
        deposed: Callable[[str], None],
    ) -> None:
        self.epoch = stat.modified
        self.heir: Crumb | None = None
        """What the breadcrumb is to say when it gives up; None while it does not."""
        self._desk = desk
        self._settings = settings
        self._reader = reader
        self._crumb = crumb
        self._version = stat.version
        self._renewed = renewed
        self._deposed = deposed
        self._guards = (q.Check(ACTIVE, stat.version), q.Check(crumb.node, 0))
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._asked_backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._renewal = settings.renewal(granted_ms)
        self._confirm_at = 0
        self._asking = False
        self._reads: list[int] = []
        self._asked_reads: list[int] = []
        self._last = reader.applied
        self._queue: deque[Propose] = deque()
        self._unsettled: deque[Written] = deque()
        self._batch: list[Written] = []
        self._busy = False
        self._jobs: deque[tuple[q.Operation, ...]] = deque()
        """What is left to do for a snapshot, a transaction each."""
        self._asked_snapshot = False
        self._ended = False

    @property
    def handing_over(self) -> bool:
        """Whether it gives up leading."""
        return self.heir is not None

    @property
    def wake_at(self) -> int | None:
        """When something is asked (ns)."""
        asks_at = 0 if self._reads else self._confirm_at
        return earliest(
            None if self._busy or not self._has_work else self._backoff.at,
            None if self._asking else max(asks_at, self._asked_backoff.at),
        )

    # What is asked of the leader

    def propose(self, event: Propose) -> None:
        self._queue.append(event)

    def confirm(self, read: int) -> None:
        self._reads.append(read)

    def hand_over(self, chosen: WorkerName | None) -> None:
        """Give up in favour of somebody, once what is being written is settled."""
        if self.heir is None:
            self.heir = msgspec.structs.replace(self._crumb, released=True, heir=chosen)
            self._abandon("the leader is handing over")

    def snapshot_taken(self, event: SnapshotTaken) -> None:
        """Its parts one by one, then its head, with which it holds; then what it replaces goes."""
        if not self._asked_snapshot or self._jobs:
            return
        size, data = self._settings.part_bytes, event.data
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        name = f"{event.index:020d}-{self.epoch:020d}"
        for number, piece in enumerate(pieces):
            self._jobs.append((q.Create(part_path(name, number), piece),))
        head = SnapshotHead(event.index, name, len(pieces))
        old = self._reader.head
        write = q.Write(SNAPSHOT, msgspec.json.encode(head), self._reader.head_version)
        self._jobs.append((write,))
        gone = [log_path(index) for index in range(old.index + 1, event.index + 1)]
        gone += [part_path(old.id, number) for number in range(old.parts)]
        for start in range(0, len(gone), REMOVED_AT_ONCE):
            some = gone[start : start + REMOVED_AT_ONCE]
            self._jobs.append(tuple(q.Remove(path) for path in some))

    def go_on(self) -> None:
        """Ask what can be asked now."""
        now = self._desk.now
        self._settle()
        due = bool(self._reads) or now >= self._confirm_at
        if due and not self._asking and self._asked_backoff.is_due(now):
            self._asking = True
            self._asked_reads, self._reads = self._reads, []
            self._desk.ask(q.Transact(self._guards), lambda answer: self._confirmed(now, answer))
        if not self._busy and self._has_work and self._backoff.is_due(now):
            self._write()
        self._consider_snapshot()

    def end(self) -> None:
        """It is over: nothing that is open will be known to have been done."""
        self._ended = True
        self._abandon(ENDED)
        for written in self._unsettled:
            self._desk.effects.append(ProposalSettled(written.change, None, ENDED))
        self._unsettled.clear()
        for read in (*self._asked_reads, *self._reads):
            self._desk.effects.append(ReadConfirmed(read, confirmed=False))
        self._asked_reads, self._reads = [], []

    # Being the leader

    def _confirmed(self, asked: int, answer: q.Answer) -> None:
        self._asking = False
        if self._ended:
            return
        reads, self._asked_reads = self._asked_reads, []
        match answer:
            case q.Transacted():
                self._asked_backoff.succeeded()
                self._confirm_at = asked + self._renewal
                self._renewed(asked)
                effects = self._desk.effects
                effects += [ReadConfirmed(read, confirmed=True) for read in reads]
            case q.NotHeld():
                self._reads = reads + self._reads
                self._deposed("its node is not the active one any more")
            case _:
                self._reads = reads + self._reads
                self._asked_backoff.failed(self._desk.now)

    # Writing

    @property
    def _has_work(self) -> bool:
        return bool(self._batch or self._queue or self._jobs or self.heir)

    def _write(self) -> None:
        if not self._batch:
            self._fill_batch()
        self._busy = True
        if self._batch:
            creates = [
                q.Create(log_path(one.at), msgspec.msgpack.encode(one.entry)) for one in self._batch
            ]
            tip = msgspec.json.encode(Tip(self._batch[-1].at))
            write = q.Write(TIP, tip, self._reader.tip_version)
            self._ask((*creates, write), self._wrote)
        elif self.heir is not None:
            crumb = msgspec.json.encode(self.heir)
            self._ask((q.Write(ACTIVE, crumb, self._version),), self._handed_over)
        else:
            self._ask(self._jobs[0], self._did_job)

    def _ask(self, operations: tuple[q.Operation, ...], take: Callable[[q.Answer], None]) -> None:
        asked = self._desk.now

        def answered(answer: q.Answer) -> None:
            self._busy = False
            if self._ended:
                return
            if isinstance(answer, q.NotHeld) and answer.at < len(self._guards):
                self._deposed("its node is not the active one any more")
            elif isinstance(answer, q.Transacted | q.NotHeld):
                self._backoff.succeeded()
                self._renewed(asked)
                take(answer)
            else:
                self._backoff.failed(self._desk.now)

        self._desk.ask(q.Transact((*self._guards, *operations)), answered)

    def _fill_batch(self) -> None:
        size = 0
        while self._queue and len(self._batch) < self._settings.batch_entries:
            change = self._queue[0]
            size += len(change.data)
            if self._batch and size > self._settings.batch_bytes:
                break
            self._queue.popleft()
            self._last += 1
            entry = LogEntry(self.epoch, change.change, change.data)
            self._batch.append(Written(self._last, change.change, entry))
            self._unsettled.append(self._batch[-1])

    def _wrote(self, answer: q.Answer) -> None:
        """A first create that is objected to was done by an attempt whose answer was lost."""
        if isinstance(answer, q.NotHeld) and answer.objection is not q.Objection.EXISTS:
            self._deposed(f"the log is not as this leader left it: {answer.objection}")
            return
        done, self._batch = self._batch, []
        self._reader.tip_version += 1
        for one in done:
            self._reader.take(one.at, one.entry, len(one.entry.data))

    def _did_job(self, answer: q.Answer) -> None:
        """What is there or gone already was so by an attempt whose answer was lost."""
        job = self._jobs.popleft()
        first = job[0]
        if isinstance(first, q.Write):
            head = msgspec.json.decode(first.data, type=SnapshotHead)
            self._reader.head, self._reader.log_bytes = head, 0
            self._reader.head_version = first.version + 1
        if len(job) > 1 and isinstance(answer, q.NotHeld):
            # Some of what is to be removed went before: the rest goes one by one.
            self._jobs.extendleft((one,) for one in job)
        if not self._jobs:
            self._asked_snapshot = False

    def _handed_over(self, answer: q.Answer) -> None:
        self._deposed("it has handed over")

    def _settle(self) -> None:
        while self._unsettled and self._unsettled[0].at <= self._reader.applied:
            written = self._unsettled.popleft()
            self._desk.effects.append(ProposalSettled(written.change, written.at))

    def _abandon(self, reason: str) -> None:
        while self._queue:
            self._desk.effects.append(ProposalSettled(self._queue.popleft().change, None, reason))

    def _consider_snapshot(self) -> None:
        reader, settings = self._reader, self._settings
        entries = reader.applied - reader.head.index
        is_long = entries >= settings.snapshot_after or (
            entries > 0 and reader.log_bytes >= settings.snapshot_after_bytes
        )
        if is_long and not (self._asked_snapshot or self.handing_over or self._ended):
            self._asked_snapshot = True
            self._desk.effects.append(TakeSnapshot(reader.applied))
