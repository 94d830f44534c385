"""One Paxos server whose peers are the test itself."""

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
from interrex.elections.paxos import Paxos, PaxosSettings
from interrex.elections.paxos import messages as m
from interrex.elections.paxos.node import CHOSEN, PROMISE, StoredPromise
from interrex.elections.replicated.payload import change_data

from .network import MemoryDisk

Kind = TypeVar("Kind")
MessageKind = TypeVar("MessageKind", bound=m.Message)


def worker(member: int) -> WorkerName:
    return WorkerName(f"w{member}")


def voters(size: int) -> dict[int, WorkerName]:
    return {member: worker(member) for member in range(1, size + 1)}


def value(name: str) -> bytes:
    """The value that proposes a change of this name."""
    return change_data(ChangeId(name), name.encode())


def accepted(index: int, number: int, name: str | None = None) -> Entry:
    """A value that was accepted in a slot and a round."""
    return Entry(index, number, value(name or f"{index}.{number}"))


def stored(*rounds: int, promised: int | None = None, proposer: int = 0, chosen: int = 0) -> Stored:
    """The disk of member 1, whose slots hold values of these rounds, 0 for holes."""
    entries = tuple(
        accepted(index, of) if of else Entry(index, 0, b"") for index, of in enumerate(rounds, 1)
    )
    newest = max(rounds, default=0) if promised is None else promised
    facts = {PROMISE: msgspec.msgpack.encode(StoredPromise(1, newest, proposer))}
    if chosen:
        facts[CHOSEN] = msgspec.msgpack.encode(chosen)
    return Stored(facts, None, entries)


class Solo:
    """Member 1 of a cluster of ``size``; ``persists`` False leaves writes to the test."""

    def __init__(
        self,
        size: int = 3,
        *,
        stored: Stored | None = None,
        settings: PaxosSettings | None = None,
        genesis: Mapping[int, WorkerName] | None = None,
        seed: int = 1,
        persists: bool = True,
        member: int = 1,
    ) -> None:
        self.settings = settings or PaxosSettings()
        self.member = member
        self.now = 1_000 * MS
        self.persists = persists
        self.disk = MemoryDisk()
        found = stored or Stored()
        self.disk.facts, self.disk.snapshot = dict(found.facts), found.snapshot
        self.disk.entries = list(found.entries)
        self.core = Paxos(
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

    def propose(self, name: str, data: bytes = b"x") -> list[ElectionEffect]:
        return self.step(Propose(ChangeId(name), data))

    # Out

    def take(self) -> list[m.Message]:
        """What was sent since the last time this was asked."""
        sent = [m.decode(one.payload) for one in self.effects if isinstance(one, SendPayload)]
        self.effects = [one for one in self.effects if not isinstance(one, SendPayload)]
        return sent

    def taken(self, kind: type[MessageKind]) -> list[MessageKind]:
        """What was sent since then, of this kind."""
        return [one for one in self.take() if isinstance(one, kind)]

    def said(self, kind: type[Kind]) -> list[Kind]:
        """Everything of this kind, ever."""
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
    def slots(self) -> list[tuple[int, int]]:
        """What is stored: slot and round of each entry."""
        return [(entry.index, entry.epoch) for entry in self.disk.entries]

    @property
    def promise(self) -> tuple[int, int]:
        """The promise on the disk: round and proposer."""
        found = msgspec.msgpack.decode(self.disk.facts[PROMISE], type=StoredPromise)
        return found.round, found.proposer

    @property
    def role(self) -> str:
        role = self.core._server.role
        return "asking" if getattr(role, "asking", False) else type(role).__name__.lower()

    # Whole conversations

    def prepare(self, proposer: int, number: int, start: int = 1, ended: int = 0) -> m.Message:
        """Phase 1a; what was answered."""
        self.take()
        self.receive(m.Prepare(1, proposer, number, 7, start, (), ended))
        answers = [one for one in self.take() if isinstance(one, m.Promise | m.Refused)]
        return answers[-1]

    def accept(self, leader: int, number: int, start: int, *names: str, chosen: int = 0) -> None:
        """Phase 2a for slots from ``start`` on."""
        order = tuple(one for one in (1, 2, 3) if one != leader)
        values = tuple(map(value, names))
        self.receive(m.Accept(1, leader, number, start, chosen, order, values))

    def beat(self, leader: int, number: int, chosen: int = 0, round_trip: int = MS) -> None:
        """A leader's heartbeat, with members in order of id as its succession."""
        order = tuple(
            one for one in sorted(self.core._server.node.membership.voters) if one != leader
        )
        self.receive(m.Heartbeat(1, leader, number, True, 1, chosen, 0, round_trip, order))

    def become_candidate(self) -> dict[int, m.Prepare]:
        """Waits until it asks, lets all others say yes; its Prepare to each of them."""
        self.take()
        asked: list[m.Ask] = []
        while not asked:
            self.pass_time(20 * MS)
            asked = self.taken(m.Ask)
        for question in asked:
            answer = m.AskAnswer(1, question.target, question.round, question.campaign, True)
            self.receive(answer)
        return {one.target: one for one in self.taken(m.Prepare)}

    def promised(
        self, prepare: m.Prepare, *entries: Entry, chosen: int = 0, last: int | None = None
    ) -> None:
        """Phase 1b, whole: the acceptor that was asked has accepted these."""
        newest = max((one.index for one in entries), default=prepare.start - 1)
        end = max(newest, chosen) if last is None else last
        self.receive(
            m.Promise(
                1, prepare.target, prepare.round, prepare.campaign, chosen,
                prepare.start, end, end, tuple(entries),
            )
        )  # fmt: skip

    def become_leader(self, *entries: Entry, chosen: int = 0) -> None:
        """Leads a cluster of three, of which member 2 promises and reports these values."""
        asked = self.become_candidate()
        self.promised(asked[2], *entries, chosen=chosen)
        assert self.role == "leader"

    def accepts(self, member: int, matched: int) -> None:
        """Phase 2b: an acceptor holds all up to a slot."""
        self.receive(m.Accepted(1, member, self.core.epoch, matched))

    def proposed(self, member: int = 2) -> dict[int, bytes]:
        """What this leader has asked a member to accept since the last time, by slot."""
        return {
            index: data
            for one in self.taken(m.Accept)
            if one.target == member
            for index, data in enumerate(one.values, one.start)
        }
