"""Several workers and one ZooKeeper in memory: a clock, and every answer's fate in a test's hand.

What is checked all the time: an epoch has one leader, and every leader a later epoch than those
before; who believes in itself has a session that has not run out; changes are the same everywhere,
and those that were acknowledged are among them.
"""

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from typing import NamedTuple

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS, S
from interrex.elections.interface import (
    Ask,
    Committed,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    Noticed,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    Restored,
    SendPayload,
    SnapshotTaken,
    TakeSnapshot,
    Told,
    WakeUp,
)
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.settings import ZooKeeperSettings
from interrex.elections.zookeeper.zookeeper import ZooKeeper
from interrex.simulator.coordinator.zookeeper_store import ZooKeeperStore

HALF_TRIP = MS
SEPARATOR = b","
PING = S
CLIENT_PATIENCE = 1500 * MS


class Fate(NamedTuple):
    """What becomes of a question: on its way, and on the way back (ns). None: lost."""

    there: int | None = HALF_TRIP
    back: int | None = HALF_TRIP


class Server:
    """One worker: its core while it lives, its client's session, and what it said."""

    def __init__(self, name: WorkerName) -> None:
        self.name = name
        self.core: ZooKeeper | None = None
        self.life = 0
        self.runs = True
        self.cut = False
        self.session = 0
        self.connected = False
        self.watched: set[str] = set()
        self.inbox: list[tuple[int, ElectionEvent]] = []
        self.log: list[bytes] = []
        self.index = 0
        self.settled: dict[str, int | None] = {}
        self.reads: dict[int, bool] = {}
        self.changes: list[LeaderChanged] = []
        self.restored = 0

    @property
    def election(self) -> ZooKeeper:
        assert self.core is not None, f"{self.name} is dead"
        return self.core


class World:
    """Everything, from time 0 on (ns)."""

    def __init__(
        self,
        workers: int = 3,
        seed: int = 1,
        fate: Callable[[WorkerName, q.Question], Fate] | None = None,
        priority: dict[str, int] | None = None,
        **settings: int,
    ) -> None:
        self.random = Random(seed)
        self.store = ZooKeeperStore()
        self._seen = 0
        """How many transactions watches have fired for."""
        self.fate = fate or (lambda worker, question: Fate())
        self.now = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = count()
        self._sessions = count(1)
        self.epochs: dict[int, WorkerName] = {}
        self.acknowledged: dict[str, int] = {}
        self.history: dict[int, bytes] = {}
        self.asked: list[tuple[int, WorkerName, q.Question]] = []
        self._settings = settings
        self._priority = priority or {}
        names = [WorkerName(f"w{number}") for number in range(1, workers + 1)]
        self.servers = {name: Server(name) for name in names}
        for name in names:
            self.restart(name)
        self.at(PING, self._ping)

    def __getitem__(self, name: str) -> Server:
        return self.servers[WorkerName(name)]

    def at(self, time: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(time, self.now), next(self._count), act))

    # Running

    def run(self, duration: int) -> None:
        end = self.now + duration
        while self._next() <= end:
            self._one()
        self.now = end

    def run_until(self, condition: Callable[[], bool], within: int = 60 * S) -> None:
        begin = self.now
        while not condition():
            assert self._next() <= begin + within, f"not within {within / S} s"
            self._one()

    def _next(self) -> int:
        wakes = [
            server.core.wake_at
            for server in self.servers.values()
            if server.core is not None and server.runs and server.core.wake_at is not None
        ]
        times = [time for time, _, _ in self._queue[:1]] + wakes + self.store.ends
        return max(self.now, min(times))

    def _one(self) -> None:
        self.now = self._next()
        self.store.expire(self.now)
        if self._queue and self._queue[0][0] <= self.now:
            heapq.heappop(self._queue)[2]()
        for server in self.servers.values():
            core = server.core
            if core is None or not server.runs or core.wake_at is None:
                continue
            if core.wake_at <= self.now:
                self.step(server, WakeUp())
        self._fire()
        for server in self.servers.values():
            if self._believes(server):
                assert server.session in self.store.sessions, f"{server.name} outlives its session"

    def step(self, server: Server, event: ElectionEvent) -> None:
        if server.core is None:
            return
        if not server.runs:
            server.inbox.append((server.life, event))
            return
        for effect in server.core.step(event, self.now):
            self._perform(server, effect)

    def _perform(self, server: Server, effect: ElectionEffect) -> None:
        match effect:
            case Ask(request, question):
                self._ask(server, request, question)  # type: ignore[arg-type]
            case SendPayload(to, payload):
                other, life = self.servers[to], self.servers[to].life
                event = PayloadReceived(server.name, payload)
                self.at(self.now + MS // 10, lambda: self._deliver(other, life, event))
            case Committed(index, data):
                assert index == server.index + 1, "entries come in order, without gaps"
                server.index = index
                server.log.append(data)
                assert self.history.setdefault(index, data) == data
            case Restored(index, data):
                assert index > server.index
                server.index, server.log = index, data.split(SEPARATOR)
                server.restored += 1
            case TakeSnapshot(index):
                assert index == server.index
                self.step(server, SnapshotTaken(index, SEPARATOR.join(server.log)))
            case ProposalSettled(change, index):
                server.settled[change] = index
                if index is not None:
                    self.acknowledged[change] = index
            case ReadConfirmed(read, confirmed):
                server.reads[read] = confirmed
            case LeaderChanged(leader, epoch):
                server.changes.append(effect)
                if leader == server.name:
                    assert self.epochs.get(epoch, server.name) == server.name
                    assert epoch == max([epoch, *self.epochs])
                    self.epochs[epoch] = server.name
            case _:
                raise AssertionError(f"{effect} was not expected")

    # ZooKeeper

    def _ask(self, server: Server, request: int, question: q.Question) -> None:
        self.asked.append((self.now, server.name, question))
        life, session = server.life, server.session
        if isinstance(question, q.Reset):
            self.at(self.now, lambda: self._reset(server, life, request))
            return
        fate = self.fate(server.name, question)
        lost = q.Failed(may_be_done=True, text="connection lost")

        def arrive() -> None:
            answer = self.store.answer(session, question, self.now)
            if isinstance(question, q.Read) and question.watch and server.session == session:
                server.watched.add(question.path)
            if fate.back is None or server.cut:
                self._reply(server, life, request, lost, S)
            else:
                self._reply(server, life, request, answer, fate.back)

        if fate.there is None or server.cut or not server.connected:
            self._reply(server, life, request, lost, S // 2)
        else:
            self.at(self.now + fate.there, arrive)

    def _reply(self, server: Server, life: int, request: int, answer: q.Answer, delay: int) -> None:
        told = Told(request, answer)
        self.at(self.now + delay, lambda: self._deliver(server, life, told))

    def _deliver(self, server: Server, life: int, event: ElectionEvent) -> None:
        if server.life == life:
            self.step(server, event)

    def _fire(self) -> None:
        news, self._seen = self.store.history[self._seen :], len(self.store.history)
        changed = {path for txn in news for path, _ in txn.nodes}
        for server in self.servers.values():
            for path in sorted(server.watched & changed):
                server.watched.discard(path)
                if server.connected and not server.cut:
                    self._news(server, q.Fired(path))

    def _news(self, server: Server, news: q.News) -> None:
        life, event = server.life, Noticed(news)
        self.at(self.now + 2 * MS, lambda: self._deliver(server, life, event))

    def _ping(self) -> None:
        """What each client does by itself: keep its session, notice that it is cut off or back."""
        for server in self.servers.values():
            if server.core is None or not server.runs:
                continue
            if server.cut and server.connected:
                server.connected = False
                self._news(server, q.Suspended())
            elif not server.cut and server.session not in self.store.sessions:
                self._news(server, q.Lost())
                self._connect(server)
            elif not server.cut and not server.connected:
                self._connect(server)
            elif not server.cut:
                self.store.touch(server.session, self.now)
        self.at(self.now + PING, self._ping)

    def _connect(self, server: Server) -> None:
        if server.session not in self.store.sessions:
            server.session = next(self._sessions)
            self.store.new_session(server.session, self.now)
        server.connected = True
        server.watched.clear()
        self._news(server, q.Connected(server.session, self.store.granted_ms))

    def _reset(self, server: Server, life: int, request: int) -> None:
        if server.life != life:
            return
        if not server.cut:
            self.store.end(server.session)
        server.session, server.connected = 0, False
        self._news(server, q.Lost())
        self._reply(server, life, request, q.Done(), 3 * MS)
        if not server.cut:
            self.at(self.now + 5 * MS, lambda: self._connect(server))

    # Workers

    def kill(self, name: str, proved: bool = True) -> None:
        server = self[name]
        server.core = None
        server.life += 1
        server.watched.clear()
        server.inbox.clear()
        for other in self.servers.values():
            self.step(other, PeerLost(server.name, proved_dead=proved))

    def restart(self, name: str) -> None:
        server = self[name]
        settings = ZooKeeperSettings(priority=self._priority.get(name, 0), **self._settings)
        random = Random(self.random.getrandbits(32))
        server.core = ZooKeeper(server.name, int(name[1:]), settings, random)
        server.runs, server.log, server.index = True, [], 0
        server.session, server.connected = 0, False
        for other in self.servers.values():
            if other is not server and other.core is not None:
                self.step(server, PeerConnected(other.name, 1))
                self.step(other, PeerConnected(server.name, 1))
        if not server.cut:
            self._connect(server)

    def stop(self, name: str) -> None:
        self[name].runs = False

    def go_on(self, name: str) -> None:
        server = self[name]
        server.runs = True
        inbox, server.inbox = server.inbox, []
        for life, event in inbox:
            self._deliver(server, life, event)

    def propose(self, name: str, change: str) -> None:
        self.step(self[name], Propose(ChangeId(change), change.encode()))

    @property
    def leader(self) -> Server | None:
        believers = [server for server in self.servers.values() if self._believes(server)]
        assert len(believers) <= 1, f"two leaders: {[server.name for server in believers]}"
        return believers[0] if believers else None

    def _believes(self, server: Server) -> bool:
        core = server.core
        if core is None or not server.runs:
            return False
        return core.leading and self.now < (core.deadline or 0)

    def elect(self) -> Server:
        self.run_until(lambda: self.leader is not None)
        assert self.leader is not None
        return self.leader

    def check_logs(self) -> None:
        for server in self.servers.values():
            for index, data in enumerate(server.log, start=1):
                assert self.history.setdefault(index, data) == data
        for change, index in self.acknowledged.items():
            assert self.history[index] == change.encode()
