"""Where each backend's members meet: their URLs, and the servers that they rest on, real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Protocol

from bench.etcd_cluster import EtcdCluster
from bench.fleet import Fleet
from bench.postgresql_server import PostgresServer
from bench.specs import bare
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.time import S
from interrex.elections.embedding import EMBEDDED
from interrex.library.urls import parse
from interrex.worker.guardian import CANDIDATE_LEASE
from tests.library.contract import sessions
from tests.library.members import Places

LEASE_S = 2
LONG_S = 30.0
NUMBERS = count()


class Arena(Protocol):
    """One backend, ready to be used."""

    lease: float
    """How long (s) a leadership lasts that nothing renews, at most."""

    def election(self) -> "Meeting":
        """A new election, that nobody has taken part in."""


class Service(Arena, Protocol):
    """A backend that rests on servers outside."""

    @property
    def servers(self) -> "Servers":
        """Those that it rests on."""

    def lasting(self, lease: float) -> str:
        """The option that asks for another lease (s)."""

    def end_session(self, meeting: "Meeting") -> None:
        """Let the servers end the session, or the lease, of whoever leads."""


class Meeting(Protocol):
    """One election."""

    def url(self, place: int, more: str = "") -> str:
        """For the member of this place, 0 to 2; ``more`` options, each as ``&NAME=VALUE``."""

    def patient_url(self, place: int) -> str:
        """For one that nobody lets wait for the end of its lease: it is as long as it may be."""


class Servers(Protocol):
    """Servers, of which a majority is enough."""

    count: int

    def kill(self, server: int) -> None: ...

    def start(self, server: int) -> None: ...

    def stop(self, server: int) -> None: ...

    def go_on(self, server: int) -> None: ...

    def wait_well(self) -> None:
        """Until all that were started serve."""


class Named:
    """An election by a URL that is the same for all members.

    Args:
        patient: the option for a long lease, where there is one.
    """

    def __init__(self, url: str, patient: str = "") -> None:
        self._url, self._patient = url, patient

    def url(self, place: int, more: str = "") -> str:
        path, _, options = self._url.partition("?")
        both = dict(one.split("=") for one in f"{options}{more}".split("&"))
        return f"{path}?{'&'.join(f'{name}={value}' for name, value in both.items())}"

    def patient_url(self, place: int) -> str:
        return self.url(place, self._patient)


class FleetArena:
    lease = CANDIDATE_LEASE / S

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def election(self) -> Named:
        return Named(f"interrex:///bench/contract-{next(NUMBERS)}?state={self._fleet.root}")


class EmbeddedArena:
    lease = 1.0

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    def election(self) -> Places:
        return Places(self._scheme)


class EtcdServers(EtcdCluster):
    count = 3

    def wait_well(self) -> None:
        self.wait_agreed()


class EtcdArena:
    lease = float(LEASE_S)

    def __init__(self, servers: EtcdServers) -> None:
        self.servers = servers
        self.addresses = ",".join(one.removeprefix("http://") for one in servers.endpoints)

    def election(self) -> Named:
        name = f"contract-{next(NUMBERS)}"
        return Named(f"etcd://{self.addresses}/{name}?lease={LEASE_S}", self.lasting(LONG_S))

    def lasting(self, lease: float) -> str:
        return f"&lease={lease:.0f}"

    def end_session(self, meeting: Meeting) -> None:
        sessions.revoke_lease(self.servers, name_of(meeting))


class ZooKeeperServers(ZooKeeperEnsemble):
    count = 3

    def wait_well(self) -> None:
        self.wait_serving()


class ZooKeeperArena:
    lease = float(LEASE_S)

    def __init__(self, servers: ZooKeeperServers) -> None:
        self.servers = servers

    def election(self) -> Named:
        name = f"contract-{next(NUMBERS)}"
        url = f"zookeeper://{self.servers.hosts}/{name}?session={LEASE_S}"
        return Named(url, self.lasting(LONG_S))

    def lasting(self, lease: float) -> str:
        return f"&session={lease:g}"

    def end_session(self, meeting: Meeting) -> None:
        sessions.close_session(self.servers, name_of(meeting))


class LonePostgres:
    """A database has one server that is written to."""

    count = 1

    def __init__(self, server: PostgresServer) -> None:
        self.server = server

    def kill(self, server: int) -> None:
        self.server.kill()

    def start(self, server: int) -> None:
        self.server.start()

    def stop(self, server: int) -> None:
        self.server.stop()

    def go_on(self, server: int) -> None:
        self.server.go_on()

    def wait_well(self) -> None:
        self.server.wait_serving()


class PostgresArena:
    lease = float(LEASE_S)

    def __init__(self, servers: LonePostgres) -> None:
        self.servers = servers

    def election(self) -> Named:
        name = f"contract-{next(NUMBERS)}"
        return Named(f"{self.servers.server.url}/{name}?lease={LEASE_S}", self.lasting(LONG_S))

    def lasting(self, lease: float) -> str:
        return f"&lease={lease:g}"

    def end_session(self, meeting: Meeting) -> None:
        sessions.terminate_backend(self.servers.server, name_of(meeting))


def name_of(meeting: Meeting) -> str:
    """The election's name at its service."""
    return parse(meeting.url(0)).path[-1]


@contextmanager
def service_of(backend: str) -> Iterator[Service]:
    """Starts a service's servers, and ends them."""
    if backend == "zookeeper":
        with ZooKeeperServers(tick_ms=250) as ensemble:
            ensemble.wait_well()
            yield ZooKeeperArena(ensemble)
        return
    if backend == "postgresql":
        with PostgresServer() as server:
            yield PostgresArena(LonePostgres(server))
        return
    with EtcdServers(heartbeat_ms=20, election_ms=200) as servers:
        servers.wait_well()
        yield EtcdArena(servers)


@contextmanager
def arena_of(backend: str) -> Iterator[Arena]:
    """Starts what a backend needs, and ends it."""
    if backend in EMBEDDED:
        yield EmbeddedArena(backend)
    elif backend == "interrex":
        with Fleet(bare()) as fleet:
            fleet.wait_ready()
            yield FleetArena(fleet)
    else:
        with service_of(backend) as service:
            yield service
