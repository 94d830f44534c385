"""One Paxos server whose peers are the test itself."""

from collections.abc import Mapping
from random import Random

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Entry, Stored
from interrex.core.time import MS
from interrex.elections.paxos import Paxos, PaxosSettings
from interrex.elections.paxos import messages as m
from interrex.elections.paxos.node import CHOSEN, PROMISE, StoredPromise
from interrex.elections.replicated.payload import change_data
from tests.elections import solo
from tests.elections.solo import voters, worker

__all__ = ["Solo", "voters", "worker"]


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


class Solo(solo.Solo[Paxos, PaxosSettings]):
    """Member 1 of a cluster of ``size``; ``persists`` False leaves writes to the test."""

    def usual_settings(self) -> PaxosSettings:
        return PaxosSettings()

    def new_core(self, found: Stored, genesis: Mapping[int, WorkerName], random: Random) -> Paxos:
        name = worker(self.member)
        return Paxos(name, self.member, found, self.settings, genesis, random)

    def decode(self, payload: bytes) -> m.Message:
        return m.decode(payload)

    @property
    def promise(self) -> tuple[int, int]:
        """The promise on the disk: round and proposer."""
        found = msgspec.msgpack.decode(self.disk.facts[PROMISE], type=StoredPromise)
        return found.round, found.proposer

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
