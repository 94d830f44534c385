"""What the leader of a coordinated election does: writes changes and snapshots, confirms reads,
hands over.

Invariant: everything is asked in transactions that hold only while this leadership lasts (its
*guards*), one after the other; so none of a deposed leader's is done after its successor has read
the log. A transaction whose outcome is unknown is asked again as it was: it writes the same.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.log import Log, LogEntry
from interrex.elections.coordinated.settings import CoordinatedSettings
from interrex.elections.interface import (
    ProposalSettled,
    Propose,
    ReadConfirmed,
    SnapshotTaken,
    TakeSnapshot,
)

Answer = TypeVar("Answer")

ENDED = "the leadership ended before it was known whether the change was written"


IN_VAIN = 6
"""So many attempts in a row (0.6 s at the least) that the service refuses are told."""


class Written(NamedTuple):
    """A change that is being written, and at which index."""

    at: int
    change: ChangeId
    entry: bytes


class Leading(ABC, Generic[Answer]):
    """One leadership. A subclass knows the service's words.

    Args:
        desk: where the service is asked.
        settings: sizes.
        log: all that stood there when the leadership began was handed out.
        epoch: the leadership's.
    """

    def __init__(
        self, desk: Desk[Answer], settings: CoordinatedSettings, log: Log, epoch: int
    ) -> None:
        self.epoch = epoch
        self.handing_over = False
        """Whether it gives up leading."""
        self.chosen: WorkerName | None = None
        """In whose favour; None: of whoever is next."""
        self._desk = desk
        self._settings = settings
        self._log = log
        self._last = log.applied
        self._queue: deque[Propose] = deque()
        self._unsettled: deque[Written] = deque()
        self._batch: list[Written] = []
        self._busy = False
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._reads: list[int] = []
        self._asked_reads: list[int] = []
        self._asking = False
        self._asked_backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._asked_snapshot = False
        self._ended = False
        self._failures = 0
        self.trouble = ""
        """Why nothing can be written, where that was tried again and again."""

    # What the service's own words are for

    @abstractmethod
    def _held(self, answer: Answer) -> bool | None:
        """Whether the guards held; None where that is not known."""

    @abstractmethod
    def _why(self, answer: Answer) -> str:
        """Why the service refuses a question; empty where it may just not have answered."""

    @abstractmethod
    def _lost(self, answer: Answer) -> None:
        """A guard did not hold: this leadership is over."""

    @abstractmethod
    def _guard_question(self) -> msgspec.Struct:
        """Asks nothing but whether the guards hold."""

    @abstractmethod
    def _write_batch(self, batch: Sequence[Written]) -> None:
        """Ask for changes to be written; ``_batch_done`` when they are."""

    @abstractmethod
    def _write_hand_over(self) -> None:
        """Ask for the end of this leadership."""

    @abstractmethod
    def _begin_snapshot(self, taken: SnapshotTaken) -> None:
        """Begin to write a state; ``_snapshot_done`` when it stands."""

    @property
    @abstractmethod
    def _has_snapshot(self) -> bool:
        """Whether something is left to be written of a state."""

    @abstractmethod
    def _write_snapshot(self) -> None:
        """Ask for the next step of a snapshot."""

    def _confirmed_as_of(self, asked: int) -> None:
        """The service has said that the guards held, to a question of this time (ns)."""

    @property
    def _confirm_at(self) -> int | None:
        """When the guards are asked for although nobody reads (ns)."""
        return None

    # What is asked of the leader

    @property
    def wake_at(self) -> int | None:
        """When something is asked (ns)."""
        confirm_at = 0 if self._reads else self._confirm_at
        is_asked = self._asking or confirm_at is None
        return earliest(
            None if self._busy or not self._has_work else self._backoff.at,
            None if is_asked else max(confirm_at or 0, self._asked_backoff.at),
        )

    def propose(self, event: Propose) -> None:
        """Write a change when its turn comes."""
        self._queue.append(event)

    def confirm(self, read: int) -> None:
        """Ask the service whether this worker still leads."""
        self._reads.append(read)

    def hand_over(self, chosen: WorkerName | None) -> None:
        """Give up in favour of somebody, once what is being written is settled."""
        if not self.handing_over:
            self.handing_over, self.chosen = True, chosen
            self._abandon("the leader is handing over")

    def snapshot_taken(self, event: SnapshotTaken) -> None:
        """Write the state that was asked for."""
        if self._asked_snapshot and not self._has_snapshot:
            self._begin_snapshot(event)

    def go_on(self) -> None:
        """Ask what can be asked now."""
        now = self._desk.now
        self._settle()
        if self._ended:
            return
        confirm_at = 0 if self._reads else self._confirm_at
        due = confirm_at is not None and now >= confirm_at
        if due and not self._asking and self._asked_backoff.is_due(now):
            self._asking = True
            self._asked_reads, self._reads = self._reads, []
            self._desk.ask(self._guard_question(), lambda answer: self._confirmed(now, answer))
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

    # Reads

    def _confirmed(self, asked: int, answer: Answer) -> None:
        self._asking = False
        if self._ended:
            return
        reads, self._asked_reads = self._asked_reads, []
        held = self._held(answer)
        if held:
            self._asked_backoff.succeeded()
            self._confirmed_as_of(asked)
            self._desk.effects += [ReadConfirmed(read, confirmed=True) for read in reads]
            return
        self._reads = reads + self._reads
        if held is None:
            self._asked_backoff.failed(self._desk.now)
        else:
            self._lost(answer)

    # Writing

    @property
    def _has_work(self) -> bool:
        return bool(self._batch or self._queue or self._has_snapshot or self.handing_over)

    def _write(self) -> None:
        """The next transaction: what is unsure from the last one, else changes, else the end, else
        a part of a snapshot."""
        if not self._batch:
            self._fill_batch()
        self._busy = True
        if self._batch:
            self._write_batch(self._batch)
        elif self.handing_over:
            self._write_hand_over()
        else:
            self._write_snapshot()

    def _ask(self, question: msgspec.Struct, take: Callable[[Answer], None]) -> None:
        """Ask for something to be written; ``take`` has the answer if the guards held."""
        asked = self._desk.now

        def answered(answer: Answer) -> None:
            self._busy = False
            if self._ended:
                return
            held = self._held(answer)
            if held is None:
                self._backoff.failed(self._desk.now)
                self._failures += 1
                if self._failures >= IN_VAIN:
                    self.trouble = self._why(answer) or self.trouble
            elif held:
                self._backoff.succeeded()
                self._failures, self.trouble = 0, ""
                self._confirmed_as_of(asked)
                take(answer)
            else:
                self._lost(answer)

        self._desk.ask(question, answered)

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
            self._batch.append(Written(self._last, change.change, entry))
            self._unsettled.append(self._batch[-1])

    def _batch_done(self) -> None:
        """All of it stands: what was not read meanwhile is handed out."""
        done, self._batch = self._batch, []
        for one in done:
            if one.at > self._log.applied:
                self._log.append(one.at, one.entry)

    def _settle(self) -> None:
        while self._unsettled and self._unsettled[0].at <= self._log.applied:
            written = self._unsettled.popleft()
            self._desk.effects.append(ProposalSettled(written.change, written.at))

    def _abandon(self, reason: str) -> None:
        while self._queue:
            self._desk.effects.append(ProposalSettled(self._queue.popleft().change, None, reason))

    # Snapshots

    def _consider_snapshot(self) -> None:
        log, settings = self._log, self._settings
        entries = log.applied - log.head.index
        is_long = entries >= settings.snapshot_after or (
            entries > 0 and log.tail_bytes >= settings.snapshot_after_bytes
        )
        if is_long and not (self._asked_snapshot or self.handing_over):
            self._asked_snapshot = True
            self._desk.effects.append(TakeSnapshot(log.applied))

    def _snapshot_done(self) -> None:
        self._asked_snapshot = False
