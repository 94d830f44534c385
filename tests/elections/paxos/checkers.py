"""The rules of Paxos, watched from outside while a test runs.

They read messages, effects and disks. What was chosen is found out as the papers define it: by a
majority of the acceptors of a slot having accepted one ballot there, on their disks.
"""

from collections.abc import Sequence

import msgspec

from interrex.core.quorum import has_quorum
from interrex.core.storage import AppendEntries, Entry, SetFact, TruncateFrom
from interrex.elections.interface import ElectionEffect, ElectionEvent, Persist, SendPayload
from interrex.elections.paxos.messages import (
    Accept,
    Accepted,
    HeartbeatAnswer,
    Promise,
    decode,
)
from interrex.elections.paxos.node import PROMISE, StoredPromise
from tests.elections import checkers
from tests.elections.remembered import assert_remembers_rightly

from .network import MemoryDisk, Network, Server


class Checkers(checkers.Checkers[Server]):
    """Watches a network; any broken rule is an AssertionError."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.promises: dict[tuple[int, int], int] = {}
        self.proposers: dict[int, int] = {}
        self.values: dict[tuple[int, int], bytes] = {}
        self.learned: dict[int, tuple[bytes, int]] = {}
        """What was chosen in a slot, and a round at the latest in which it was."""
        self.disks: dict[int, MemoryDisk] = {}
        self.chosen: dict[tuple[str, int], int] = {}
        """How far each life of a server knew all to be chosen, after its last step."""
        network.senders.append(self.before_send)

    def watch(
        self, server: Server, event: ElectionEvent, effects: Sequence[ElectionEffect]
    ) -> None:
        super().watch(server, event, effects)
        assert_remembers_rightly(server.paxos._server)
        self._one_value_is_chosen(server)
        self._a_majority_has_accepted_what_is_chosen(server)
        for effect in effects:
            if isinstance(effect, Persist):
                self._nothing_accepted_is_forgotten(server, effect)

    def before_send(self, server: Server, effect: SendPayload) -> None:
        """What a message promises is on disk before it leaves; one value for each ballot."""
        message = decode(effect.payload)
        match message:
            case Promise():
                key = (server.member, message.round)
                assert self.promises.setdefault(key, message.target) == message.target
                stored = self._stored_promise(server)
                assert (stored.round, stored.proposer) == (message.round, message.target) or (
                    stored.round > message.round
                ), "a promise left before it was stored"
            case Accepted(matched=matched) | HeartbeatAnswer(matched=matched):
                self._is_on_disk(server, matched, message.round)
            case Accept():
                for index, value in enumerate(message.values, message.start):
                    self._one_value_a_ballot(index, message.round, value)
            case _:
                pass

    def _is_on_disk(self, server: Server, matched: int, number: int) -> None:
        """What is acknowledged in a round is on the disk in that round, or known to be chosen."""
        chosen, held = server.paxos._server.node.chosen, server.disk.rounds()
        last = max(held, default=server.disk.snapshot.index if server.disk.snapshot else 0)
        assert matched <= last, "an acknowledgement left before the value was stored"
        for index in range(max(chosen, matched - 50) + 1, matched + 1):
            assert held[index] == number, f"slot {index} is not on disk in round {number}"

    def _a_majority_has_accepted_what_is_chosen(self, server: Server) -> None:
        """2.1, of everything that a leader takes for chosen."""
        self.disks[server.member] = server.disk
        node, life = server.paxos._server.node, (server.name, server.life)
        before = self.chosen.get(life, node.chosen)
        self.chosen[life] = node.chosen
        if not server.election.leading:
            return
        membership = node.membership
        for index in range(max(before + 1, node.slots.first), node.chosen + 1):
            voters = membership._history[membership._position(index)][1].voters
            value = node.slots.entry(index).data
            holding = [one for one in voters if self._holds(one, index, value)]
            assert has_quorum(voters, holding), f"slot {index} was accepted by {holding} only"

    def _holds(self, member: int, index: int, value: bytes) -> bool:
        disk = self.disks.get(member)
        if disk is None:
            return False
        if disk.snapshot is not None and disk.snapshot.index >= index:
            return True
        return any(one.index == index and one.data == value for one in reversed(disk.entries))

    def one_leader_an_epoch(self, server: Server, leader: str, epoch: int) -> None:
        super().one_leader_an_epoch(server, leader, epoch)
        if leader == server.name:
            own = self.promises.setdefault((server.member, epoch), server.member)
            assert own == server.member, f"{leader} leads round {epoch}, which it gave to another"

    def _one_value_a_ballot(self, index: int, number: int, value: bytes) -> None:
        known = self.values.setdefault((index, number), value)
        assert known == value, f"two values for slot {index} in round {number}"
        chosen, latest = self.learned.get(index, (value, 0))
        assert chosen == value or number < latest, f"P2: round {number}, slot {index}"

    def _one_value_is_chosen(self, server: Server) -> None:
        node = server.paxos._server.node
        slots = node.slots
        for index in range(max(slots.first, slots.snapshot_index), node.chosen + 1):
            if index >= slots.first:
                value = slots.entry(index).data
                chosen, _ = self.learned.setdefault(index, (value, node.round))
                assert chosen == value, f"slot {index} has two values"

    def _stored_promise(self, server: Server) -> StoredPromise:
        return msgspec.msgpack.decode(server.disk.facts[PROMISE], type=StoredPromise)

    def _nothing_accepted_is_forgotten(self, server: Server, persist: Persist) -> None:
        """What is cut off is written again in the same batch, in the same round or a later one."""
        if any(isinstance(record, SetFact) and record.key == PROMISE for record in persist.records):
            self._promises_rise(server, persist)
        held: dict[int, Entry] = {}
        for record in persist.records:
            if isinstance(record, TruncateFrom):
                for entry in server.disk.entries:
                    if entry.index >= record.index:
                        held.setdefault(entry.index, entry)
        written = {
            entry.index: entry
            for record in persist.records
            if isinstance(record, AppendEntries)
            for entry in record.entries
        }
        for index, entry in held.items():
            assert index in written, f"{server.name} forgot slot {index}"
            assert written[index].epoch >= entry.epoch, f"slot {index} fell to an earlier round"

    def _promises_rise(self, server: Server, persist: Persist) -> None:
        if PROMISE not in server.disk.facts:
            return
        old = self._stored_promise(server)
        for record in persist.records:
            if isinstance(record, SetFact) and record.key == PROMISE:
                new = msgspec.msgpack.decode(record.value, type=StoredPromise)
                assert new.round >= old.round, "a promise on disk fell"
                assert new.round > old.round or old.proposer in (0, new.proposer), "two promises"
