"""What a Bully worker is whatever its role: its promise, its copy, what is agreed, its way out.

Invariants:
    the promised epoch never falls, also over restarts: nobody of an older one is obeyed;
    an epoch is on disk before the message that promises it leaves, and before its maker leads;
    a version's stamp is on disk before the message that says so leaves (see ``disk``).
"""

from collections.abc import Sequence
from random import Random

import msgspec

from interrex.core.errors import InvariantViolation, ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Entry, SaveSnapshot, SetFact, Snapshot, Stored, TruncateFrom
from interrex.elections.bully.copy import StampedCopy
from interrex.elections.bully.epochs import next_epoch
from interrex.elections.bully.messages import Message, Standing, encode
from interrex.elections.bully.order import Order
from interrex.elections.bully.payload import (
    Configuration,
    WholeState,
    change_of,
    committed_data,
    configuration_of,
    whole_data,
    whole_parts,
)
from interrex.elections.bully.settings import BullySettings
from interrex.elections.interface import (
    ChangesLost,
    Committed,
    ElectionEffect,
    MalformedPayload,
    Restored,
    SendPayload,
    SnapshotTaken,
    TakeSnapshot,
)
from interrex.elections.replicated.disk import Disk

PROMISE = "promise"
"""The fact under which member id, promised epoch, highest seat and own seat are kept."""


class StoredPromise(msgspec.Struct, frozen=True, array_like=True):
    member: int
    epoch: int
    seats: int
    seat: int = 0
    """This member's own, once its giving was known to be agreed; 0 until then."""


class Node:
    """The durable half of a worker and its outbox. Roles act through it; it decides nothing."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: BullySettings,
        genesis: Configuration,
        random: Random,
    ) -> None:
        self.worker = worker
        self.member = member
        self.settings = settings
        self.order = Order(settings.priority)
        self.now = 0
        self.effects: list[ElectionEffect] = []
        self.disk = Disk()
        self.copy = StampedCopy(stored.snapshot, stored.entries, genesis)
        promise = _stored_promise(stored, member)
        self.promised = max(promise.epoch, self.copy.epoch)
        self.seen = self.promised
        """The newest epoch heard of anywhere; the next one is made above it."""
        self.seats = max(promise.seats, self.copy.configuration.highest_seat)
        self.commit = self.copy.floor
        self._seat = promise.seat or self._agreed_seat() or 0
        self.random = random
        self.rounds = self.random.getrandbits(48)
        """Numbers this worker's elections; starts anywhere, so that no answer to a question of an
        earlier life of the process is taken for one to this life's."""
        self._snapshot_asked: int | None = None
        self._bytes_since_snapshot = 0

    # Out

    def send(self, worker: WorkerName, message: Message) -> None:
        self.effects.append(SendPayload(worker, encode(message)))

    def send_when_stored(self, worker: WorkerName, message: Message) -> None:
        """Sends what promises something once all that is recorded so far is on disk."""
        free = self.disk.hold(SendPayload(worker, encode(message)))
        if free is not None:
            self.effects.append(free)

    def flush(self) -> None:
        persist = self.disk.flush(self.now)
        if persist is not None:
            self.effects.append(persist)

    def persisted(self, token: int) -> None:
        reaches, released = self.disk.persisted(token)
        self.copy.persisted = max(self.copy.persisted, reaches)
        self.effects.extend(released)

    @property
    def is_disk_stuck(self) -> bool:
        """Whether a write has had no answer for an election time-out: no time to lead."""
        since = self.disk.waiting_since
        return since is not None and self.now - since >= self.settings.election_timeout

    # Identity and epoch

    @property
    def members(self) -> Configuration:
        """The latest members that this worker knows."""
        return self.copy.configuration

    @property
    def seat(self) -> int | None:
        """The number its epochs end in: as a configuration says that is known to be agreed, or was
        known to be in an earlier life. Nobody else ever has it, so it stays good."""
        agreed = self._agreed_seat()
        return self._seat or None if agreed is None else agreed

    def _agreed_seat(self) -> int | None:
        seat = self.copy.configuration_at(self.commit).members.get(self.member)
        return None if seat is None else seat.number

    def _keep_seat(self) -> None:
        """What is agreed is not known after a start: where all whom the cluster began with have
        been replaced, nobody could stand any more."""
        agreed = self._agreed_seat()
        if agreed is not None and agreed != self._seat:
            self._seat = agreed
            self._record_promise()

    @property
    def may_stand(self) -> bool:
        """Whether to stand for coordinator: as a member with a seat, and a disk that answers."""
        is_member = self.member in self.members.members
        return self.seat is not None and is_member and not self.is_disk_stuck

    def is_above(self, worker: WorkerName) -> bool:
        """Whether this worker bullies the other."""
        return self.order.is_above(self.worker, worker)

    def hear_of(self, epoch: int) -> None:
        self.seen = max(self.seen, epoch)

    def hear_of_seats(self, seats: int) -> None:
        """Remembers, for good, that seats up to this one were given away."""
        if seats > self.seats:
            self.seats = seats
            self._record_promise()

    def promise(self, epoch: int) -> None:
        """Obeys nobody of an older epoch from now on."""
        ensure(epoch >= self.promised, "the promised epoch never falls")
        if epoch > self.promised:
            self.promised = epoch
            self.hear_of(epoch)
            self._record_promise()

    def claim(self) -> int:
        """Makes an epoch of its own, above all that it has seen."""
        seat = self.seat
        ensure(seat is not None, "only a member with a seat makes epochs")
        epoch = next_epoch(max(self.seen, self.promised), seat or 0)
        self.promise(epoch)
        return epoch

    def _record_promise(self) -> None:
        promise = StoredPromise(self.member, self.promised, self.seats, self._seat)
        value = msgspec.msgpack.encode(promise)
        self.disk.record(SetFact(PROMISE, value), urgent=True)

    @property
    def standing(self) -> Standing:
        """The copy as it will be on disk once all that is recorded is."""
        return Standing(self.copy.runs, self.copy.version, self.commit, self.seats)

    # The copy

    def append(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        self.copy.append(entries)
        self.disk.append(entries)
        self.hear_of_seats(self.members.highest_seat)

    def cut(self, index: int) -> None:
        """Drops versions that were never agreed on, as far as this worker knows."""
        ensure(index > self.commit, "what was handed out is never merely cut off")
        self._report_lost(index - 1)
        self.copy.truncate(index)
        self.disk.truncated(index)
        self.disk.record(TruncateFrom(index))

    def commit_to(self, index: int) -> bool:
        """Hands out what is agreed now. Returns whether that was news."""
        if index <= self.commit:
            return False
        ensure(index <= self.copy.version, "what is agreed is in the copy")
        for entry in self.copy.slice(self.commit + 1, index):
            data = committed_data(entry.data)
            self._bytes_since_snapshot += len(entry.data)
            if data is not None:
                self.effects.append(Committed(entry.index, data))
        self.commit = index
        self._keep_seat()
        settings = self.settings
        grown = self.commit - max(self.copy.floor, self._snapshot_asked or 0)
        if grown >= settings.snapshot_after or (
            self._bytes_since_snapshot >= settings.snapshot_after_bytes
        ):
            self.ask_for_snapshot()
        return True

    def _report_lost(self, after: int) -> None:
        """Names what is behind a version, because another side's newer copy replaces it.

        With a quorum, what was not handed out was acknowledged to nobody either. Without one, this
        worker cannot know that.
        """
        waiting = self.copy.slice(max(after, self.commit) + 1, self.copy.version)
        lost = [found[0] for entry in waiting if (found := change_of(entry.data)) is not None]
        if self.settings.quorum:
            lost = []
        if lost or after < self.commit:
            self.effects.append(ChangesLost(after, tuple(lost)))

    # Whole states

    def restored(self) -> None:
        """Hands out the state found on disk, as the first thing of all."""
        if self.copy.snapshot is not None:
            parts = whole_parts(self.copy.snapshot.data)
            self.effects.append(Restored(self.copy.floor, parts.data))

    def ask_for_snapshot(self) -> None:
        if self._snapshot_asked != self.commit:
            self._snapshot_asked = self.commit
            self._bytes_since_snapshot = 0
            self.effects.append(TakeSnapshot(self.commit))

    def snapshot_taken(self, taken: SnapshotTaken) -> None:
        """Keeps the state after an agreed version, and drops what it covers."""
        copy, index = self.copy, taken.index
        if index > self.commit or (copy.snapshot is not None and index <= copy.floor):
            return  # overtaken by a newer one
        epoch = copy.epoch_at(index)
        if epoch is None:
            return
        whole = WholeState(copy.configuration_at(index), copy.runs_up_to(index), taken.data)
        snapshot = Snapshot(index, epoch, whole_data(whole))
        keep_after = max(copy.first - 1, index - self.settings.trailing_entries)
        copy.save(snapshot, keep_after)
        self.disk.record(SaveSnapshot(snapshot, keep_after))

    def install(self, snapshot: Snapshot, common: int, goes_to: int) -> None:
        """Replaces the copy by another's whole state.

        Args:
            snapshot: the state.
            common: up to this version the other's copy is the same; what this one holds behind it
                is reported as lost.
            goes_to: up to this version the other's copy goes.

        Raises:
            MalformedPayload: its bytes are no whole state; nothing has changed.
        """
        try:
            parts = whole_parts(snapshot.data)
        except msgspec.DecodeError as error:
            raise MalformedPayload(f"a whole copy that is none: {error}") from error
        copy = self.copy
        if common < copy.version:
            self._report_lost(common)
        copy.restore(snapshot)
        self.disk.truncated(1)
        self.disk.record(SaveSnapshot(snapshot, snapshot.index, discard_log=True))
        self.disk.reaches(snapshot.index)
        self.commit = snapshot.index
        self._keep_seat()
        self._snapshot_asked = None
        self.hear_of_seats(self.members.highest_seat)
        self.effects.append(Restored(snapshot.index, parts.data, goes_to))


def check_configurations(entries: Sequence[Entry]) -> None:
    """Raises MalformedPayload where an entry claims to be a configuration and is none."""
    try:
        for entry in entries:
            configuration_of(entry)
    except msgspec.DecodeError as error:
        raise MalformedPayload(f"an entry that claims to be a configuration: {error}") from error


def _stored_promise(stored: Stored, member: int) -> StoredPromise:
    value = stored.facts.get(PROMISE)
    if value is None:
        return StoredPromise(member, 0, 0)
    try:
        promise = msgspec.msgpack.decode(value, type=StoredPromise)
    except msgspec.DecodeError as error:
        raise InvariantViolation(f"the stored promise cannot be read: {error}") from error
    ensure(promise.member == member, f"the disk is of {promise.member}, this is {member}")
    return promise
