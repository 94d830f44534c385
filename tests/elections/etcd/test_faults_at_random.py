"""Random faults, each seed with parameters of its own; the world checks all the time.

``ETCD_SEEDS=2000 pytest tests/elections/etcd/test_faults_at_random.py`` runs more seeds.
"""

import os
from random import Random

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.etcd import questions as q
from interrex.elections.interface import StepDown
from tests.elections.etcd.world import Fate, Server, World

SEEDS = int(os.environ.get("ETCD_SEEDS", "60"))
FAULTS = 40
CALM = 40 * S


class Chaos:
    """One seed's world and its troubles."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.loss = self.random.choice([0.0, 0.02, 0.1, 0.3])
        self.slowness = self.random.choice([2, 20, 300]) * MS
        self.calm = False
        self.away: set[WorkerName] = set()
        self.proposed = 0
        self.world = World(
            workers=self.random.choice([1, 2, 3, 5]),
            seed=seed,
            fate=self.fate,
            snapshot_after=self.random.choice([5, 50, 1000]),
            part_bytes=self.random.choice([16, 4096]),
            batch_entries=self.random.choice([1, 64]),
        )

    def fate(self, worker: WorkerName, question: q.Question) -> Fate:
        if self.calm:
            return Fate()
        if worker in self.away:
            return Fate(there=None)
        there, back = (self.random.randrange(1, self.slowness) for _ in range(2))
        if self.random.random() < self.loss:
            return Fate(there=None) if self.random.random() < 0.5 else Fate(there=there, back=None)
        return Fate(there=there, back=back)

    def one(self) -> None:
        """Let something happen."""
        server = self.random.choice(list(self.world.servers.values()))
        trouble = self.random.choice(
            [self.kill, self.freeze, self.cut, self.deafen, self.forget, self.write, self.yield_]
        )
        trouble(server)
        self.world.run(self.random.choice([0, 10 * MS, S, 5 * S, 12 * S]))

    def kill(self, server: Server) -> None:
        if server.core is not None:
            self.world.kill(server.name, proved=self.random.random() < 0.7)
        else:
            self.world.restart(server.name)

    def freeze(self, server: Server) -> None:
        if server.runs and server.core is not None:
            self.world.stop(server.name)
        elif server.core is not None:
            self.world.go_on(server.name)

    def cut(self, server: Server) -> None:
        self.away ^= {server.name}

    def deafen(self, server: Server) -> None:
        if self.random.random() < 0.5:
            server.watch = None
        else:
            self.world.lose_watch(server)

    def forget(self, server: Server) -> None:
        self.world.store.compact()

    def write(self, server: Server) -> None:
        leader = self.world.leader
        for _ in range(self.random.randrange(1, 20)):
            if leader is not None:
                self.proposed += 1
                self.world.propose(leader.name, f"c{self.proposed}")

    def yield_(self, server: Server) -> None:
        if self.world.leader is not None:
            chosen = server.name if self.random.random() < 0.5 else None
            self.world.step(self.world.leader, StepDown(chosen))

    def recover(self) -> None:
        """No more faults: everybody is here, somebody leads, and all have the same."""
        self.calm = True
        self.away.clear()
        for server in self.world.servers.values():
            if server.core is None:
                self.world.restart(server.name)
            elif not server.runs:
                self.world.go_on(server.name)
        self.world.run(CALM)
        assert self.world.leader is not None, "with all in order somebody leads"
        self.world.propose(self.world.leader.name, "last")
        self.world.run(10 * S)
        logs = [server.log for server in self.world.servers.values()]
        assert all(log == logs[0] for log in logs)
        assert logs[0][-1] == b"last"
        assert max(self.world.history) == len(logs[0])
        self.world.check_logs()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_that_was_acknowledged_is_lost(seed: int) -> None:
    chaos = Chaos(seed)
    for _ in range(FAULTS):
        chaos.one()
        chaos.world.check_logs()
    chaos.recover()
