"""Raft's promises, watched from outside while a test runs.

They read messages, effects and disks; of a core's inside only the log of a new leader.
"""

from collections.abc import Sequence

import msgspec

from interrex.core.ids import ChangeId
from interrex.core.storage import AppendEntries, SetFact
from interrex.elections.interface import (
    Committed,
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    Persist,
    ProposalSettled,
    ReadConfirmed,
    Restored,
    SendPayload,
)
from interrex.elections.raft.messages import AppendAccepted, Vote, decode
from interrex.elections.raft.node import VOTE, StoredVote

from .network import Network, Server


class Checkers:
    """Watches a network; any broken promise is an AssertionError."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.leaders: dict[int, str] = {}
        self.votes: dict[tuple[int, int], int] = {}
        self.entries: dict[tuple[int, int], tuple[bytes, int | None]] = {}
        self.committed: dict[int, bytes] = {}
        self.terms_of_committed: dict[int, int] = {}
        self.acknowledged: dict[ChangeId, int] = {}
        self.reads: dict[int, int] = {}
        self.elections = 0
        network.watchers.append(self.watch)
        network.senders.append(self.before_send)

    def watch(
        self, server: Server, event: ElectionEvent, effects: Sequence[ElectionEffect]
    ) -> None:
        wake_at = server.raft.wake_at
        assert wake_at is None or wake_at > self.network.now, "a wake-up in the past never ends"
        if isinstance(event, ConfirmRead):
            self.reads.setdefault(event.read, max(self.acknowledged.values(), default=0))
        for effect in effects:
            match effect:
                case LeaderChanged(leader, epoch) if leader is not None:
                    self._one_leader_a_term(server, leader, epoch)
                case Persist():
                    self._logs_match(server, effect)
                case Committed(index, data):
                    self._same_everywhere(server, index, data)
                case Restored():
                    for index, data in server.committed:
                        assert self.committed.get(index) == data, f"{server.name} restored {index}"
                case ProposalSettled(change, index) if index is not None:
                    self.acknowledged.setdefault(change, index)
                case ReadConfirmed(read, confirmed) if confirmed:
                    commit = server.raft._server.node.commit
                    assert commit >= self.reads[read], f"{server.name} answered a stale read"
                case _:
                    pass

    def before_send(self, server: Server, effect: SendPayload) -> None:
        """What a message promises is on disk before it leaves."""
        message = decode(effect.payload)
        if isinstance(message, Vote) and message.granted:
            key = (server.member, message.term)
            assert self.votes.setdefault(key, message.target) == message.target, "two votes"
            stored = msgspec.msgpack.decode(server.disk.facts[VOTE], type=StoredVote)
            assert (stored.term, stored.vote) == (message.term, message.target) or (
                stored.term > message.term
            ), "a vote left before it was stored"
        if isinstance(message, AppendAccepted):
            disk = server.disk
            last = disk.entries[-1].index if disk.entries else 0
            last = max(last, disk.snapshot.index if disk.snapshot else 0)
            assert message.matched <= last, "an acknowledgement left before the entry was stored"

    def _one_leader_a_term(self, server: Server, leader: str, epoch: int) -> None:
        assert self.leaders.setdefault(epoch, leader) == leader, f"two leaders in term {epoch}"
        if leader != server.name:
            return
        self.elections += 1
        assert self.votes.setdefault((server.member, epoch), server.member) == server.member
        log = server.raft._server.node.log
        for index, term in self.terms_of_committed.items():
            if index >= log.first_index:
                assert log.term_at(index) == term, f"{leader} leads without entry {index}"

    def _logs_match(self, server: Server, persist: Persist) -> None:
        log = server.raft._server.node.log
        for record in persist.records:
            if isinstance(record, SetFact) and record.key == VOTE and VOTE in server.disk.facts:
                old = msgspec.msgpack.decode(server.disk.facts[VOTE], type=StoredVote)
                new = msgspec.msgpack.decode(record.value, type=StoredVote)
                assert new.term >= old.term, "a term on disk fell"
            if not isinstance(record, AppendEntries):
                continue
            before: int | None = None
            for entry in record.entries:
                if before is None:
                    held = log.term_at(entry.index) == entry.epoch
                    before = log.term_at(entry.index - 1) if held else None
                known = self.entries.setdefault((entry.index, entry.epoch), (entry.data, before))
                assert known[0] == entry.data, f"two entries at {entry.index} in {entry.epoch}"
                assert None in (before, known[1]) or known[1] == before, "logs do not match"
                before = entry.epoch

    def _same_everywhere(self, server: Server, index: int, data: bytes) -> None:
        known = self.committed.setdefault(index, data)
        assert known == data, f"{server.name} applied something else at {index}"
        term = server.raft._server.node.log.term_at(index)
        if term is not None:
            assert self.terms_of_committed.setdefault(index, term) == term
        applied = [at for at, _ in server.committed if at <= index]
        before = sorted(at for at in self.committed if at <= index)
        assert len(applied) == len(before), f"{server.name} skipped something before {index}"

    def at_the_end(self) -> None:
        """Everything that was acknowledged is in every living voter's state."""
        agreed = sorted(self.committed.items())
        for server in self.network.alive():
            if server.member in server.raft._server.node.membership.voters:
                assert server.committed == agreed, f"{server.name} differs"
        for change, index in self.acknowledged.items():
            if not change.startswith("member"):
                assert index in self.committed, f"{change} was acknowledged and is lost"
