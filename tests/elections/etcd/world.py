"""Several workers and one etcd in memory: a clock, and every answer's fate in a test's hand.

What is checked all the time: an epoch has one leader, and every leader a later epoch than those
before; who believes in itself holds a lease that etcd has not let run out; changes are the same
everywhere, and those that were acknowledged are among them.
"""

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from typing import NamedTuple

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS, S
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.etcd import Etcd
from interrex.elections.etcd.keys import LEADER
from interrex.elections.etcd.settings import EtcdSettings
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
from interrex.simulator.coordinator.etcd_store import EtcdStore

ROUND_TRIP = 2 * MS
SEPARATOR = b","


class Fate(NamedTuple):
    """What becomes of a question: on its way, at etcd, and on the way back. None: lost."""

    there: int | None = ROUND_TRIP // 2
    back: int | None = ROUND_TRIP // 2
    late: int | None = None
    """It is given up as lost, and arrives all the same after this time."""


class Server:
    """One worker: its core while it lives, and what that said."""

    def __init__(self, name: WorkerName, core: Etcd) -> None:
        self.name = name
        self.core: Etcd | None = core
        self.life = 0
        self.runs = True
        self.inbox: list[tuple[int, ElectionEvent]] = []
        self.log: list[bytes] = []
        self.index = 0
        self.settled: dict[str, int | None] = {}
        self.reads: dict[int, bool] = {}
        self.changes: list[LeaderChanged] = []
        self.watch: tuple[int, int] | None = None
        self.restored = 0

    @property
    def election(self) -> Etcd:
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
        self.store = EtcdStore()
        self.fate = fate or (lambda worker, question: Fate())
        self.now = 0
        self.news_delay = 2 * MS
        """From a change to those who watch."""
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = count()
        self.epochs: dict[int, WorkerName] = {}
        self.acknowledged: dict[str, int] = {}
        self.history: dict[int, bytes] = {}
        self.asked: list[tuple[int, WorkerName, q.Question]] = []
        self._settings = settings
        self._priority = priority or {}
        self.servers: dict[WorkerName, Server] = {}
        for number in range(1, workers + 1):
            name = WorkerName(f"w{number}")
            self.servers[name] = Server(name, self._new_core(name))
        for server in self.servers.values():
            self._greet(server)

    def _new_core(self, name: WorkerName) -> Etcd:
        settings = EtcdSettings(priority=self._priority.get(name, 0), **self._settings)
        return Etcd(name, int(name[1:]), settings, Random(self.random.getrandbits(32)))

    def __getitem__(self, name: str) -> Server:
        return self.servers[WorkerName(name)]

    def at(self, time: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(time, self.now), next(self._count), act))

    # Running

    def run(self, duration: int) -> None:
        """Let this much time pass."""
        end = self.now + duration
        while self._next() <= end:
            self._one()
        self.now = end
        self.store.expire(end)

    def run_until(self, condition: Callable[[], bool], within: int = 60 * S) -> int:
        """Run to when the condition holds; returns how long that took."""
        begin = self.now
        while not condition():
            assert self._next() <= begin + within, f"not within {within / S} s"
            self._one()
        return self.now - begin

    def _next(self) -> int:
        ends = self.store.ends
        wakes = [
            server.core.wake_at
            for server in self.servers.values()
            if server.core is not None and server.runs and server.core.wake_at is not None
        ]
        times = [time for time, _, _ in self._queue[:1]] + ends + wakes
        return max(self.now, min(times, default=1 << 62))

    def _one(self) -> None:
        self.now = self._next()
        self.store.expire(self.now)
        self._tell_watchers()
        if self._queue and self._queue[0][0] <= self.now:
            heapq.heappop(self._queue)[2]()
        for server in self.servers.values():
            core = server.core
            if core is None or not server.runs:
                continue
            if core.wake_at is not None and core.wake_at <= self.now:
                self.step(server, WakeUp())
        self._tell_watchers()
        self._check_beliefs()

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
                if other.core is not None:
                    event = PayloadReceived(server.name, payload)
                    self.at(self.now + MS // 10, lambda: self._deliver(other, life, event))
            case Committed(index, data):
                assert index == server.index + 1, "entries come in order, without gaps"
                server.index = index
                server.log.append(data)
                assert self.history.setdefault(index, data) == data
            case Restored(index, data):
                assert index > server.index
                server.index = index
                server.log = data.split(SEPARATOR) if data else []
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
                    self._begins(server.name, epoch)
            case _:
                raise AssertionError(f"{effect} was not expected")

    # etcd

    def _ask(self, server: Server, request: int, question: q.Question) -> None:
        self.asked.append((self.now, server.name, question))
        fate, life = self.fate(server.name, question), server.life
        lost = q.Failed(q.Certainty.UNKNOWN, "no answer in time")

        def arrive() -> None:
            answer = self.store.answer(question, self.now)
            if isinstance(question, q.Watch) and server.life == life:
                server.watch = (request, question.revision)
            if fate.back is not None:
                self._reply(server, life, request, answer, fate.back)
            else:
                self._reply(server, life, request, lost, S)

        if fate.late is not None:
            self.at(self.now + fate.late, lambda: self._arrive_late(question))
        if fate.there is None or fate.late is not None:
            self._reply(server, life, request, lost, S)
        else:
            self.at(self.now + fate.there, arrive)

    def _arrive_late(self, question: q.Question) -> None:
        self.store.answer(question, self.now)

    def _reply(self, server: Server, life: int, request: int, answer: q.Answer, delay: int) -> None:
        told = Told(request, answer)
        self.at(self.now + delay, lambda: self._deliver(server, life, told))

    def _deliver(self, server: Server, life: int, event: ElectionEvent) -> None:
        if server.life == life:
            self.step(server, event)

    def _tell_watchers(self) -> None:
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
                self._news(server, q.Changed(request, events))

    def lose_watch(self, server: Server, compacted: bool = False) -> None:
        """End a server's watch, and say so."""
        if server.watch is not None:
            request, server.watch = server.watch[0], None
            self._news(server, q.WatchLost(request, "lost", compacted))

    def _news(self, server: Server, news: q.News) -> None:
        life, event = server.life, Noticed(news)
        self.at(self.now + self.news_delay, lambda: self._deliver(server, life, event))

    # Workers

    def _greet(self, server: Server) -> None:
        for other in self.servers.values():
            if other is not server and other.core is not None:
                self.step(server, PeerConnected(other.name, 1))
                self.step(other, PeerConnected(server.name, 1))

    def kill(self, name: str, proved: bool = True) -> None:
        """End a worker; the others have proof of it, or only a broken connection."""
        server = self[name]
        server.core = None
        server.life += 1
        server.watch = None
        server.inbox.clear()
        for other in self.servers.values():
            self.step(other, PeerLost(server.name, proved_dead=proved))

    def restart(self, name: str) -> None:
        """Begin a killed worker again, with nothing."""
        server = self[name]
        server.core = self._new_core(server.name)
        server.runs = True
        server.log, server.index = [], 0
        self._greet(server)

    def stop(self, name: str) -> None:
        """Let a worker stand still: what comes for it waits."""
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
        """Who believes in itself just now, of those that run."""
        believers = [server for server in self.servers.values() if self._believes(server)]
        assert len(believers) <= 1, f"two leaders: {[server.name for server in believers]}"
        return believers[0] if believers else None

    def _believes(self, server: Server) -> bool:
        core = server.core
        if core is None or not server.runs:
            return False
        return core.leading and self.now < (core.deadline or 0)

    def elect(self) -> Server:
        """Run until somebody leads."""
        self.run_until(lambda: self.leader is not None)
        assert self.leader is not None
        return self.leader

    # What always holds

    def _begins(self, worker: WorkerName, epoch: int) -> None:
        assert self.epochs.get(epoch, worker) == worker, f"two leaders of epoch {epoch}"
        assert epoch == max([epoch, *self.epochs]), f"epoch {epoch} comes after {self.epochs}"
        self.epochs[epoch] = worker

    def _check_beliefs(self) -> None:
        for server in self.servers.values():
            if self._believes(server):
                key = self.store.keys.get(LEADER)
                # Until the news is here a revoked or handed-over key may be gone; a lease that ran
                # out may not.
                if key is not None and key.created == server.election.epoch:
                    assert key.lease in self.store.leases

    def check_logs(self) -> None:
        """Everybody has the same changes, and every acknowledged one at its index."""
        for server in self.servers.values():
            for index, data in enumerate(server.log, start=1):
                assert self.history.setdefault(index, data) == data
        for change, index in self.acknowledged.items():
            assert self.history[index] == change.encode()
