"""A simulated etcd cluster, and a worker's client of it.

The client does what ``runtime.coordination.etcd`` does: a question is one attempt at one endpoint,
whatever fails there makes the next endpoint the one in use and ends the watch. Questions travel on
connections of their own: they overtake each other, and one that was given up may arrive all the
same.
"""

from collections.abc import Callable
from typing import cast

from interrex.core.ids import WorkerName
from interrex.core.time import S, seconds
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import LEADER
from interrex.elections.interface import Ask, Noticed, Told
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.coordination.ensemble import Ensemble, Process, Server
from interrex.simulator.coordination.etcd_store import LEAST_TTL_S, EtcdStore
from interrex.simulator.coordination.ways import Pipe, Way
from interrex.simulator.observation import Occurrence
from interrex.simulator.plan import CoordinationConditions

WAITS_FOR_MAJORITY = 20
WAITS = S // 4
"""So often, and for so long each time (ns), a member may hold a request while nobody leads."""


class EtcdCluster(Ensemble):
    """All members.

    Args:
        agenda, chance, conditions, tell: as of any ensemble.
        timeout_s: after how long a client asks another endpoint.
    """

    def __init__(
        self,
        agenda: Agenda,
        chance: Chance,
        conditions: CoordinationConditions,
        tell: Callable[[Occurrence], None],
        timeout_s: float,
    ) -> None:
        super().__init__(agenda, chance, conditions, tell)
        self.timeout = seconds(timeout_s)
        self.store = self._new_store()
        self._clients: dict[WorkerName, EtcdClient] = {}

    def client(self, process: Process) -> "EtcdClient":
        """A new one for a worker's process."""
        client = self._clients[process.worker] = EtcdClient(self, process)
        return client

    def ended(self, client: "EtcdClient") -> None:
        """A client's process is gone."""
        if self._clients.get(client.worker) is client:
            del self._clients[client.worker]

    def renew_all(self) -> None:
        self.store.renew_all(self.now)

    def expired(self) -> list[int]:
        before = self.store.revision
        epochs = self.store.expire(self.now)
        if self.store.revision != before:
            self._changed()
        return epochs

    def serve(self) -> None:
        for client in list(self._clients.values()):
            client.pump()

    def stopped(self, server: Server) -> None:
        for client in list(self._clients.values()):
            client.server_ended(server)

    def holder_of(self, worker: WorkerName) -> Server | None:
        client = self._clients.get(worker)
        return client.server if client is not None else None

    def reset(self, worker: WorkerName) -> bool:
        client = self._clients.get(worker)
        return client is not None and client.reset()

    def forget(self) -> bool:
        self.store.compact()
        return True

    @property
    def held(self) -> int:
        leader = self.store.keys.get(LEADER)
        return 0 if leader is None else leader.created

    def empty(self) -> Callable[[], None]:
        before, self.store = self.store, self._new_store()

        def put_back() -> None:
            before.put_back()
            self.store = before

        return put_back

    def _new_store(self) -> EtcdStore:
        return EtcdStore(max(LEAST_TTL_S, -(-self.conditions.least // 1000)))

    # Questions

    def decide(
        self, server: Server, question: q.Question, take: Callable[[q.Answer | None], None]
    ) -> None:
        """Let a member put a question to all. ``take`` gets None where nothing comes of it."""
        self.agenda.after(self.chance.spread(self.commit), self._decide, 0, server, question, take)

    def _decide(
        self,
        times: int,
        server: Server,
        question: q.Question,
        take: Callable[[q.Answer | None], None],
    ) -> None:
        if not self.serves(server):
            # It may be in a member's log, and agreed on once there is a majority again.
            keeps = self.chance.one_in(2) if times == 0 else times < WAITS_FOR_MAJORITY
            if server.up and keeps:
                self.agenda.after(WAITS, self._decide, times + 1, server, question, take)
            elif server.up and self.chance.one_in(2):
                failed = q.Failed(q.Certainty.UNKNOWN, "etcdserver: no leader")
                self.agenda.after(WAITS, take, failed)
            return
        self.expire()
        before = self.store.revision
        answer = self.store.answer(question, self.now)
        if self.store.revision != before:
            self._changed()
        take(answer)

    def _changed(self) -> None:
        for client in list(self._clients.values()):
            self.agenda.after(self.chance.exponential(self.lag), client.pump)


class _Call:
    """One question under way."""

    def __init__(self, request: int, question: q.Question, server: Server, way: Way) -> None:
        self.request = request
        self.question = question
        self.server = server
        self.way = way


class _Watch:
    """One watch. ``next`` is the revision that it tells of next; ``heard``: the client knows that
    it is up; ``silent``: nothing it says arrives, and nobody knows."""

    def __init__(self, request: int, revision: int, server: Server, pipe: Pipe, way: Way) -> None:
        self.request = request
        self.next = revision
        self.server = server
        self.pipe = pipe
        self.way = way
        self.is_up = False
        self.heard = False
        self.silent = False


class EtcdClient:
    """A worker's client: of one process."""

    def __init__(self, cluster: EtcdCluster, process: Process) -> None:
        self._cluster = cluster
        self._process = process
        self.worker = process.worker
        self._carrier = cluster.carrier
        self._chance = cluster.chance.fork()
        self._at = 0
        self._calls: dict[int, _Call] = {}
        self._watch: _Watch | None = None
        self._closed = False

    @property
    def server(self) -> Server:
        """The endpoint in use."""
        servers = self._cluster.servers
        return servers[self._at % len(servers)]

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""
        question = cast(q.Question, ask.question)
        if isinstance(question, q.Watch):
            self._begin_watch(ask.request, question)
            return
        way = self._cluster.way(self.worker, self.server)
        call = self._calls[ask.request] = _Call(ask.request, question, self.server, way)
        self._cluster.agenda.after(self._cluster.timeout, self._timed_out, call)
        if self._chance.per_mille(way.there.loss):
            self._soon_failed(call)
        else:
            self._carrier.carry(way.there, self._arrived, call)

    def end(self, silently: bool, closes: bool) -> None:
        """Its process ends: nothing more is posted. Its lease goes on."""
        self._closed = True
        self._calls.clear()
        self._watch = None
        self._cluster.ended(self)

    def reset(self) -> bool:
        """All of its connections end."""
        if not self._calls and self._watch is None:
            return False
        for call in list(self._calls.values()):
            self._failed(call, q.Certainty.UNKNOWN, "connection reset")
        self._end_watch("connection reset")
        return True

    # Single questions

    def _arrived(self, call: _Call) -> None:
        if not call.server.up:
            refused = self._chance.one_in(2)
            certainty = q.Certainty.NOT_DONE if refused else q.Certainty.UNKNOWN
            self._carrier.carry(call.way.back, self._failed, call, certainty, "connection refused")
            return
        self._cluster.decide(call.server, call.question, lambda answer: self._decided(call, answer))

    def _decided(self, call: _Call, answer: q.Answer | None) -> None:
        if not call.server.up or self._chance.per_mille(call.way.back.loss):
            self._soon_failed(call)
        elif answer is not None:
            self._carrier.carry(call.way.back, self._answered, call, answer)

    def _answered(self, call: _Call, answer: q.Answer) -> None:
        if isinstance(answer, q.Failed) and answer.certainty is q.Certainty.UNKNOWN:
            self._failed(call, answer.certainty, answer.text)
        elif self._calls.pop(call.request, None) is not None:
            self._process.post(Told(call.request, answer))

    def _soon_failed(self, call: _Call) -> None:
        """The connection is reset, before or after something was done."""
        delay = self._carrier.delay(call.way.back)
        text = "the connection was reset"
        self._cluster.agenda.after(delay, self._failed, call, q.Certainty.UNKNOWN, text)

    def _timed_out(self, call: _Call) -> None:
        self._failed(call, q.Certainty.UNKNOWN, "no answer in time")

    def _failed(self, call: _Call, certainty: q.Certainty, text: str) -> None:
        if self._calls.pop(call.request, None) is not None:
            self._leave(call.server)
            self._process.post(Told(call.request, q.Failed(certainty, text)))

    def _leave(self, server: Server) -> None:
        """Use the next endpoint, unless that was done already."""
        if server is self.server:
            self._at += 1
            if server is not self.server:
                self._end_watch("another endpoint is in use")

    # Watching

    def _begin_watch(self, request: int, question: q.Watch) -> None:
        self._end_watch("another watch was asked for")
        way = self._cluster.way(self.worker, self.server)
        pipe = Pipe(self._carrier, way.back)
        watch = self._watch = _Watch(request, question.revision, self.server, pipe, way)
        self._cluster.agenda.after(self._cluster.timeout, self._watch_timed_out, watch)
        self._carrier.carry(way.there, self._watch_arrived, watch)

    def _watch_arrived(self, watch: _Watch) -> None:
        if watch is not self._watch:
            return
        if not watch.server.up:
            self._carrier.carry(watch.way.back, self._watch_refused, watch)
            return
        watch.is_up = True
        watch.pipe.send(self._watch_heard, watch)
        self.pump()

    def _watch_refused(self, watch: _Watch) -> None:
        if watch is self._watch:
            self._end_watch("connection refused")
            self._at += watch.server is self.server

    def _watch_heard(self, watch: _Watch) -> None:
        if watch is self._watch and not watch.heard:
            watch.heard = True
            self._process.post(Told(watch.request, q.Watching()))

    def _watch_timed_out(self, watch: _Watch) -> None:
        if watch is self._watch and not watch.heard:
            self._watch_refused(watch)

    def pump(self) -> None:
        """Let its member tell of what is new, as far as that knows."""
        watch, store = self._watch, self._cluster.store
        if watch is None or not watch.is_up or not self._cluster.serves(watch.server):
            return
        if watch.next <= store.compacted:
            watch.is_up = False
            watch.pipe.send(self._watch_lost, watch, True)
        elif watch.next <= store.revision:
            events = store.since(watch.next)
            watch.next = store.revision + 1
            if watch.way.back.cuts and self._chance.one_in(2):
                watch.silent = True
            if events and not watch.silent:
                watch.pipe.send(self._watch_tells, watch, events)

    def _watch_tells(self, watch: _Watch, events: tuple[q.Event, ...]) -> None:
        if watch is self._watch:
            self._process.post(Noticed(q.Changed(watch.request, events)))

    def _watch_lost(self, watch: _Watch, compacted: bool) -> None:
        if watch is self._watch:
            self._watch_heard(watch)
            self._watch = None
            self._process.post(Noticed(q.WatchLost(watch.request, "lost", compacted)))

    def server_ended(self, server: Server) -> None:
        """A member's connections have ended; whether that is noticed is another matter."""
        watch = self._watch
        if watch is not None and watch.server is server and watch.is_up:
            watch.is_up = False
            if not watch.way.back.cuts:
                watch.pipe.send(self._watch_lost, watch, False)

    def _end_watch(self, why: str) -> None:
        """The end of a watch is told once."""
        watch, self._watch = self._watch, None
        if watch is None:
            return
        told = Told(watch.request, q.Failed(q.Certainty.NOT_DONE, why))
        lost = Noticed(q.WatchLost(watch.request, why))
        self._cluster.agenda.after(0, self._process.post, lost if watch.heard else told)
