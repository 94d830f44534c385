"""One Raft server whose peers are the test itself."""

from collections.abc import Mapping
from random import Random

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Entry, Stored
from interrex.core.time import MS
from interrex.elections.raft import Raft, RaftSettings
from interrex.elections.raft import messages as m
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.elections.replicated.payload import change_data
from tests.elections import solo
from tests.elections.solo import voters, worker

__all__ = ["Solo", "voters", "worker"]


def change(index: int, term: int, name: str | None = None) -> Entry:
    """An entry that holds a change named after where it stands."""
    label = name or f"{index}.{term}"
    return Entry(index, term, change_data(ChangeId(label), label.encode()))


def stored(*terms: int, term: int | None = None, vote: int = 0, member: int = 1) -> Stored:
    """A disk whose log holds one change for each of these terms."""
    entries = tuple(change(index, of) for index, of in enumerate(terms, 1))
    fact = StoredVote(member, max(terms, default=0) if term is None else term, vote)
    return Stored({VOTE: msgspec.msgpack.encode(fact)}, None, entries)


class Solo(solo.Solo[Raft, RaftSettings]):
    """Member 1 of a cluster of ``size``; ``persists`` False leaves writes to the test."""

    asking = "pre-candidate"

    def usual_settings(self) -> RaftSettings:
        return RaftSettings()

    def new_core(self, found: Stored, genesis: Mapping[int, WorkerName], random: Random) -> Raft:
        name = worker(self.member)
        return Raft(name, self.member, found, self.settings, genesis, random)

    def decode(self, payload: bytes) -> m.Message:
        return m.decode(payload)

    @property
    def vote(self) -> StoredVote:
        """Term and vote on the disk."""
        return msgspec.msgpack.decode(self.disk.facts[VOTE], type=StoredVote)

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
