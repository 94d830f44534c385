"""Raft's promises, watched from outside while a test runs.

They read messages, effects and disks; of a core's inside the log of a new leader, and what is
remembered there instead of counted.
"""

from collections.abc import Sequence

import msgspec

from interrex.core.storage import AppendEntries, SetFact
from interrex.elections.interface import ElectionEffect, ElectionEvent, Persist, SendPayload
from interrex.elections.raft.messages import AppendAccepted, Vote, decode
from interrex.elections.raft.node import VOTE, StoredVote
from tests.elections import checkers
from tests.elections.remembered import assert_remembers_rightly

from .network import Network, Server


class Checkers(checkers.Checkers[Server]):
    """Watches a network; any broken promise is an AssertionError."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.votes: dict[tuple[int, int], int] = {}
        self.entries: dict[tuple[int, int], tuple[bytes, int | None]] = {}
        self.terms_of_committed: dict[int, int] = {}
        network.senders.append(self.before_send)

    def watch(
        self, server: Server, event: ElectionEvent, effects: Sequence[ElectionEffect]
    ) -> None:
        super().watch(server, event, effects)
        assert_remembers_rightly(server.raft._server)
        log = server.raft._server.node.log
        assert log.last_index == log.first_index - 1 + len(log._entries)
        for effect in effects:
            if isinstance(effect, Persist):
                self._logs_match(server, effect)

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

    def one_leader_an_epoch(self, server: Server, leader: str, epoch: int) -> None:
        super().one_leader_an_epoch(server, leader, epoch)
        if leader != server.name:
            return
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

    def same_everywhere(self, server: Server, index: int, data: bytes) -> None:
        super().same_everywhere(server, index, data)
        term = server.raft._server.node.log.term_at(index)
        if term is not None:
            assert self.terms_of_committed.setdefault(index, term) == term
