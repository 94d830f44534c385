"""Clusters of every election there is, as tests of what all of them owe see them.

Where workers vote, faults are those of disks and of links between them: what is owed then is in
``test_leading``, ``test_log`` and ``test_members``. On a service they are the service's: what is
owed then is in ``tests/elections/coordinated``.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import S
from interrex.elections.bully import BullySettings
from interrex.elections.interface import Election, ElectionEvent, Propose
from tests.elections.bully.network import BullyNetwork
from tests.elections.checkers import Checkers
from tests.elections.coordinated import world
from tests.elections.etcd.world import World as EtcdWorld
from tests.elections.network import Network
from tests.elections.zookeeper.world import World as ZooKeeperWorld


class Server(Protocol):
    """One worker, and what its election said."""

    name: WorkerName
    reads: dict[int, bool]

    @property
    def election(self) -> Election: ...

    @property
    def data(self) -> list[bytes]:
        """The changes, in their order."""

    def outcome(self, change: str) -> int | None: ...


class Cluster(Protocol):
    """What a test does with one. Its own checkers watch it all the while."""

    random: Random

    @property
    def now(self) -> int:
        """Nanoseconds since its beginning."""

    def start(self) -> None:
        """Begin all workers that do not run."""

    def elect(self) -> Any:
        """Run until all that run agree on who leads, who is returned."""

    def agree(self) -> bool: ...

    def leader(self) -> Any:
        """Who believes that it leads, None where nobody does."""

    def alive(self) -> list[Any]: ...

    def followers(self, leader: Any) -> list[Any]: ...

    def kill(self, server: Any, *, notice: int | None = None, proved: bool = True) -> None: ...

    def boot(self, server: Any) -> None: ...

    def stop(self, server: Any) -> None: ...

    def resume(self, server: Any) -> None: ...

    def step(self, server: Any, event: ElectionEvent) -> object: ...

    def propose(self, server: Any, change: str) -> None: ...

    def run(self, duration: int) -> None: ...

    def run_until(self, condition: Callable[[], object], limit: int = ...) -> object: ...


class OnService:
    """Workers whose election rests on a service in memory; implements ``Cluster``."""

    def __init__(self, made: world.World[Any, Any, Any]) -> None:
        self._world = made
        self.random = made.random

    @property
    def now(self) -> int:
        return self._world.now

    def start(self) -> None:
        for server in self._world.servers.values():
            if server.core is None:
                self.boot(server)

    def elect(self) -> Any:
        self.run_until(self.agree)
        return self.leader()

    def agree(self) -> bool:
        leader = self.leader()
        return leader is not None and all(
            (one.election.leader, one.election.epoch) == (leader.name, leader.election.epoch)
            for one in self.alive()
            if one.runs
        )

    def leader(self) -> Any:
        return self._world.leader

    def alive(self) -> list[Any]:
        return [one for one in self._world.servers.values() if one.core is not None]

    def followers(self, leader: Any) -> list[Any]:
        return [one for one in self.alive() if one is not leader]

    def kill(self, server: Any, *, notice: int | None = None, proved: bool = True) -> None:
        """The others hear of it at once."""
        self._world.kill(server.name, proved)

    def boot(self, server: Any) -> None:
        self._world.restart(server.name)

    def stop(self, server: Any) -> None:
        self._world.stop(server.name)

    def resume(self, server: Any) -> None:
        self._world.go_on(server.name)

    def step(self, server: Any, event: ElectionEvent) -> None:
        self._world.step(server, event)

    def propose(self, server: Any, change: str) -> None:
        self.step(server, Propose(ChangeId(change), change.encode()))

    def run(self, duration: int) -> None:
        self._world.run(duration)

    def run_until(self, condition: Callable[[], object], limit: int = 60 * S) -> object:
        return self._world.run_until(lambda: bool(condition()), limit)


def new_bully(size: int = 3, seed: int = 1, *, quorum: bool = False) -> Network[Any]:
    settings = BullySettings(quorum=quorum, preempt=False)
    network = BullyNetwork(size, settings=settings, seed=seed)
    Checkers(network)
    return network


def new_bully_with_quorum(size: int = 3, seed: int = 1) -> Network[Any]:
    return new_bully(size, seed, quorum=True)


def new_etcd(size: int = 3, seed: int = 1) -> OnService:
    return OnService(EtcdWorld(size, seed))


def new_zookeeper(size: int = 3, seed: int = 1) -> OnService:
    return OnService(ZooKeeperWorld(size, seed))
