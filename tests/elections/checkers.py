"""What every election with a replicated log promises, watched from outside while a test runs.

They read events and effects only.
"""

from collections.abc import Sequence
from typing import Generic

from interrex.core.ids import ChangeId
from interrex.elections.interface import (
    Committed,
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    ProposalSettled,
    ReadConfirmed,
    Restored,
)

from .network import AnyServer, Network


class Checkers(Generic[AnyServer]):
    """Watches a network; any broken promise is an AssertionError."""

    def __init__(self, network: Network[AnyServer]) -> None:
        self.network = network
        self.leaders: dict[int, str] = {}
        self.epochs: dict[tuple[str, int], int] = {}
        self.committed: dict[int, bytes] = {}
        self.acknowledged: dict[ChangeId, int] = {}
        self.reads: dict[int, int] = {}
        self.elections = 0
        network.watchers.append(self.watch)

    def watch(
        self, server: AnyServer, event: ElectionEvent, effects: Sequence[ElectionEffect]
    ) -> None:
        election = server.election
        wake_at = election.wake_at
        assert wake_at is None or wake_at > self.network.now, "a wake-up in the past never ends"
        self._epochs_rise(server)
        if isinstance(event, ConfirmRead):
            self.reads.setdefault(event.read, max(self.acknowledged.values(), default=0))
        for effect in effects:
            match effect:
                case LeaderChanged(leader, epoch) if leader is not None:
                    self.one_leader_an_epoch(server, leader, epoch)
                case Committed(index, data):
                    self.same_everywhere(server, index, data)
                case Restored():
                    for index, data in server.committed:
                        assert self.committed.get(index) == data, f"{server.name} restored {index}"
                case ProposalSettled(change, index) if index is not None:
                    self.acknowledged.setdefault(change, index)
                case ReadConfirmed(read, confirmed) if confirmed:
                    known = {at for at in self.committed if at <= self.reads[read]}
                    assert known <= {at for at, _ in server.committed}, f"{server.name}: stale read"
                case _:
                    pass

    def _epochs_rise(self, server: AnyServer) -> None:
        election, life = server.election, (server.name, server.life)
        assert election.epoch >= self.epochs.get(life, 0), f"{server.name}: the epoch fell"
        self.epochs[life] = election.epoch
        if election.leading:
            deadline = election.deadline
            assert election.leader == server.name
            assert deadline is not None, f"{server.name} leads without a deadline"
            assert self.network.now < deadline, f"{server.name} leads past its deadline"
            wake_at = election.wake_at
            assert wake_at is not None, f"{server.name} leads, and asks never to be woken"
            assert wake_at <= deadline, f"{server.name} would sleep past its deadline"
            assert self.leaders.get(election.epoch, server.name) == server.name

    def one_leader_an_epoch(self, server: AnyServer, leader: str, epoch: int) -> None:
        assert self.leaders.setdefault(epoch, leader) == leader, f"two leaders in {epoch}"
        self.elections += leader == server.name

    def same_everywhere(self, server: AnyServer, index: int, data: bytes) -> None:
        known = self.committed.setdefault(index, data)
        assert known == data, f"{server.name} applied something else at {index}"
        applied = [at for at, _ in server.committed]
        assert applied == sorted(set(applied)), f"{server.name} applied out of order"
        before = [at for at in self.committed if at <= index]
        assert len([at for at in applied if at <= index]) == len(before), (
            f"{server.name} skipped something before {index}"
        )

    def at_the_end(self) -> None:
        """Everything that was acknowledged is in every living voter's state."""
        agreed = sorted(self.committed.items())
        leader = self.network.leader()
        assert leader is not None
        voters = {one.member for one in leader.election.members}
        for server in self.network.alive():
            if server.member in voters:
                assert server.committed == agreed, f"{server.name} differs"
        for change, index in self.acknowledged.items():
            if not change.startswith("member"):
                assert index in self.committed, f"{change} was acknowledged and is lost"
