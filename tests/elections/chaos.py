"""Everything that may go wrong, at random, with parameters drawn per seed.

A fixed latency was once seen to hide a bug for hundreds of seeds, so latencies, loss, disk times
and the mix of faults are all drawn. After the faults stop, the cluster has to come together.
"""

from collections.abc import Callable
from random import Random
from typing import Any, ClassVar, Generic

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS, US
from interrex.elections.interface import (
    ConfirmRead,
    PeerConnected,
    PeerLost,
    ReplaceMember,
    StepDown,
)

from .checkers import Checkers
from .network import AnyServer, Network


class Chaos(Generic[AnyServer]):
    """One seed's world and its misfortunes. An election's own says what is watched."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.settings: dict[str, Any] = {
            "snapshot_after": random.choice([3, 8, 1000]),
            "trailing_entries": random.choice([0, 2, 20]),
            "snapshot_chunk_bytes": random.choice([40, 400]),
            "batch_bytes": random.choice([20, 200, 100_000]),
            "inflight_batches": random.choice([1, 2, 8]),
            "catch_up_timeout": 2000 * MS,
        }
        size = random.choice([1, 2, 3, 3, 3, 3, 4, 5, 5])
        self.checkers = self.make(size, seed)
        self.network: Network[AnyServer] = self.checkers.network
        self.loss = random.choice([0, 0, 0.02, 0.1, 0.3])
        self.twice = random.choice([0, 0, 0.05])
        self.slowest = random.choice([200 * US, 2 * MS, 20 * MS])
        self.in_order = random.random() < 0.7
        self.notices = random.random() < 0.7
        self.disk_slowest = random.choice([100 * US, 3 * MS, 30 * MS])
        self.longest_pause = random.choice([5 * MS, 60 * MS, 60 * MS, 300 * MS])
        self.weights = [random.choice([0.1, 1, 1, 1, 4]) * weight for _, weight in self.FAULTS]
        self.arrivals: dict[tuple[WorkerName, WorkerName], int] = {}
        self.next_member = 100
        self.changes = 0
        self.reads = 0
        self.replaced: tuple[ChangeId, WorkerName, int] | None = None
        self.calm = False
        self.network.latency = self._latency
        self.network.disk_time = self._disk_time
        self.network.duplicate = lambda: not self.calm and random.random() < self.twice

    def make(self, size: int, seed: int) -> Checkers[AnyServer]:
        """A network of the election with the settings that were drawn, and what watches it."""
        raise NotImplementedError

    def is_changing(self, leader: AnyServer) -> bool:
        """Whether a change of membership is under way: until it is over, losing a disk may be more
        than is promised to be borne."""
        raise NotImplementedError

    def _latency(self, sender: AnyServer, target: AnyServer, message: Any) -> int | None:
        del message
        random, now = self.random, self.network.now
        if not self.calm and random.random() < self.loss:
            return None
        delay = random.randrange(20 * US, 200 * US if self.calm else self.slowest)
        if self.in_order or self.calm:
            link = (sender.name, target.name)
            arrival = max(now + delay, self.arrivals.get(link, 0))
            self.arrivals[link] = arrival
            delay = arrival - now
        return delay

    def _disk_time(self, server: AnyServer) -> int:
        del server
        if not self.calm and self.random.random() < 0.002:
            return 1000 * MS
        return self.random.randrange(20 * US, self.disk_slowest)

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
        """No more faults: the cluster has to come together."""
        network = self.network
        self.calm = True
        network.heal()
        for server in network.servers.values():
            if server.core is None:
                network.boot(server)
            elif server.stopped:
                network.resume(server)
        network.connect_all()
        network.run(2000 * MS)
        self._finish_replacement()
        network.run_until(self._is_together, 20_000 * MS)
        leader = network.leader()
        assert leader is not None
        network.propose(leader, "last")
        network.run_until(lambda: leader.settled.get(ChangeId("last")))
        network.run(500 * MS)
        assert leader.settled[ChangeId("last")][0][0] is not None
        self.checkers.at_the_end()

    def _is_together(self) -> bool:
        leader = self.network.leader()
        return leader is not None and all(
            server.election.leader == leader.name
            for server in self.network.alive()
            if server.member in voters_of(leader)
        )

    def _finish_replacement(self) -> None:
        for _ in range(20):
            if self.replaced is None:
                return
            self.propose_replacement()
            self.network.run(500 * MS)
        raise AssertionError(f"{self.replaced} never became a member")

    # Faults

    def usurp(self) -> None:
        """Cuts the leader off and closes its connections: it believes in itself for a while."""
        network, leader = self.network, self.network.leader()
        if leader is None:
            return
        for other in network.alive():
            if other is not leader:
                network.cut |= {(leader.name, other.name), (other.name, leader.name)}
        proved = self.random.random() < 0.3
        for other in network.followers(leader):
            network.step(other, PeerLost(leader.name, proved))
        for _ in range(self.random.randrange(1, 6)):
            self.propose_to(leader)
            network.run(self.random.randrange(1 * MS, 30 * MS))
            self.propose()
            self.read()
        network.heal()

    def _some(self) -> AnyServer | None:
        alive = self.network.alive()
        return self.random.choice(alive) if alive else None

    def propose(self) -> None:
        for _ in range(self.random.randrange(1, 8)):
            self.propose_to(self.network.leader() or self._some())

    def propose_to(self, server: AnyServer | None) -> None:
        if server is not None:
            self.changes += 1
            data = f"{self.changes}:".encode() + bytes(self.random.randrange(30))
            self.network.propose(server, f"change {self.changes}", data)

    def read(self) -> None:
        """Asks everybody: whoever believes in itself has to prove it."""
        for server in self.network.alive():
            self.reads += 1
            self.network.step(server, ConfirmRead(self.reads))

    def crash(self) -> None:
        server = self._some()
        if server is not None:
            notice = self.random.randrange(5 * MS) if self.notices else None
            proved = self.random.random() < 0.7
            self.network.kill(server, notice=notice, proved=proved)

    def crash_all(self) -> None:
        if self.random.random() < 0.3:
            for server in self.network.alive():
                self.network.kill(server)

    def restart(self) -> None:
        for server in list(self.network.servers.values()):
            if server.core is None and self.random.random() < 0.7:
                self.network.boot(server)
                self._greet(server)

    def _greet(self, server: AnyServer) -> None:
        for other in self.network.alive():
            if other is not server and self.notices:
                self.network.step(server, PeerConnected(other.name, other.member))
                self.network.step(other, PeerConnected(server.name, server.member))

    def stop(self) -> None:
        server = self._some()
        if server is not None and not server.stopped:
            self.network.stop(server)
            pause = self.random.randrange(500 * MS)
            self.network.after(pause, lambda: self._resume(server))

    def _resume(self, server: AnyServer) -> None:
        if server.stopped:
            self.network.resume(server)

    def split(self) -> None:
        network = self.network
        kind = self.random.randrange(3)
        names = sorted(network.servers)
        if kind == 0:
            half = {name for name in names if self.random.random() < 0.5}
            network.cut = {(a, b) for a in names for b in names if (a in half) is not (b in half)}
        elif kind == 1:
            a, b = self.random.choice(names), self.random.choice(names)
            network.cut.add((a, b))
        else:
            one = self.random.choice(names)
            into = self.random.random() < 0.5
            network.cut |= {(a, one) if into else (one, a) for a in names if a != one}

    def mend(self) -> None:
        self.network.heal()

    def disconnect(self) -> None:
        """A connection closes; sometimes it is even taken for a death, wrongly."""
        one, other = self._some(), self._some()
        if one is None or other is None or one is other:
            return
        proved = self.random.random() < 0.1
        self.network.step(one, PeerLost(other.name, proved))
        self.network.step(one, PeerConnected(other.name, other.member))

    def transfer(self) -> None:
        leader, other = self.network.leader(), self._some()
        if leader is not None and other is not None:
            successor = other.name if self.random.random() < 0.5 else None
            self.network.step(leader, StepDown(successor))

    def lose_log(self) -> None:
        """A disk is lost for good: its worker comes back under another member id."""
        leader, server = self.network.leader(), self._some()
        if self.replaced is not None or leader is None or server is None:
            return
        voters = voters_of(leader)
        if len(voters) < 3 or server.member not in voters:
            return  # two of two are needed: a lost disk would be the end
        if self.is_changing(leader):
            return
        self.network.kill(server, notice=1 * MS if self.notices else None)
        self.next_member += 1
        joined = self.network.join(int(server.name[1:]), self.next_member)
        self._greet(joined)
        change = ChangeId(f"member {self.next_member}")
        self.replaced = (change, joined.name, joined.member)
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

    def take_vote_away(self) -> None:
        """Removes a worker's vote and gives it back later."""
        leader, other = self.network.leader(), self._some()
        if self.replaced is not None or leader is None or other is None:
            return
        if len(leader.election.members) < 2:
            return
        self.changes += 1
        change = ChangeId(f"member away {self.changes}")
        self.network.step(leader, ReplaceMember(change, other.name, None))
        back = ChangeId(f"member back {self.changes}")
        self.replaced = (back, other.name, other.member)

    FAULTS: ClassVar[list[tuple[Callable[["Chaos[Any]"], None], int]]] = [
        (propose, 8),
        (read, 2),
        (crash, 2),
        (crash_all, 1),
        (restart, 4),
        (stop, 1),
        (split, 1),
        (mend, 3),
        (disconnect, 2),
        (usurp, 1),
        (transfer, 1),
        (lose_log, 1),
        (propose_replacement, 2),
        (take_vote_away, 1),
    ]


def voters_of(server: AnyServer) -> set[int]:
    """The member ids of those who vote, as a server knows them."""
    return {one.member for one in server.election.members}
