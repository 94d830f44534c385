"""What a Paxos server is whatever its role: its promise, what it accepted, what it learned.

This is the acceptor and the learner of the papers, and the way out for the proposer.

Invariants:
    P1a: an acceptor accepts in a round unless it has promised a later one; the promised round
    never falls, and whom a round was promised never changes;
    ``chosen`` never falls, and no slot up to it ever changes its value;
    what a message promises is on disk before the message leaves (see ``disk``).

Source: PMS 2.2 (P1a; what an acceptor has to remember), 2.3 (learning), 2.5; PMMC 2.2.

Differs from the papers: ballots are ordered by round alone, because an acceptor promises a round
to one proposer only: of two that ask for the same round, at most one gets a majority. So the round
alone names a leadership, and is its epoch. How far everything is chosen is on disk too, written
with whatever is written next: after a restart a server goes on from there without asking.
"""

from collections.abc import Mapping, Sequence
from random import Random

import msgspec

from interrex.core.errors import InvariantViolation, ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Entry, SaveSnapshot, SetFact, Snapshot, Stored, TruncateFrom
from interrex.elections.interface import (
    Committed,
    MalformedPayload,
    Restored,
    SnapshotTaken,
)
from interrex.elections.paxos.membership import NOBODY, Membership
from interrex.elections.paxos.messages import Message
from interrex.elections.paxos.settings import PaxosSettings
from interrex.elections.paxos.slots import Slots
from interrex.elections.paxos.snapshots import snapshot_data, snapshot_parts
from interrex.elections.paxos.transfer import Arriving, chunk
from interrex.elections.replicated.node import DurableNode, OwnFact, stored_fact
from interrex.elections.replicated.payload import Configuration, committed_data, configuration_of

PROMISE = "promise"
"""The fact under which member id, round and to whom it was promised are kept."""
CHOSEN = "chosen"
"""The fact that says up to which slot all is chosen."""


class StoredPromise(OwnFact, frozen=True, array_like=True):
    """``proposer`` 0: the round was seen, and promised to nobody."""

    round: int
    proposer: int


class Node(DurableNode[Message]):
    """The durable half of a Paxos server: its promise, and the slots."""

    epoch_word = "round"
    settings: PaxosSettings
    membership: Membership

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: PaxosSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        super().__init__(worker, member, settings, random)
        promise = stored_fact(stored, PROMISE, StoredPromise(member, 0, 0))
        self.round = promise.round
        self.promised_to = promise.proposer
        self.slots = Slots(stored.snapshot, stored.entries)
        ensure(self.round >= self.slots.newest_round, "a promise is not below what was accepted")
        self.chosen = max(self.slots.snapshot_index, _stored_chosen(stored))
        ensure(self.chosen <= self.slots.last, "what is chosen is on disk")
        self._stored_chosen = self.chosen
        self.membership = _stored_membership(stored, genesis, settings.window, self.chosen)
        self.arriving = Arriving()

    def flush(self) -> None:
        """As everywhere; how far everything is chosen is written with whatever is."""
        if self.chosen > self._stored_chosen and self.disk.will_write:
            self.disk.record(SetFact(CHOSEN, msgspec.msgpack.encode(self.chosen)))
            self._stored_chosen = self.chosen
        super().flush()

    def persisted(self, token: int) -> None:
        reaches, released = self.disk.persisted(token)
        self.slots.persisted = max(self.slots.persisted, reaches)
        self.effects.extend(released)

    @property
    def stored_index(self) -> int:
        return self.slots.persisted

    # The promise

    @property
    def epoch(self) -> int:
        return self.round

    @property
    def given_to(self) -> int:
        return self.promised_to

    def begin_epoch(self, epoch: int, given_to: int = 0) -> None:
        self.set_round(epoch, given_to)

    @property
    def may_campaign(self) -> bool:
        """Whether to stand: an acceptor of a slot that may be proposed in next."""
        return self.member in self.membership.electorate

    def set_round(self, number: int, proposer: int = 0) -> None:
        """Moves to a later round, or promises this one to a proposer."""
        ensure(number >= self.round, "the promised round never falls")
        ensure(
            number > self.round or self.promised_to in (0, proposer),
            "a round is promised to one proposer",
        )
        self.round, self.promised_to = number, proposer
        value = msgspec.msgpack.encode(StoredPromise(self.member, number, proposer))
        self.disk.record(SetFact(PROMISE, value), urgent=True)

    # Accepting

    def accept(self, start: int, values: Sequence[bytes]) -> None:
        """Accepts values for slots that follow one another, in the promised round.

        What is known to be chosen stays as it is.
        """
        if start <= self.chosen:
            values, start = values[self.chosen + 1 - start :], self.chosen + 1
        if not values:
            return
        number, slots = self.round, self.slots
        entries = [Entry(index, number, data) for index, data in enumerate(values, start)]
        before = slots.last
        changed = slots.put(entries)
        if changed <= before:
            self.disk.truncated(changed)
            self.disk.record(TruncateFrom(changed))
        rewritten = changed < start or slots.last >= start + len(entries)
        self.disk.append(slots.slice(changed, slots.last) if rewritten else entries)

    # Learning

    def learn_to(self, index: int) -> bool:
        """Hands out what is chosen now. Returns whether that was news."""
        if index <= self.chosen:
            return False
        ensure(index <= self.slots.last, "what is chosen is here")
        news = []
        for entry in self.slots.slice(self.chosen + 1, index):
            data = committed_data(entry.data)
            self._bytes_since_snapshot += len(entry.data)
            if data is not None:
                self.effects.append(Committed(entry.index, data))
                continue
            configuration = configuration_of(entry)
            if configuration is not None:
                news.append((entry.index, configuration))
        self.chosen = index
        self.membership.learned(index, news)
        self.ask_for_snapshot(index, self.slots.snapshot_index)
        return True

    # Snapshots

    def restored(self) -> None:
        floor = 0
        if self.slots.snapshot is not None:
            floor = self.slots.snapshot.index
            self.effects.append(Restored(floor, snapshot_parts(self.slots.snapshot.data).data))
        for entry in self.slots.slice(floor + 1, self.chosen):
            data = committed_data(entry.data)
            if data is not None:
                self.effects.append(Committed(entry.index, data))

    def snapshot_taken(self, taken: SnapshotTaken) -> None:
        slots = self.slots
        if not slots.snapshot_index < taken.index <= self.chosen:
            return  # overtaken by a newer one
        data = snapshot_data(self.membership.at(taken.index), taken.data)
        snapshot = Snapshot(taken.index, slots.round_at(taken.index), data)
        keep_after = max(slots.first - 1, taken.index - self.settings.trailing_entries)
        slots.save(snapshot, keep_after)
        self.membership.compact(taken.index)
        self.disk.record(SaveSnapshot(snapshot, keep_after))

    def teach(self, member: int, offset: int = 0) -> None:
        """Sends a chunk of the own snapshot to a server that nobody leads."""
        snapshot, size = self.slots.snapshot, self.settings.snapshot_chunk_bytes
        if snapshot is not None:
            part = chunk(self.member, member, self.round, snapshot, offset, size, leads=False)
            self.send(member, part)

    def install(self, snapshot: Snapshot) -> None:
        """Replaces the state by the leader's; what was accepted behind it stays.

        Raises:
            MalformedPayload: its bytes are no snapshot.
        """
        ensure(snapshot.index > self.chosen, "what is chosen never shrinks")
        try:
            parts = snapshot_parts(snapshot.data)
        except msgspec.DecodeError as error:
            raise MalformedPayload(f"a snapshot that is none: {error}") from error
        slots = self.slots
        slots.persisted = min(slots.persisted, self.chosen)
        self.disk.truncated(self.chosen + 1)
        slots.restore(snapshot)
        self.disk.record(SaveSnapshot(snapshot, snapshot.index))
        self.disk.reaches(slots.last)
        self.chosen = snapshot.index
        self.membership.restore(snapshot.index, parts.history)
        self.effects.append(Restored(snapshot.index, parts.data))


def _stored_chosen(stored: Stored) -> int:
    value = stored.facts.get(CHOSEN)
    if value is None:
        return 0
    try:
        return msgspec.msgpack.decode(value, type=int)
    except msgspec.DecodeError as error:
        raise InvariantViolation(f"what was learned cannot be read: {error}") from error


def _stored_membership(
    stored: Stored, genesis: Mapping[int, WorkerName] | None, window: int, chosen: int
) -> Membership:
    index = 0
    first: Sequence[tuple[int, Configuration]]
    first = ((0, Configuration(dict(genesis)) if genesis else NOBODY),)
    try:
        if stored.snapshot is not None:
            index, first = stored.snapshot.index, snapshot_parts(stored.snapshot.data).history
        later = ((entry.index, configuration_of(entry)) for entry in stored.entries)
        news = [(at, one) for at, one in later if one is not None and index < at <= chosen]
    except msgspec.DecodeError as error:
        raise InvariantViolation(f"the stored configuration cannot be read: {error}") from error
    membership = Membership(first, window)
    membership.learned(chosen, news)
    return membership
