"""A coordination service's servers: they fall, lose each other, and do nothing without a majority.

What they agree on is a store's business. A server that is apart from the others, or that lags,
is a way to it that does not work, or works late.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeVar

from interrex.core.ids import HostName, WorkerName
from interrex.core.quorum import majority
from interrex.core.time import MS
from interrex.elections.interface import Ask, Noticed, Told
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.clock import Clock
from interrex.simulator.coordination.ways import Carrier, Way
from interrex.simulator.observation import (
    CoordinationAway,
    CoordinationBack,
    CoordinationEmptied,
    CoordinationRestored,
    HoldExpired,
    Occurrence,
)
from interrex.simulator.plan import CoordinationConditions

Result = TypeVar("Result")

LOOKS_EVERY = 100 * MS
"""So often (ns) sessions are looked at, and servers look at each other."""


class Process(Protocol):
    """A worker's process, as its client of the coordination service sees it."""

    worker: WorkerName
    host: HostName
    life: int
    stops: int

    def post(self, event: Told | Noticed) -> None:
        """Let its core take an event."""


class Client(Protocol):
    """A worker's own client, as an adapter in the runtime is one."""

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""

    def end(self, silently: bool, closes: bool) -> None:
        """Its process ends: ``closes`` in order, ``silently`` with its machine."""


class Server:
    """``cuts``: why it does not hear the others; ``out_since``: since when it cannot serve (ns)."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.up = True
        self.cuts = 0
        self.out_since: int | None = None

    @property
    def in_touch(self) -> bool:
        """Whether it runs and hears the others."""
        return self.up and not self.cuts


class Ensemble(ABC):
    """The servers of one coordination service.

    Args:
        agenda, chance: the world's.
        conditions: drawn for this run.
        tell: takes what befalls it.
    """

    def __init__(
        self,
        agenda: Agenda,
        chance: Chance,
        conditions: CoordinationConditions,
        tell: Callable[[Occurrence], None],
    ) -> None:
        self.agenda = agenda
        self.chance = chance
        self.conditions = conditions
        self.carrier = Carrier(agenda, chance.fork())
        self.clock = Clock(agenda.now, conditions.ppm)
        self.servers = [Server(number) for number in range(conditions.servers)]
        self.leader: Server | None = self.servers[0]
        self.commit = conditions.commit
        self.lag = conditions.lag
        self.is_emptied = False
        """Whether its data is lost just now."""
        self._tell = tell
        self._ways: dict[tuple[WorkerName, int], Way] = {}
        self._electing = False
        agenda.after(LOOKS_EVERY, self._look)

    @abstractmethod
    def client(self, process: Process) -> Client:
        """A new one for a worker's process."""

    @abstractmethod
    def renew_all(self) -> None:
        """Another server leads: sessions run their whole time from now on."""

    @abstractmethod
    def expired(self) -> list[int]:
        """Let sessions run out; the epochs whose leaders held one."""

    @abstractmethod
    def serve(self) -> None:
        """Now and then: whatever servers do by themselves."""

    @abstractmethod
    def stopped(self, server: Server) -> None:
        """A server has ended: so have its connections."""

    @abstractmethod
    def holder_of(self, worker: WorkerName) -> Server | None:
        """The server that a worker's client uses."""

    @abstractmethod
    def reset(self, worker: WorkerName) -> bool:
        """A worker's connections end; False where it has none."""

    @abstractmethod
    def forget(self) -> bool:
        """No history is kept of what has been; False where none ever is."""

    @property
    @abstractmethod
    def held(self) -> int:
        """The epoch of whoever holds the leadership, 0 for nobody."""

    @abstractmethod
    def empty(self) -> Callable[[], None]:
        """Begin a store with nothing in it; what is returned puts back the one before, numbered
        so that nothing comes twice."""

    @property
    def now(self) -> int:
        """What its clock shows (ns)."""
        return self.clock.read(self.agenda.now)

    def way(self, worker: WorkerName, server: Server) -> Way:
        """Between a worker and a server."""
        key = (worker, server.number)
        if key not in self._ways:
            self._ways[key] = Way(self.chance.spread(self.conditions.near))
        return self._ways[key]

    def ways_of(self, worker: WorkerName) -> list[Way]:
        """Between a worker and all servers."""
        return [self.way(worker, server) for server in self.servers]

    def serves(self, server: Server) -> bool:
        """Whether what a server is asked can be agreed on just now."""
        return self.leader is not None and server.in_touch

    def expire(self) -> None:
        """Let sessions run out that are due; only a leader does."""
        if self.leader is not None:
            for epoch in self.expired():
                self._tell(HoldExpired(epoch))

    # Faults

    def stop(self, server: Server) -> None:
        """Its process ends."""
        server.up = False
        self.stopped(server)
        self._reconsider()

    def start(self, server: Server) -> None:
        """It is back, and comes after."""
        server.up = True
        self._reconsider()

    def part(self, server: Server) -> None:
        """It does not hear the others any more, nor they it; clients reach it as before."""
        server.cuts += 1
        self._reconsider()

    def join(self, server: Server) -> None:
        """It hears the others again."""
        server.cuts -= 1
        self._reconsider()

    def lose_data(self) -> Callable[[], None]:
        """Its servers end, and start anew with nothing.

        Returns:
            What lets them start again with all that they had.
        """
        self.expire()
        epoch = self.held
        put_back = self._start_with(self.empty)
        self.is_emptied = True
        self._tell(CoordinationEmptied(epoch))

        def restore() -> None:
            self._start_with(put_back)
            self.is_emptied = False
            self._tell(CoordinationRestored())

        return restore

    def _start_with(self, set_up: Callable[[], Result]) -> Result:
        """Let all servers that run start anew, with other data."""
        stopped = [server for server in self.servers if server.up]
        for server in stopped:
            self.stop(server)
        result = set_up()
        for server in stopped:
            self.start(server)
        return result

    def run_at(self, ppm: int) -> None:
        """Its clock runs at another rate."""
        self.clock.run_at(self.agenda.now, ppm)

    def _reconsider(self) -> None:
        if self.leader is not None:
            agreeing = sum(server.in_touch for server in self.servers)
            if self.leader.in_touch and agreeing >= majority(len(self.servers)):
                return
            self.expire()
            self.leader = None
            self._tell(CoordinationAway())
        if not self._electing:
            self._electing = True
            self.agenda.after(self.chance.spread(self.conditions.election), self._elect)

    def _elect(self) -> None:
        self._electing = False
        fit = [server for server in self.servers if server.in_touch]
        if self.leader is None and len(fit) >= majority(len(self.servers)):
            self.leader = self.chance.pick(fit)
            self.renew_all()
            self._tell(CoordinationBack())

    def _look(self) -> None:
        self.agenda.after(LOOKS_EVERY, self._look)
        for server in self.servers:
            if self.serves(server):
                server.out_since = None
            elif server.out_since is None:
                server.out_since = self.agenda.now
        self.expire()
        self.serve()
