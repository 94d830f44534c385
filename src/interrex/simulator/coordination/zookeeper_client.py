"""A worker's client of a simulated ZooKeeper: it does what kazoo does for the real one.

It keeps one connection and its session by pings, goes to another server when it hears nothing for
two thirds of the session's time-out, and begins another session when it is told that its own has
ended; of that it hears from servers alone. It retries no request. While its process is stopped it
does nothing.
"""

from collections import deque
from typing import TYPE_CHECKING, cast

import msgspec

from interrex.core.time import MS, S
from interrex.elections.interface import Ask, Noticed, Told
from interrex.elections.zookeeper import questions as q
from interrex.simulator.coordination.ensemble import Process, Server
from interrex.simulator.coordination.ways import Pipe

if TYPE_CHECKING:
    from interrex.simulator.coordination.zookeeper import ZooKeeperEnsemble

FIRST_PAUSE = 50 * MS
LONGEST_PAUSE = S
PATIENCE = S
"""How long (ns) an attempt to connect may take."""
CLOSES_WITHIN = 3 * MS


class Ping(msgspec.Struct, frozen=True):
    """What a client says when it has nothing to ask."""


class Ensure(msgspec.Struct, frozen=True):
    """Let the nodes be there that always are: asked first of all under a session."""


class Request(msgspec.Struct, frozen=True):
    """``number`` is the election's, 0 for the client's own."""

    number: int
    question: q.Question | Ping | Ensure


class Connection:
    """One connection and each end of it. ``is_open``: its server takes from it."""

    def __init__(
        self, client: "ZooKeeperClient", server: Server, session: int, there: Pipe, back: Pipe
    ) -> None:
        self.client = client
        self.server = server
        self.session = session
        self.there = there
        self.back = back
        self.is_open = True
        self.is_busy = False
        self.queue: deque[Request] = deque()
        self.watches: set[str] = set()
        self.lists: set[str] = set()
        """The nodes whose children are watched."""


class ZooKeeperClient:
    """One process's client.

    Args:
        ensemble: the servers.
        process: whose client it is.
    """

    def __init__(self, ensemble: "ZooKeeperEnsemble", process: Process) -> None:
        self._ensemble = ensemble
        self._agenda = ensemble.agenda
        self._process = process
        self.worker = process.worker
        self.asked_ms = ensemble.asked_ms
        self._chance = ensemble.chance.fork()
        self._order = self._chance.shuffled(ensemble.servers)
        self.session = 0
        self._connection: Connection | None = None
        self._granted = 0
        self._heard = 0
        self._slept = False
        self._pending: dict[int, None] = {}
        self._attempt = 0
        self._failures = 0
        self._ended = False
        self._connect_after(0)

    @property
    def server(self) -> Server | None:
        """The one that it is connected with."""
        return self._connection.server if self._connection is not None else None

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""
        question, connection = cast(q.Question, ask.question), self._connection
        if isinstance(question, q.Reset):
            self._reset(ask.request)
        elif connection is None:
            failed = q.Failed(may_be_done=False, text="not connected with ZooKeeper")
            self._agenda.after(0, self._process.post, Told(ask.request, failed))
        else:
            self._pending[ask.request] = None
            way = self._ensemble.way(self.worker, connection.server)
            if self._chance.per_mille(way.there.loss):
                self.drop_soon(connection)
            else:
                self._send(connection, Request(ask.request, question))

    def end(self, silently: bool, closes: bool) -> None:
        """Its process ends: the session goes on, unless that is ended in order."""
        connection, self._connection = self._connection, None
        self._ended = True
        self._attempt += 1
        self._ensemble.ended(self)
        if connection is not None and closes:
            self._send(connection, Request(0, q.Reset()))
        if connection is not None and not silently:
            connection.there.send(self._ensemble.client_closed, connection)

    def _send(self, connection: Connection, request: Request) -> None:
        connection.there.send(self._ensemble.take, connection, request)

    # The connection

    def _connect_after(self, pause: int) -> None:
        self._attempt += 1
        self._agenda.after(pause, self._connect, self._attempt)

    def _connect(self, attempt: int) -> None:
        if attempt != self._attempt:
            return
        if self._process.stops:
            self._agenda.after(FIRST_PAUSE, self._connect, attempt)
            return
        server = self._order[self._failures % len(self._order)]
        way = self._ensemble.way(self.worker, server)
        carrier = self._ensemble.carrier
        carrier.carry(way.there, self._ensemble.greet, server, way, self, attempt)
        self._agenda.after(PATIENCE, self.refused, attempt)

    def refused(self, attempt: int) -> None:
        """An attempt has failed, or takes too long."""
        if attempt == self._attempt and self._connection is None:
            self._failures += 1
            pause = min(FIRST_PAUSE << min(self._failures // len(self._order), 8), LONGEST_PAUSE)
            self._connect_after(self._chance.spread(pause))

    def welcomed(self, attempt: int, connection: Connection | None, granted_ms: int) -> None:
        """A server serves its session; no connection: that has ended."""
        if attempt != self._attempt:
            if connection is not None:
                connection.there.send(self._ensemble.client_closed, connection)
            return
        if connection is None:
            self.session = 0
            self._process.post(Noticed(q.Lost()))
            self._connect_after(0)
            return
        self._attempt += 1
        self._failures = 0
        self._connection = connection
        self.session = connection.session
        self._granted = granted_ms
        self._heard = self._agenda.now
        self._send(connection, Request(0, Ensure()))
        self._agenda.after(granted_ms * MS // 6, self._keep, connection)

    def _keep(self, connection: Connection) -> None:
        """Say that it is there, and notice that nobody answers."""
        if connection is not self._connection:
            return
        self._agenda.after(self._granted * MS // 6, self._keep, connection)
        if self._process.stops:
            self._slept = True
            return
        if self._slept:
            self._slept, self._heard = False, self._agenda.now
        if self._agenda.now - self._heard > self._granted * MS * 2 // 3:
            self.drop()
        else:
            self._send(connection, Request(0, Ping()))

    def drop_soon(self, connection: Connection) -> None:
        """The connection is reset."""
        way = self._ensemble.way(self.worker, connection.server)
        self._agenda.after(self._ensemble.carrier.delay(way.back), self.closed, connection)

    def closed(self, connection: Connection) -> None:
        """The server's end is closed."""
        if connection is self._connection:
            self.drop()

    def drop(self) -> bool:
        """Its own end is closed; what was asked may be done or not."""
        connection, self._connection = self._connection, None
        if connection is None:
            return False
        connection.there.send(self._ensemble.client_closed, connection)
        self._process.post(Noticed(q.Suspended()))
        self._give_up_pending()
        self._failures += 1
        self._connect_after(self._chance.spread(FIRST_PAUSE))
        return True

    def _give_up_pending(self) -> None:
        pending, self._pending = self._pending, {}
        lost = q.Failed(may_be_done=True, text="ZooKeeper: the connection was lost")
        for number in pending:
            self._process.post(Told(number, lost))

    def _reset(self, request: int) -> None:
        """End the session, if its server hears that, and begin another."""
        connection, self._connection = self._connection, None
        self._attempt += 1
        if connection is not None:
            self._send(connection, Request(0, q.Reset()))
            connection.there.send(self._ensemble.client_closed, connection)
        self.session = 0
        self._agenda.after(self._chance.spread(CLOSES_WITHIN), self._has_reset, request)

    def _has_reset(self, request: int) -> None:
        if self._ended:
            return
        self._process.post(Noticed(q.Lost()))
        self._give_up_pending()
        self._process.post(Told(request, q.Done()))
        self._connect_after(0)

    # What servers say

    def heard(self, connection: Connection) -> None:
        """A ping was answered."""
        if connection is self._connection:
            self._heard = self._agenda.now

    def answered(self, connection: Connection, number: int, answer: q.Answer) -> None:
        """A request was answered."""
        self.heard(connection)
        if connection is not self._connection:
            return
        if number == 0:
            self._process.post(Noticed(q.Connected(connection.session, self._granted)))
        elif number in self._pending:
            del self._pending[number]
            self._process.post(Told(number, answer))

    def fired(self, connection: Connection, path: str) -> None:
        """A node that is watched has changed."""
        self.heard(connection)
        if connection is self._connection:
            self._process.post(Noticed(q.Fired(path)))
