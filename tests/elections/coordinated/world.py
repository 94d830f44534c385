"""Several workers and one coordination service in memory: a clock, and every answer's fate in a
test's hand.

What is checked all the time: an epoch has one leader, and every leader a later epoch than those
before; who believes in itself has a session that has not run out; changes are the same everywhere,
and those that were acknowledged are among them.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import count
from random import Random
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Record, SetFact
from interrex.core.time import MS, S
from interrex.elections.interface import (
    Ask,
    Committed,
    Election,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    Noticed,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persist,
    Persisted,
    ProposalSettled,
    Propose,
    RaiseEpoch,
    ReadConfirmed,
    Restored,
    SendPayload,
    SnapshotTaken,
    TakeSnapshot,
    Told,
    WakeUp,
)

HALF_TRIP = MS
SYNC = MS
SEPARATOR = b","


class Fate(NamedTuple):
    """What becomes of a question: on its way, at the service, and on the way back (ns). None:
    lost."""

    there: int | None = HALF_TRIP
    back: int | None = HALF_TRIP
    late: int | None = None
    """It is given up as lost, and arrives all the same after this time."""


class Store(Protocol):
    """The service as its clients see it."""

    @property
    def ends(self) -> list[int]:
        """When sessions run out (ns)."""

    def expire(self, now: int) -> object:
        """Let those run out whose time has come."""


class Server:
    """One worker: its core while it lives, and what that said."""

    def __init__(self, name: WorkerName) -> None:
        self.name = name
        self.core: Election | None = None
        self.life = 0
        self.runs = True
        self.inbox: list[tuple[int, ElectionEvent]] = []
        self.log: list[bytes] = []
        self.index = 0
        self.settled: dict[str, int | None] = {}
        self.reads: dict[int, bool] = {}
        self.changes: list[LeaderChanged] = []
        self.restored = 0
        self.facts: dict[str, bytes] = {}
        """What is on its disk."""
        self.gate = 0
        """Commands of an older epoch are refused; it is kept on disk."""

    @property
    def election(self) -> Election:
        assert self.core is not None, f"{self.name} is dead"
        return self.core

    @property
    def data(self) -> list[bytes]:
        return self.log

    def outcome(self, change: str) -> int | None:
        """At which index a change was settled; None: it is not known what became of it."""
        return self.settled[change]


AnyServer = TypeVar("AnyServer", bound=Server)
AnyStore = TypeVar("AnyStore", bound=Store)
Question = TypeVar("Question")


class World(ABC, Generic[AnyServer, AnyStore, Question]):
    """Everything, from time 0 on (ns)."""

    def __init__(
        self,
        store: AnyStore,
        server: Callable[[WorkerName], AnyServer],
        workers: int,
        seed: int,
        fate: Callable[[WorkerName, Question], Fate] | None,
        priority: dict[str, int] | None,
        settings: dict[str, int],
        sessions_s: Mapping[str, float] | None = None,
    ) -> None:
        self.random = Random(seed)
        self.store = store
        self.fate = fate or (lambda worker, question: Fate())
        self.now = 0
        self.news_delay = 2 * MS
        """From a change to those who watch."""
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = count()
        self.epochs: dict[int, WorkerName] = {}
        self.acknowledged: dict[str, int] = {}
        self.history: dict[int, bytes] = {}
        self.asked: list[tuple[int, WorkerName, Question]] = []
        self._settings = settings
        self._priority = priority or {}
        self.sessions_s = sessions_s or {}
        """What a worker gets, where it is not what everybody does."""
        names = [WorkerName(f"w{number}") for number in range(1, workers + 1)]
        self.servers = {name: server(name) for name in names}
        for name in names:
            self.restart(name)

    # What is the service's own

    @abstractmethod
    def new_core(self, name: WorkerName, random: Random) -> Election:
        """A worker's election as it begins."""

    @abstractmethod
    def ask(self, server: AnyServer, request: int, question: Question) -> None:
        """Let a question meet its fate."""

    @abstractmethod
    def tell_watchers(self) -> None:
        """Let those know who watch what has changed."""

    @abstractmethod
    def has_session(self, server: AnyServer) -> bool:
        """Whether what a leader's belief rests on has not run out at the service."""

    def begins(self, server: AnyServer) -> None:
        """A worker's process begins."""

    def ends(self, server: AnyServer) -> None:
        """A worker's process ends."""

    # Running

    def __getitem__(self, name: str) -> AnyServer:
        return self.servers[WorkerName(name)]

    def at(self, time: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(time, self.now), next(self._count), act))

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
        wakes = [
            server.core.wake_at
            for server in self.servers.values()
            if server.core is not None and server.runs and server.core.wake_at is not None
        ]
        times = [time for time, _, _ in self._queue[:1]] + self.store.ends + wakes
        return max(self.now, min(times, default=1 << 62))

    def _one(self) -> None:
        self.now = self._next()
        self.store.expire(self.now)
        self.tell_watchers()
        if self._queue and self._queue[0][0] <= self.now:
            heapq.heappop(self._queue)[2]()
        for server in self.servers.values():
            core = server.core
            if core is None or not server.runs:
                continue
            if core.wake_at is not None and core.wake_at <= self.now:
                self.step(server, WakeUp())
        self.tell_watchers()
        for server in self.servers.values():
            if self._believes(server):
                assert self.has_session(server), f"{server.name} outlives its session"

    def step(self, server: AnyServer, event: ElectionEvent) -> None:
        if server.core is None:
            return
        if not server.runs:
            server.inbox.append((server.life, event))
            return
        for effect in server.core.step(event, self.now):
            self._perform(server, effect)

    def _perform(self, server: AnyServer, effect: ElectionEffect) -> None:
        match effect:
            case Ask(request, question):
                self.asked.append((self.now, server.name, question))  # type: ignore[arg-type]
                self.ask(server, request, question)  # type: ignore[arg-type]
            case SendPayload(to, payload):
                other, life = self.servers[to], self.servers[to].life
                event = PayloadReceived(server.name, payload)
                self.at(self.now + MS // 10, lambda: self.deliver(other, life, event))
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
            case Persist(token, records):
                life = server.life
                self.at(self.now + SYNC, lambda: self._stored(server, life, token, records))
            case RaiseEpoch(token, epoch):
                server.gate = max(server.gate, epoch)
                life = server.life
                self.at(self.now + SYNC, lambda: self.deliver(server, life, Persisted(token)))
            case LeaderChanged(leader, epoch):
                server.changes.append(effect)
                if leader == server.name:
                    self.leads(server, epoch)
            case _:
                raise AssertionError(f"{effect} was not expected")

    def _stored(
        self, server: AnyServer, life: int, token: int, records: tuple[Record, ...]
    ) -> None:
        if server.life == life:
            server.facts |= {one.key: one.value for one in records if isinstance(one, SetFact)}
            self.step(server, Persisted(token))

    def leads(self, server: AnyServer, epoch: int) -> None:
        """A worker begins to lead, or says so again."""
        worker = server.name
        assert self.epochs.get(epoch, worker) == worker, f"two leaders of epoch {epoch}"
        assert epoch == max([epoch, *self.epochs]), f"epoch {epoch} comes after {self.epochs}"
        self.epochs[epoch] = worker

    # Delivering

    def reply(self, server: AnyServer, request: int, answer: msgspec.Struct, delay: int) -> None:
        """Let an answer arrive, if it is still this process."""
        life, told = server.life, Told(request, answer)
        self.at(self.now + delay, lambda: self.deliver(server, life, told))

    def news(self, server: AnyServer, news: msgspec.Struct) -> None:
        """Let a client's news arrive, if it is still this process."""
        life, event = server.life, Noticed(news)
        self.at(self.now + self.news_delay, lambda: self.deliver(server, life, event))

    def deliver(self, server: AnyServer, life: int, event: ElectionEvent) -> None:
        if server.life == life:
            self.step(server, event)

    # Workers

    def kill(self, name: str, proved: bool = True) -> None:
        """End a worker; the others have proof of it, or only a broken connection."""
        server = self[name]
        server.core = None
        server.life += 1
        server.inbox.clear()
        self.ends(server)
        for other in self.servers.values():
            self.step(other, PeerLost(server.name, proved_dead=proved))

    def restart(self, name: str) -> None:
        """Begin a worker, with what its disk holds."""
        server = self[name]
        server.core = self.new_core(server.name, Random(self.random.getrandbits(32)))
        server.runs, server.log, server.index = True, [], 0
        for other in self.servers.values():
            if other is not server and other.core is not None:
                self.step(server, PeerConnected(other.name, 1))
                self.step(other, PeerConnected(server.name, 1))
        self.begins(server)

    def stop(self, name: str) -> None:
        """Let a worker stand still: what comes for it waits."""
        self[name].runs = False

    def go_on(self, name: str) -> None:
        server = self[name]
        server.runs = True
        inbox, server.inbox = server.inbox, []
        for life, event in inbox:
            self.deliver(server, life, event)

    def propose(self, name: str, change: str) -> None:
        self.step(self[name], Propose(ChangeId(change), change.encode()))

    @property
    def leader(self) -> AnyServer | None:
        """Who believes in itself just now, of those that run."""
        believers = [server for server in self.servers.values() if self._believes(server)]
        assert len(believers) <= 1, f"two leaders: {[server.name for server in believers]}"
        return believers[0] if believers else None

    def _believes(self, server: AnyServer) -> bool:
        core = server.core
        if core is None or not server.runs:
            return False
        return core.leading and self.now < (core.deadline or 0)

    def elect(self) -> AnyServer:
        """Run until somebody leads."""
        self.run_until(lambda: self.leader is not None)
        assert self.leader is not None
        return self.leader

    def check_logs(self) -> None:
        """Everybody has the same changes, and every acknowledged one at its index."""
        for server in self.servers.values():
            for index, data in enumerate(server.log, start=1):
                assert self.history.setdefault(index, data) == data
        for change, index in self.acknowledged.items():
            assert self.history[index] == change.encode()
