"""A simulated ZooKeeper ensemble: servers with nodes of their own that lag behind what is agreed.

A server answers reads from what it knows; writes and ``sync`` wait for the majority. It watches
for the clients that are connected with it, and tells the leader twice a tick whom it has heard.
"""

from collections.abc import Callable
from typing import assert_never

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.zookeeper import questions as q
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.coordination.ensemble import Client, Ensemble, Process, Server
from interrex.simulator.coordination.ways import Pipe, Way
from interrex.simulator.coordination.zookeeper_client import (
    Connection,
    Ensure,
    Ping,
    Request,
    ZooKeeperClient,
)
from interrex.simulator.coordination.zookeeper_store import (
    Txn,
    ZooKeeperStore,
    apply_txn,
    first_tree,
    read,
)
from interrex.simulator.observation import Occurrence
from interrex.simulator.plan import CoordinationConditions

WAITS = S // 4
"""How long (ns) a request waits before a server looks whether there is a majority again."""


class Host:
    """One server's own: its nodes, how far it has come, its connections, whom it has heard."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tree = first_tree()
        self.done = 0
        self.hears_of = 0
        """How much of what was agreed is on its way to it."""
        self.connections: list[Connection] = []
        self.heard: dict[int, None] = {}


class ZooKeeperEnsemble(Ensemble):
    """All servers.

    Args:
        agenda, chance, conditions, tell: as of any ensemble.
        session_s: the time-out that clients ask for.
    """

    def __init__(
        self,
        agenda: Agenda,
        chance: Chance,
        conditions: CoordinationConditions,
        tell: Callable[[Occurrence], None],
        session_s: float,
    ) -> None:
        super().__init__(agenda, chance, conditions, tell)
        self.asked_ms = int(session_s * 1000)
        self.store = ZooKeeperStore(conditions.least)
        self.hosts = [Host(server) for server in self.servers]
        self._clients: dict[WorkerName, ZooKeeperClient] = {}
        self._owners: dict[int, Connection] = {}
        """Session -> the connection that its requests are taken from."""
        agenda.after(conditions.least * MS // 4, self._tell_leader)

    def client(self, process: Process) -> Client:
        client = self._clients[process.worker] = ZooKeeperClient(self, process)
        return client

    def ended(self, client: ZooKeeperClient) -> None:
        """A client's process is gone."""
        if self._clients.get(client.worker) is client:
            del self._clients[client.worker]

    def renew_all(self) -> None:
        self.store.renew_all(self.now)

    def expired(self) -> list[int]:
        epochs = self.store.expire(self.now)
        self._spread()
        return epochs

    def serve(self) -> None:
        now = self.agenda.now
        for host in self.hosts:
            out_since = host.server.out_since
            if out_since is not None and now - out_since > self.conditions.notices:
                self._close_all(host)
        self._spread()

    def stopped(self, server: Server) -> None:
        self._close_all(self.hosts[server.number])

    def holder_of(self, worker: WorkerName) -> Server | None:
        client = self._clients.get(worker)
        return client.server if client is not None else None

    def reset(self, worker: WorkerName) -> bool:
        client = self._clients.get(worker)
        return client is not None and client.drop()

    def forget(self) -> bool:
        return False

    @property
    def held(self) -> int:
        epoch, _ = self.store.holder()
        return epoch

    def empty(self) -> Callable[[], None]:
        before = self.store
        self._stand(ZooKeeperStore(self.conditions.least))

        def put_back() -> None:
            before.put_back()
            self._stand(before)

        return put_back

    def _stand(self, store: ZooKeeperStore) -> None:
        """Let every server have just these data."""
        self.store = store
        self._owners.clear()
        for host in self.hosts:
            host.tree = dict(store.nodes)
            host.done = host.hears_of = len(store.history)
            host.heard.clear()

    def _tell_leader(self) -> None:
        """Twice a tick servers tell of the sessions that they have heard of since."""
        self.agenda.after(self.conditions.least * MS // 4, self._tell_leader)
        for host in self.hosts:
            if self.serves(host.server):
                for session in host.heard:
                    self.store.touch(session, self.now)
                host.heard.clear()

    # What is agreed

    def _spread(self) -> None:
        """Let the other servers hear of what was agreed, each later."""
        last = len(self.store.history)
        for host in self.hosts:
            if host.hears_of < last and self.serves(host.server):
                host.hears_of = last
                delay = self.chance.exponential(self.lag)
                self.agenda.after(delay, self._come_after, host, last, self.store)

    def _come_after(self, host: Host, last: int, store: ZooKeeperStore) -> None:
        if store is not self.store:
            return
        if self.serves(host.server):
            self.catch_up(host, last)
        else:
            host.hears_of = host.done

    def catch_up(self, host: Host, last: int | None = None) -> None:
        """Let a server know what was agreed; its clients' watches fire."""
        history = self.store.history
        last = len(history) if last is None else last
        host.hears_of = max(host.hears_of, last)
        while host.done < last:
            txn = history[host.done]
            host.done += 1
            apply_txn(host.tree, txn)
            for connection in list(host.connections):
                self._fire(host, connection, txn)

    def _fire(self, host: Host, connection: Connection, txn: Txn) -> None:
        for path, node in txn.nodes:
            parent = path.rpartition("/")[0]
            if path in connection.watches:
                connection.watches.discard(path)
                connection.back.send(connection.client.fired, connection, path)
            if parent in connection.lists and (node is None or node.version == 0):
                connection.lists.discard(parent)
                connection.back.send(connection.client.fired, connection, parent)
        if txn.ended and txn.ended == connection.session:
            self.close(host, connection)

    # Connections

    def greet(self, server: Server, way: Way, client: ZooKeeperClient, attempt: int) -> None:
        """A client asks a server for its session, or a new one."""
        out = server.out_since
        if not server.up or (out is not None and self.agenda.now - out > self.conditions.notices):
            self.carrier.carry(way.back, client.refused, attempt)
            return
        delay = self.chance.spread(self.commit)
        self.agenda.after(delay, self._welcome, server, way, client, attempt)

    def _welcome(self, server: Server, way: Way, client: ZooKeeperClient, attempt: int) -> None:
        if not self.serves(server):
            return  # it hangs, until the client loses patience
        self.expire()
        host, store, session = self.hosts[server.number], self.store, client.session
        if session and session not in store.sessions:
            self.carrier.carry(way.back, client.welcomed, attempt, None, 0)
            return
        conditions = self.conditions
        granted = min(max(client.asked_ms, conditions.least), conditions.most)
        if session:
            store.touch(session, self.now)
        else:
            session = self.chance.getrandbits(63) | 1
            store.new_session(session, self.now, granted)
        connection = Connection(client, server, session, Pipe(self.carrier, way.there),
                                Pipe(self.carrier, way.back))  # fmt: skip
        before = self._owners.get(session)
        if before is not None:
            self.close(self.hosts[before.server.number], before)
        self._owners[session] = connection
        host.connections.append(connection)
        host.heard[session] = None
        connection.back.send(client.welcomed, attempt, connection, granted)

    def take(self, connection: Connection, request: Request) -> None:
        """A request has come to its server: those before it are answered first."""
        if not connection.is_open:
            return
        host = self.hosts[connection.server.number]
        host.heard[connection.session] = None
        if self.leader is connection.server:
            self.store.touch(connection.session, self.now)
        if isinstance(request.question, Ping):
            connection.back.send(connection.client.heard, connection)
            return
        connection.queue.append(request)
        if not connection.is_busy:
            self._next(host, connection)

    def _next(self, host: Host, connection: Connection) -> None:
        connection.is_busy = bool(connection.queue)
        if not connection.queue:
            return
        request = connection.queue.popleft()
        question = request.question
        if isinstance(question, q.Read | q.List):
            self._answer(host, connection, request, read(host.tree, question))
        else:
            delay = self.chance.spread(self.commit)
            self.agenda.after(delay, self._agree, host, connection, request)

    def _agree(self, host: Host, connection: Connection, request: Request) -> None:
        """A write, or ``sync``: the majority answers, and the server comes after.

        It is taken from the connection that the session is at; that may have ended at the client.
        """
        if self._owners.get(connection.session) is not connection or not host.server.up:
            return
        if not self.serves(host.server):
            self.agenda.after(WAITS, self._agree, host, connection, request)
            return
        self.expire()
        if connection.session not in self.store.sessions:
            return
        question = request.question
        answer: q.Answer = q.Done()
        match question:
            case q.Transact(operations):
                answer = self.store.transact(connection.session, operations)
            case q.Reset():
                self.store.end(connection.session)
            case q.Sync() | Ensure():
                pass
            case q.Read() | q.List() | Ping():
                raise ValueError(f"{question} is not for the majority")
            case _:
                assert_never(question)
        self.catch_up(host)
        self._spread()
        self._answer(host, connection, request, answer)

    def _answer(
        self, host: Host, connection: Connection, request: Request, answer: q.Answer
    ) -> None:
        question = request.question
        if isinstance(question, q.Read) and question.watch and isinstance(answer, q.Found):
            connection.watches.add(question.path)
        if isinstance(question, q.List) and question.watch:
            connection.lists.add(question.path)
        way = self.way(connection.client.worker, connection.server)
        if self.chance.per_mille(way.back.loss):
            connection.client.drop_soon(connection)
            self.close(host, connection)
            return
        connection.back.send(connection.client.answered, connection, request.number, answer)
        self._next(host, connection)

    def close(self, host: Host, connection: Connection) -> None:
        """The server's end is closed; the client hears of it, if anything arrives there."""
        if connection in host.connections:
            host.connections.remove(connection)
            connection.is_open = False
            connection.watches.clear()
            connection.lists.clear()
            connection.back.send(connection.client.closed, connection)

    def client_closed(self, connection: Connection) -> None:
        """The client's end is closed, and what was sent before that has come."""
        self.close(self.hosts[connection.server.number], connection)

    def _close_all(self, host: Host) -> None:
        for connection in list(host.connections):
            self.close(host, connection)
