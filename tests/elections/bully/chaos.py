"""Crashes, partitions, pauses and lost messages, at random, with parameters drawn per seed.

After the faults stop, everybody has to come together under the highest, on one state, and what was
acknowledged is there: all of it with a quorum, or else named as lost by somebody.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, ClassVar

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS, US
from interrex.elections.bully import BullySettings
from interrex.elections.bully.epochs import next_epoch, seat_of
from interrex.elections.bully.messages import Coordinator, Halted, Message, decode
from interrex.elections.bully.order import Order
from interrex.elections.interface import (
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    EpochObeyed,
    LeaderChanged,
    PeerConnected,
    PeerLost,
    ProposalSettled,
    ReplaceMember,
    SendPayload,
    StepDown,
)
from tests.elections.bully.network import BullyNetwork, BullyServer
from tests.elections.checkers import Checkers

FIRST_SEAT_OF_NOBODY = 500


class Chaos:
    """One seed's world and its misfortunes.

    Args:
        seed: of everything that is drawn.
        quorum: the option under test.
        partitions: whether the network falls apart, and messages get lost.
        disks: whether disks are lost, too, one at a time. Without a quorum changes go with them.
    """

    def __init__(
        self, seed: int, *, quorum: bool, partitions: bool, disks: bool | None = None
    ) -> None:
        self.random = random = Random(seed)
        self.partitions = partitions
        self.disks = quorum if disks is None else disks
        self.settings = BullySettings(
            quorum=quorum,
            preempt=random.random() < 0.7,
            priority={WorkerName("w1"): 7} if random.random() < 0.3 else {},
            snapshot_after=random.choice([3, 8, 1000]),
            trailing_entries=random.choice([0, 2, 20]),
            snapshot_chunk_bytes=random.choice([40, 400]),
            batch_bytes=random.choice([20, 200, 100_000]),
            longest_hold_off=800 * MS,
            catch_up_timeout=2000 * MS,
        )
        size = random.choice([1, 2, 3, 3, 3, 3, 4, 5, 5])
        self.network = BullyNetwork(size, settings=self.settings, seed=seed)
        self.checkers = Checkers(self.network) if quorum else None
        self.loss = random.choice([0, 0, 0.02, 0.1, 0.3]) if partitions else 0
        self.twice = random.choice([0, 0, 0.05])
        self.slowest = random.choice([200 * US, 2 * MS, 20 * MS])
        self.disk_slowest = random.choice([100 * US, 3 * MS, 30 * MS])
        self.longest_pause = random.choice([5 * MS, 60 * MS, 300 * MS])
        self.weights = [random.choice([0.1, 1, 1, 1, 4]) * weight for _, weight in self.FAULTS]
        self.arrivals: dict[tuple[WorkerName, WorkerName], int] = {}
        self.changes = 0
        self.reads = 0
        self.next_member = 100
        self.replaced: tuple[ChangeId, WorkerName, int] | None = None
        self.coordinators: dict[int, tuple[WorkerName, int, int]] = {}
        self.epochs: dict[WorkerName, int] = {}
        self.acknowledged: set[ChangeId] = set()
        self.calm = False
        self.network.latency = self._latency
        self.network.disk_time = lambda _server: random.randrange(20 * US, self.disk_slowest)
        self.network.duplicate = lambda: not self.calm and random.random() < self.twice
        self.network.watchers.append(self._watch)
        self.network.senders.append(self._sent)

    def _latency(self, sender: BullyServer, target: BullyServer, message: Message) -> int | None:
        del message
        random, now = self.random, self.network.now
        if not self.calm and random.random() < self.loss:
            return None
        delay = random.randrange(20 * US, 200 * US if self.calm else self.slowest)
        link = (sender.name, target.name)
        self.arrivals[link] = max(now + delay, self.arrivals.get(link, 0))
        return self.arrivals[link] - now

    # What is watched

    def _watch(
        self, server: BullyServer, event: ElectionEvent, effects: Sequence[ElectionEffect]
    ) -> None:
        del event
        for effect in effects:
            if isinstance(effect, LeaderChanged) and effect.leader == server.name:
                self._leads(server, effect.epoch)
            elif isinstance(effect, ProposalSettled) and effect.index is not None:
                self.acknowledged.add(effect.change)

    def _leads(self, server: BullyServer, epoch: int) -> None:
        who = (server.name, server.member, server.life)
        assert self.coordinators.setdefault(epoch, who) == who, f"{epoch} has two coordinators"
        seats = server.bully._server.node.members.members
        assert seats[server.member].number == seat_of(epoch)
        assert epoch >= self.epochs.get(server.name, 0), f"{server.name} leads an old epoch"
        self.epochs[server.name] = epoch

    def _sent(self, server: BullyServer, effect: SendPayload) -> None:
        message = decode(effect.payload)
        if isinstance(message, Halted | Coordinator):
            stored = server.disk.facts.get("promise")
            assert stored is not None, "an epoch is promised or led before it is on disk"
            on_disk = server.bully._server.node.disk
            assert on_disk.is_clean or _promised(stored) >= message.epoch

    # The run

    def run(self, steps: int) -> None:
        """Faults for so many steps, then calm, then the checks."""
        network = self.network
        network.start()
        for _ in range(steps):
            network.run(self.random.randrange(1 * MS, self.longest_pause))
            faults = [fault for fault, _ in self.FAULTS]
            self.random.choices(faults, self.weights)[0](self)
        self.settle()

    def settle(self) -> None:
        """No more faults: everybody has to come together."""
        network = self.network
        self.calm = True
        network.unite()
        for server in network.servers.values():
            if server.core is None:
                network.boot(server)
            elif server.stopped:
                network.resume(server)
        network.connect_all()
        network.run(3000 * MS)
        self._finish_replacement()
        network.run_until(self._is_together, 30_000 * MS)
        leader = network.leader()
        assert leader is not None
        network.propose(leader, "last")
        network.run_until(lambda: network.settled_at(leader, "last") is not None)
        network.run(500 * MS)
        self._check_state(leader)

    def _is_together(self) -> bool:
        network, leader = self.network, self.network.leader()
        order = Order(self.settings.priority)
        highest = max((server.name for server in network.alive()), key=order.rank)
        if leader is None or not network.agree():
            return False
        appointed = leader.bully._server.role.appointed  # type: ignore[union-attr]
        return leader.name == highest or appointed or not self.settings.preempt

    def _check_state(self, leader: BullyServer) -> None:
        for server in self.network.alive():
            assert server.committed == leader.committed, f"{server.name} differs"
        kept = {data.decode().partition(":")[0] for data in leader.data}
        reported = {change for server in self.network.servers.values() for change in server.lost}
        for change in sorted(self.acknowledged):
            if not change.startswith("member"):
                lost = change not in kept
                named = change in reported and not self.settings.quorum
                with_its_disk = self.disks and not self.settings.quorum
                assert not lost or named or with_its_disk, (
                    f"{change} was acknowledged and is lost without a word"
                )
        if self.checkers is not None:
            self.checkers.at_the_end()

    def _finish_replacement(self) -> None:
        for _ in range(40):
            if self.replaced is None:
                return
            self.propose_replacement()
            self.network.run(500 * MS)
        raise AssertionError(f"{self.replaced} never became a member")

    # Faults

    def _some(self) -> BullyServer | None:
        alive = self.network.alive()
        return self.random.choice(alive) if alive else None

    def propose(self) -> None:
        for _ in range(self.random.randrange(1, 8)):
            leaders = [server for server in self.network.alive() if server.bully.leading]
            server = self.random.choice(leaders) if leaders else self._some()
            if server is not None:
                self.changes += 1
                data = f"c{self.changes}:".encode() + bytes(self.random.randrange(30))
                self.network.propose(server, f"c{self.changes}", data)

    def read(self) -> None:
        for server in self.network.alive():
            self.reads += 1
            self.network.step(server, ConfirmRead(self.reads))

    def crash(self) -> None:
        server = self._some()
        if server is not None:
            proved = self.random.random() < 0.7
            self.network.kill(server, notice=self.random.randrange(5 * MS), proved=proved)

    def crash_all(self) -> None:
        if self.random.random() < 0.3:
            for server in self.network.alive():
                self.network.kill(server)

    def restart(self) -> None:
        for server in list(self.network.servers.values()):
            if server.core is None and self.random.random() < 0.7:
                self.network.boot(server)

    def stop(self) -> None:
        server = self._some()
        if server is not None and not server.stopped:
            self.network.stop(server)
            pause = self.random.randrange(500 * MS)
            self.network.after(pause, lambda: self._resume(server))

    def _resume(self, server: BullyServer) -> None:
        if server.stopped:
            self.network.resume(server)

    def split(self) -> None:
        if not self.partitions:
            return
        numbers = [int(name[1:]) for name in sorted(self.network.servers)]
        half = [number for number in numbers if self.random.random() < 0.5]
        rest = [number for number in numbers if number not in half]
        if self.random.random() < 0.7:
            self.network.divide(half, rest)
        else:
            self.network.partition(half, rest)

    def mend(self) -> None:
        self.network.unite()

    def disconnect(self) -> None:
        one, other = self._some(), self._some()
        if self.partitions and one is not None and other is not None and one is not other:
            proved = self.random.random() < 0.1
            self.network.step(one, PeerLost(other.name, proved))
            self.network.step(one, PeerConnected(other.name, other.member))

    def transfer(self) -> None:
        leader, other = self.network.leader(), self._some()
        if leader is not None and other is not None:
            successor = other.name if self.random.random() < 0.5 else None
            self.network.step(leader, StepDown(successor))

    def lose_disk(self) -> None:
        """A disk is lost for good: its worker comes back as another member."""
        leader, server = self.network.leader(), self._some()
        if not self.disks or self.replaced is not None:
            return
        if leader is None or server is None or server is leader:
            return
        members = leader.bully._server.node.members.members
        node = leader.bully._server.node
        if (
            len(members) < 3
            or server.member not in members
            or node.copy.configured_at > node.commit
        ):
            return
        self.network.kill(server, notice=1 * MS)
        self.next_member += 1
        joined = self.network.join(int(server.name[1:]), self.next_member)
        self.replaced = (ChangeId(f"member {self.next_member}"), joined.name, joined.member)
        self.propose_replacement()

    def propose_replacement(self) -> None:
        if self.replaced is None:
            return
        change, worker, member = self.replaced
        if any(
            index is not None
            for server in self.network.servers.values()
            for index, _ in server.settled.get(change, [])
        ):
            self.replaced = None
            return
        leader = self.network.leader()
        if leader is not None:
            self.network.step(leader, ReplaceMember(change, worker, member))

    FAULTS: ClassVar[list[tuple[Callable[[Any], None], int]]] = [
        (propose, 8),
        (read, 2),
        (crash, 2),
        (crash_all, 1),
        (restart, 4),
        (stop, 1),
        (split, 2),
        (mend, 3),
        (disconnect, 1),
        (transfer, 1),
        (lose_disk, 1),
        (propose_replacement, 2),
    ]


class ObeyingChaos(Chaos):
    """Workers obey, besides, what their elections have not heard of: commands of coordinators that
    are gone for good, and of one that leads elsewhere."""

    gone = 0

    def obey_one_gone(self) -> None:
        server = self._some()
        if server is not None and not server.stopped:
            known = [other.bully.epoch for other in self.network.alive()]
            self.gone += 1
            epoch = next_epoch(self.random.choice(known), FIRST_SEAT_OF_NOBODY + self.gone)
            self.network.step(server, EpochObeyed(epoch))

    def obey_one_elsewhere(self) -> None:
        server, other = self._some(), self._some()
        if server is None or other is None or server.stopped:
            return
        if other.bully.leading:
            self.network.step(server, EpochObeyed(other.bully.epoch))

    FAULTS: ClassVar[list[tuple[Callable[[Any], None], int]]] = [
        *Chaos.FAULTS,
        (obey_one_gone, 2),
        (obey_one_elsewhere, 3),
    ]


def _promised(fact: bytes) -> int:
    import msgspec

    from interrex.elections.bully.node import StoredPromise

    return msgspec.msgpack.decode(fact, type=StoredPromise).epoch
