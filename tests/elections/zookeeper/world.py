"""Several workers and one ZooKeeper in memory."""

from collections.abc import Callable, Mapping
from itertools import count
from random import Random

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.core.time import MS, S
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import ACTIVE, Crumb
from interrex.elections.zookeeper.settings import ZooKeeperSettings
from interrex.elections.zookeeper.zookeeper import ZooKeeper
from interrex.simulator.coordination.zookeeper_store import ZooKeeperStore
from tests.elections.coordinated import world
from tests.elections.coordinated.world import Fate

__all__ = ["Fate", "Server", "World"]

PING = S


class Server(world.Server):
    """One worker and its client's session; ``cut``: no word of it reaches ZooKeeper, or back."""

    def __init__(self, name: WorkerName) -> None:
        super().__init__(name)
        self.cut = False
        self.session = 0
        self.connected = False
        self.watched: set[str] = set()


class World(world.World[Server, ZooKeeperStore, q.Question]):
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
        self._seen = 0
        """How many transactions watches have fired for."""
        self._sessions = count(1)
        self._led: dict[tuple[WorkerName, int], tuple[int, str]] = {}
        """The last epoch and node of each process (name and life) that has led."""
        self.proofs_are_true = True
        """Nobody is taken for dead that lives."""
        self._released: set[str] = set()
        """The nodes of those who gave up leading."""
        store = ZooKeeperStore()
        super().__init__(store, Server, workers, seed, fate, priority, settings, sessions_s)
        self.at(PING, self._ping)

    def new_core(self, name: WorkerName, random: Random) -> ZooKeeper:
        settings = ZooKeeperSettings(priority=self._priority.get(name, 0), **self._settings)
        stored = Stored(dict(self[name].facts))
        return ZooKeeper(name, int(name[1:]), settings, random, stored=stored)

    def ask(self, server: Server, request: int, question: q.Question) -> None:
        life, session = server.life, server.session
        if isinstance(question, q.Reset):
            self.at(self.now, lambda: self._reset(server, life, request))
            return
        fate = self.fate(server.name, question)
        lost = q.Failed(may_be_done=True, text="connection lost")

        def arrive() -> None:
            answer = self.store.answer(session, question, self.now)
            if server.life != life:
                return
            if isinstance(question, q.Read) and question.watch and server.session == session:
                server.watched.add(question.path)
            if fate.back is None or server.cut:
                self.reply(server, request, lost, S)
            else:
                self.reply(server, request, answer, fate.back)

        if fate.there is None or server.cut or not server.connected:
            self.reply(server, request, lost, S // 2)
        else:
            self.at(self.now + fate.there, arrive)

    def leads(self, server: Server, epoch: int) -> None:
        """Whoever led before and may still command is refused by all who can hear the new one."""
        super().leads(server, epoch)
        crumb = msgspec.json.decode(self.store.nodes[ACTIVE].data, type=Crumb)
        for (name, life), (past, node) in self._led.items():
            old = self.servers[name]
            may_command = old is not server and old.life == life and node not in self._released
            if may_command and self.proofs_are_true:
                hear = [one for one in self.servers.values() if one.core is not None and one.runs]
                assert all(one.gate > past or one is server for one in hear), (
                    f"{server.name} leads in {epoch}, {old.name} of {past} is not fenced"
                )
        self._led[server.name, server.life] = (epoch, crumb.node)

    def _notice_release(self) -> None:
        active = self.store.nodes.get(ACTIVE)
        is_crumb = active is not None and active.data[:1] == b"{"
        crumb = msgspec.json.decode(active.data, type=Crumb) if active and is_crumb else None
        if crumb is not None and crumb.released:
            self._released.add(crumb.node)

    def begin_again(self) -> None:
        """The servers have begun again, with what the store holds now: no session lives."""
        self.store.sessions.clear()
        self._seen = len(self.store.history)

    def tell_watchers(self) -> None:
        self._notice_release()
        news, self._seen = self.store.history[self._seen :], len(self.store.history)
        changed = {path for txn in news for path, _ in txn.nodes}
        for server in self.servers.values():
            for path in sorted(server.watched & changed):
                server.watched.discard(path)
                if server.connected and not server.cut:
                    self.news(server, q.Fired(path))

    # The client

    def _ping(self) -> None:
        """What each client does by itself: keep its session, notice that it is cut off or back."""
        for server in self.servers.values():
            if server.core is None or not server.runs:
                continue
            if server.cut and server.connected:
                server.connected = False
                self.news(server, q.Suspended())
            elif not server.cut and server.session not in self.store.sessions:
                self.news(server, q.Lost())
                self._connect(server)
            elif not server.cut and not server.connected:
                self._connect(server)
            elif not server.cut:
                self.store.touch(server.session, self.now)
        self.at(self.now + PING, self._ping)

    def _connect(self, server: Server) -> None:
        granted_ms = round(1000 * self.sessions_s.get(server.name, 4))
        if server.session not in self.store.sessions:
            server.session = next(self._sessions)
            self.store.new_session(server.session, self.now, granted_ms)
        server.connected = True
        server.watched.clear()
        self.news(server, q.Connected(server.session, granted_ms))

    def _reset(self, server: Server, life: int, request: int) -> None:
        if server.life != life:
            return
        if not server.cut:
            self.store.end(server.session)
        server.session, server.connected = 0, False
        self.news(server, q.Lost())
        self.reply(server, request, q.Done(), 3 * MS)
        if not server.cut:
            self.at(self.now + 5 * MS, lambda: self._reconnect(server, life))

    def _reconnect(self, server: Server, life: int) -> None:
        if server.life == life:
            self._connect(server)

    # Workers

    def begins(self, server: Server) -> None:
        server.session, server.connected = 0, False
        if not server.cut:
            self._connect(server)

    def ends(self, server: Server) -> None:
        server.watched.clear()

    def has_session(self, server: Server) -> bool:
        return server.session in self.store.sessions
