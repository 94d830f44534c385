"""One Raft server whose peers are the test itself."""

from collections.abc import Mapping
from random import Random
from typing import TypeVar

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Entry, Stored
from interrex.core.time import MS
from interrex.elections.interface import (
    Committed,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    PayloadReceived,
    Persist,
    Persisted,
    ProposalSettled,
    Propose,
    SendPayload,
    WakeUp,
)
from interrex.elections.raft import Raft, RaftSettings
from interrex.elections.raft import messages as m
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.elections.replicated.payload import change_data

from .network import MemoryDisk

Kind = TypeVar("Kind")
MessageKind = TypeVar("MessageKind", bound=m.Message)


def worker(member: int) -> WorkerName:
    return WorkerName(f"w{member}")


def voters(size: int) -> dict[int, WorkerName]:
    return {member: worker(member) for member in range(1, size + 1)}


def change(index: int, term: int, name: str | None = None) -> Entry:
    """An entry that holds a change named after where it stands."""
    label = name or f"{index}.{term}"
    return Entry(index, term, change_data(ChangeId(label), label.encode()))


def stored(*terms: int, term: int | None = None, vote: int = 0, member: int = 1) -> Stored:
    """A disk whose log holds one change for each of these terms."""
    entries = tuple(change(index, of) for index, of in enumerate(terms, 1))
    fact = StoredVote(member, max(terms, default=0) if term is None else term, vote)
    return Stored({VOTE: msgspec.msgpack.encode(fact)}, None, entries)


class Solo:
    """Member 1 of a cluster of ``size``; ``persists`` False leaves writes to the test."""

    def __init__(
        self,
        size: int = 3,
        *,
        stored: Stored | None = None,
        settings: RaftSettings | None = None,
        genesis: Mapping[int, WorkerName] | None = None,
        seed: int = 1,
        persists: bool = True,
        member: int = 1,
    ) -> None:
        self.settings = settings or RaftSettings()
        self.member = member
        self.now = 1_000 * MS
        self.persists = persists
        self.disk = MemoryDisk()
        found = stored or Stored()
        self.disk.facts, self.disk.snapshot = dict(found.facts), found.snapshot
        self.disk.entries = list(found.entries)
        self.core = Raft(
            worker(member), member, found, self.settings, genesis or voters(size), Random(seed)
        )
        self.effects: list[ElectionEffect] = []
        self.writing: list[Persist] = []
        self.step(WakeUp())

    # In

    def step(self, event: ElectionEvent) -> list[ElectionEffect]:
        effects = self.core.step(event, self.now)
        self.effects.extend(effects)
        for effect in effects:
            if isinstance(effect, Persist):
                self.writing.append(effect)
        if self.persists:
            self.write()
        return effects

    def write(self) -> None:
        """All that was handed out to be written is on disk."""
        while self.writing:
            persist = self.writing.pop(0)
            for record in persist.records:
                self.disk.write(record)
            self.step(Persisted(persist.token))

    def receive(self, message: m.Message) -> list[ElectionEffect]:
        return self.step(PayloadReceived(worker(message.source), m.encode(message)))

    def pass_time(self, duration: int) -> None:
        """Time goes by, and the wake-ups in it happen when they are due."""
        end = self.now + duration
        while self.core.wake_at is not None and self.core.wake_at <= end:
            self.now = max(self.now, self.core.wake_at)
            self.step(WakeUp())
        self.now = end

    def oversleep(self, duration: int) -> None:
        """The process is stopped: the first wake-up comes late."""
        self.now += duration
        self.step(WakeUp())

    def propose(self, name: str, data: bytes = b"x") -> list[ElectionEffect]:
        return self.step(Propose(ChangeId(name), data))

    # Out

    def take(self) -> list[m.Message]:
        """What was sent since the last time this was asked."""
        sent = [m.decode(one.payload) for one in self.effects if isinstance(one, SendPayload)]
        self.effects = [one for one in self.effects if not isinstance(one, SendPayload)]
        return sent

    def taken(self, kind: type[MessageKind]) -> list[MessageKind]:
        """The messages of one kind that were sent since; the others are forgotten."""
        return [one for one in self.take() if isinstance(one, kind)]

    def said(self, kind: type[Kind]) -> list[Kind]:
        """All effects of a kind, from the beginning."""
        return [one for one in self.effects if isinstance(one, kind)]

    @property
    def committed(self) -> list[bytes]:
        return [one.data for one in self.said(Committed)]

    @property
    def settled(self) -> dict[str, int | None]:
        return {one.change: one.index for one in self.said(ProposalSettled)}

    @property
    def leaders(self) -> list[tuple[str | None, int]]:
        return [(one.leader, one.epoch) for one in self.said(LeaderChanged)]

    @property
    def log(self) -> list[tuple[int, int]]:
        """The stored log: index and term of each entry."""
        return [(entry.index, entry.epoch) for entry in self.disk.entries]

    @property
    def vote(self) -> StoredVote:
        """Term and vote on the disk."""
        return msgspec.msgpack.decode(self.disk.facts[VOTE], type=StoredVote)

    @property
    def role(self) -> str:
        role = self.core._server.role
        return "pre-candidate" if getattr(role, "asking", False) else type(role).__name__.lower()

    # Whole conversations

    def hear(self, leader: int, term: int, *entries: Entry, prev: int = 0, commit: int = 0) -> None:
        """A leader's AppendEntries behind ``prev``, whose term is taken from this log."""
        prev_term = self.core._server.node.log.term_at(prev) or 0
        order = tuple(one for one in voters(9) if one != leader)
        self.receive(
            m.AppendEntries(self.member, leader, term, prev, prev_term, commit, order, entries)
        )

    def beat(self, leader: int, term: int, commit: int = 0, round_trip: int = MS) -> None:
        """A leader's heartbeat, with members in order of id as its succession."""
        order = tuple(one for one in self.core._server.node.membership.voters if one != leader)
        self.receive(
            m.Heartbeat(self.member, leader, term, 1, commit, 0, round_trip, order),
        )

    def ask(self, candidate: int, term: int, last: int = 99, last_term: int | None = None) -> bool:
        """A RequestVote; whether it was granted (and said so)."""
        self.take()
        of = term - 1 if last_term is None else last_term
        self.receive(m.RequestVote(self.member, candidate, term, 7, last, of, 0))
        return any(one.granted for one in self.taken(m.Vote))

    def pre_ask(self, candidate: int, term: int, last: int = 99, last_term: int = 99) -> list[bool]:
        """A PreVote; what was answered at once, if anything."""
        self.take()
        self.receive(m.PreVote(self.member, candidate, term, 7, last, last_term, 0))
        return [one.granted for one in self.taken(m.PreVoteAnswer)]

    def become_candidate(self) -> m.RequestVote:
        """Waits until it asks, and lets all others say that they would vote for it."""
        self.take()
        asked: list[m.PreVote] = []
        while not asked:
            self.pass_time(20 * MS)
            asked = self.taken(m.PreVote)
        for question in asked:
            self.receive(
                m.PreVoteAnswer(1, question.target, question.term, question.round, granted=True)
            )
        return self.taken(m.RequestVote)[0]

    def become_leader(self) -> None:
        request = self.become_candidate()
        for member in self.core._server.node.membership.voters:
            if member != self.member and self.role == "candidate":
                self.receive(m.Vote(1, member, request.term, request.round, granted=True))
        assert self.role == "leader"

    def accept(self, member: int, matched: int) -> None:
        """A follower acknowledges everything up to an index."""
        self.receive(m.AppendAccepted(self.member, member, self.core.epoch, matched))

    def commit_noop(self) -> int:
        """Everybody acknowledges everything so far."""
        last = self.core._server.node.log.last_index
        for member in self.core._server.node.membership.voters:
            if member != self.member:
                self.accept(member, last)
        self.take()
        return last
