"""Several workers and one etcd in memory."""

from collections.abc import Callable, Mapping
from random import Random

from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.core.time import S
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.etcd import Etcd
from interrex.elections.etcd.keys import LEADER
from interrex.elections.etcd.settings import EtcdSettings
from interrex.simulator.coordination.etcd_store import EtcdStore
from tests.elections.coordinated import world
from tests.elections.coordinated.world import Fate

__all__ = ["Fate", "Server", "World"]


class Server(world.Server):
    """One worker; ``watch``: the number and the next revision of its watch."""

    def __init__(self, name: WorkerName) -> None:
        super().__init__(name)
        self.watch: tuple[int, int] | None = None


class World(world.World[Server, EtcdStore, q.Question]):
    """Everything, from time 0 on (ns)."""

    def __init__(
        self,
        workers: int = 3,
        seed: int = 1,
        fate: Callable[[WorkerName, q.Question], Fate] | None = None,
        priority: dict[str, int] | None = None,
        sessions_s: Mapping[str, float] | None = None,
        **settings: int,
    ) -> None:
        super().__init__(EtcdStore(), Server, workers, seed, fate, priority, settings, sessions_s)

    def new_core(self, name: WorkerName, random: Random) -> Etcd:
        ttl_s = round(self.sessions_s.get(name, 5))
        priority = self._priority.get(name, 0)
        settings = EtcdSettings(priority=priority, ttl_s=ttl_s, **self._settings)
        stored = Stored(dict(self[name].facts))
        return Etcd(name, int(name[1:]), settings, random, stored=stored)

    def ask(self, server: Server, request: int, question: q.Question) -> None:
        fate, life = self.fate(server.name, question), server.life
        lost = q.Failed(q.Certainty.UNKNOWN, "no answer in time")

        def arrive() -> None:
            answer = self.store.answer(question, self.now)
            if server.life != life:
                return
            if isinstance(question, q.Watch):
                server.watch = (request, question.revision)
            if fate.back is not None:
                self.reply(server, request, answer, fate.back)
            else:
                self.reply(server, request, lost, S)

        if fate.late is not None:
            self.at(self.now + fate.late, lambda: self._arrive_late(question))
        if fate.there is None or fate.late is not None:
            self.reply(server, request, lost, S)
        else:
            self.at(self.now + fate.there, arrive)

    def _arrive_late(self, question: q.Question) -> None:
        self.store.answer(question, self.now)

    def tell_watchers(self) -> None:
        for server in self.servers.values():
            if server.watch is None or server.core is None:
                continue
            request, revision = server.watch
            if revision <= self.store.compacted:
                self.lose_watch(server, compacted=True)
                continue
            events = self.store.since(revision)
            if events:
                server.watch = (request, self.store.revision + 1)
                self.news(server, q.Changed(request, events))

    def lose_watch(self, server: Server, compacted: bool = False) -> None:
        """End a server's watch, and say so."""
        if server.watch is not None:
            request, server.watch = server.watch[0], None
            self.news(server, q.WatchLost(request, "lost", compacted))

    def ends(self, server: Server) -> None:
        server.watch = None

    def has_session(self, server: Server) -> bool:
        """Until the news is here a revoked or handed-over key may be gone; a lease that ran out may
        not. Under no lease it is where a test has written over it."""
        key = self.store.keys.get(LEADER)
        if key is None or key.created != server.election.epoch:
            return True
        return key.lease in {0, *self.store.leases}
