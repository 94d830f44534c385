"""What a Raft server is whatever its role: term, vote, log, commit index, and its way out.

Invariants:
    the term never falls; the vote of a term, once given, never changes;
    the commit index never falls, and nothing up to it is ever truncated;
    what a message promises is on disk before the message leaves (see ``disk``).
"""

from collections.abc import Mapping, Sequence
from random import Random

import msgspec

from interrex.core.errors import InvariantViolation, ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import (
    Entry,
    SaveSnapshot,
    SetFact,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.elections.interface import (
    Committed,
    MalformedPayload,
    Restored,
    SnapshotTaken,
)
from interrex.elections.raft.log import Log
from interrex.elections.raft.membership import NOBODY, Membership
from interrex.elections.raft.messages import Message
from interrex.elections.raft.settings import RaftSettings
from interrex.elections.replicated.node import DurableNode, OwnFact, stored_fact
from interrex.elections.replicated.payload import (
    Configuration,
    committed_data,
    configuration_of,
    snapshot_data,
    snapshot_parts,
)

VOTE = "vote"
"""The fact under which member id, term and vote are kept."""


class StoredVote(OwnFact, frozen=True, array_like=True):
    term: int
    vote: int


class Node(DurableNode[Message]):
    """The durable half of a Raft server: its term, its vote, its log."""

    epoch_word = "term"
    settings: RaftSettings
    membership: Membership

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: RaftSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        super().__init__(worker, member, settings, random)
        vote = stored_fact(stored, VOTE, StoredVote(member, 0, 0))
        self.term = vote.term
        self.vote = vote.vote
        self.log = Log(stored.snapshot, stored.entries)
        ensure(self.term >= self.log.last_term, "a stored term is not below its log's")
        self.commit = self.log.snapshot_index
        self.membership = _stored_membership(stored, genesis)

    def persisted(self, token: int) -> None:
        reaches, released = self.disk.persisted(token)
        self.log.persisted = max(self.log.persisted, reaches)
        self.effects.extend(released)

    @property
    def stored_index(self) -> int:
        return self.log.persisted

    # Term and vote

    @property
    def epoch(self) -> int:
        return self.term

    @property
    def given_to(self) -> int:
        return self.vote

    def begin_epoch(self, epoch: int, given_to: int = 0) -> None:
        self.set_term(epoch, given_to)

    @property
    def may_campaign(self) -> bool:
        """Whether to stand for election: a voter, also one whose removal is not committed yet.

        The entry that removes a server may be on its own disk only; until it is committed, nobody
        else may be able to win (thesis 4.2.2).
        """
        membership = self.membership
        return self.member in membership.voters or (
            membership.index > self.commit and self.member in membership.before.voters
        )

    def set_term(self, term: int, vote: int = 0) -> None:
        """Moves to a newer term, or gives this term's vote."""
        ensure(term >= self.term, "the term never falls")
        ensure(term > self.term or self.vote in (0, vote), "one vote per term")
        self.term, self.vote = term, vote
        value = msgspec.msgpack.encode(StoredVote(self.member, term, vote))
        self.disk.record(SetFact(VOTE, value), urgent=True)

    # Log

    def append(self, entries: Sequence[Entry]) -> None:
        self.log.append(entries)
        self.disk.append(entries)
        for entry in entries:
            configuration = configuration_of(entry)
            if configuration is not None:
                self.membership.append(entry.index, configuration)

    def truncate(self, index: int) -> None:
        ensure(index > self.commit, "what is committed is never truncated")
        self.log.truncate(index)
        self.membership.truncate(index)
        self.disk.truncated(index)
        self.disk.record(TruncateFrom(index))

    def commit_to(self, index: int) -> bool:
        """Hands out what is committed now. Returns whether that was news."""
        if index <= self.commit:
            return False
        ensure(index <= self.log.last_index, "what is committed is in the log")
        for entry in self.log.slice(self.commit + 1, index):
            data = committed_data(entry.data)
            self._bytes_since_snapshot += len(entry.data)
            if data is not None:
                self.effects.append(Committed(entry.index, data))
        self.commit = index
        self.ask_for_snapshot(index, self.log.snapshot_index)
        return True

    # Snapshots

    def restored(self) -> None:
        if self.log.snapshot is not None:
            parts = snapshot_parts(self.log.snapshot.data)
            self.effects.append(Restored(self.log.snapshot.index, parts.data))

    def snapshot_taken(self, taken: SnapshotTaken) -> None:
        term = self.log.term_at(taken.index)
        if not self.log.snapshot_index < taken.index <= self.commit or term is None:
            return  # overtaken by a newer one
        configuration = self.membership.at(taken.index)
        snapshot = Snapshot(taken.index, term, snapshot_data(configuration, taken.data))
        keep_after = max(self.log.first_index - 1, taken.index - self.settings.trailing_entries)
        self.log.save(snapshot, keep_after)
        self.membership.compact(taken.index)
        self.disk.record(SaveSnapshot(snapshot, keep_after))

    def install(self, snapshot: Snapshot) -> None:
        """Replaces the state by the leader's; keeps the log behind it where it fits.

        Raises:
            MalformedPayload: its bytes are no snapshot.
        """
        ensure(snapshot.index > self.commit, "the commit index never falls")
        try:
            parts = snapshot_parts(snapshot.data)
        except msgspec.DecodeError as error:
            raise MalformedPayload(f"a snapshot that is none: {error}") from error
        if self.log.term_at(snapshot.index) == snapshot.epoch:
            self.log.save(snapshot, snapshot.index)
            self.membership.compact(snapshot.index)
            self.disk.record(SaveSnapshot(snapshot, snapshot.index))
        else:
            self.log.persisted = min(self.log.persisted, self.commit)
            self.disk.truncated(self.commit + 1)
            self.log.restore(snapshot)
            self.membership.restore(snapshot.index, parts.configuration)
            self.disk.record(SaveSnapshot(snapshot, snapshot.index, discard_log=True))
        self.disk.reaches(snapshot.index)
        self.commit = snapshot.index
        self.effects.append(Restored(snapshot.index, parts.data))


def _stored_membership(stored: Stored, genesis: Mapping[int, WorkerName] | None) -> Membership:
    index, first = 0, Configuration(dict(genesis)) if genesis else NOBODY
    try:
        if stored.snapshot is not None:
            index, first = stored.snapshot.index, snapshot_parts(stored.snapshot.data).configuration
        membership = Membership(index, first)
        for entry in stored.entries:
            configuration = configuration_of(entry) if entry.index > index else None
            if configuration is not None:
                membership.append(entry.index, configuration)
    except msgspec.DecodeError as error:
        raise InvariantViolation(f"the stored configuration cannot be read: {error}") from error
    return membership
