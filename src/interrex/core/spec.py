"""What a user asks for: the cluster file as typed, checked values.

Durations are float seconds as the user wrote them; the cores turn them into nanoseconds once.
Every struct is frozen and travels as msgpack, so a spec can be compared, hashed into a
generation and replicated.
"""

from enum import StrEnum
from functools import cache
from typing import ClassVar

import msgspec

from interrex.core.ids import HostName, ServiceName, WorkerName

ELECTIONS = ("raft", "paxos", "bully")
"""The elections that a cluster file can ask for by a word alone."""

COORDINATED = ("etcd", "zookeeper")
"""Those that rest on a coordination service, which the file says how to reach."""

WITH_OPTIONS = ("bully", *COORDINATED)
"""Those that have options: a field of ``ClusterSpec`` is called after each."""

REQUIREMENTS = ("fenced",)
"""What a cluster file can require of its election."""


class Spec(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Base of everything that can stand in a cluster file.

    What equals a field's default is the default: then it is left out of what is encoded (msgspec
    leaves out only the very object), and two files that mean the same have the same bytes.
    """

    def __post_init__(self) -> None:
        for name, default in _defaults_of(type(self)):
            if getattr(self, name) == default:
                msgspec.structs.force_setattr(self, name, default)


@cache
def _defaults_of(spec: type[Spec]) -> tuple[tuple[str, object], ...]:
    """Those of the fields whose default is one object; empty tables are left out anyhow."""
    return tuple(
        (field.name, field.default)
        for field in msgspec.structs.fields(spec)
        if field.default is not msgspec.NODEFAULT
    )


class CheckKind(StrEnum):
    """How a replica is asked for its health."""

    HTTP = "http"
    TCP = "tcp"
    EXEC = "exec"
    ADMIN = "admin"  # the balancer: its own runtime socket answers


class Check(Spec, frozen=True):
    """One health check: what to ask, how often, and how many answers count.

    ``path`` and ``status`` (lowest and highest accepted) are for http, ``command`` is for exec.
    """

    kind: CheckKind
    path: str = "/"
    status: tuple[int, int] = (200, 399)
    command: tuple[str, ...] = ()
    interval: float = 2.0
    timeout: float = 1.0
    rise: int = 1
    fall: int = 3


class Health(Spec, frozen=True):
    """The three questions: has it started, does it live, may it be sent requests.

    ``startup`` is asked (fast) until it first succeeds, for at most ``start_timeout`` seconds;
    failing ``liveness`` restarts the replica; failing ``readiness`` only takes it from the routes.
    A service without any check is ready as soon as its process runs.
    """

    startup: Check | None = None
    liveness: Check | None = None
    readiness: Check | None = None
    start_timeout: float = 60.0


class Limits(Spec, frozen=True):
    """Resource limits of one replica, set with prlimit(2) before its program starts."""

    memory_bytes: int | None = None
    open_files: int | None = None
    processes: int | None = None
    core_bytes: int | None = None
    nice: int | None = None


class Restart(Spec, frozen=True):
    """How a dead replica is started again: at once the first time, then ever later, for ever."""

    first_delay: float = 0.0
    base_delay: float = 0.5
    factor: float = 2.0
    max_delay: float = 30.0
    reset_after: float = 60.0


class LogFiles(Spec, frozen=True):
    """The output files of a replica: rotated at ``max_bytes``, ``keep`` old ones kept."""

    max_bytes: int = 16 * 1024 * 1024
    keep: int = 4


class Expose(Spec, frozen=True):
    """Where the balancer listens for a service."""

    port: int
    address: str = "127.0.0.1"


class ServiceSpec(Spec, frozen=True):
    """One declared program.

    ``command``, the values of ``env`` and exec checks' commands hold placeholders, to be filled in
    by ``core.placeholders.fill`` for each replica. ``load`` makes ``directory`` absolute and never
    leaves it None.
    """

    name: ServiceName
    command: tuple[str, ...]
    replicas: int = 1
    expose: Expose | None = None
    env: dict[str, str] = {}
    directory: str | None = None
    user: str | None = None
    stop_signal: str = "SIGTERM"
    stop_timeout: float = 10.0
    limits: Limits = Limits()
    health: Health = Health()
    restart: Restart = Restart()
    logs: LogFiles = LogFiles()


class HostSpec(Spec, frozen=True):
    """A machine of the cluster; ``address`` is ``host:port`` where its first worker listens, each
    further worker one port higher."""

    name: HostName
    address: str = ""
    workers: int = 1


class Tls(Spec, frozen=True):
    """Certificate files for the workers' connections between hosts (mutual TLS 1.3).

    Absolute paths that may hold ``{host}``, to be filled in by ``core.placeholders.fill``.
    """

    ca: str
    certificate: str
    key: str


class Timing(Spec, frozen=True):
    """The election's and the detection's times, in seconds."""

    heartbeat: float = 0.06
    election_timeout: float = 0.25
    silent_worker: float = 2.0
    respawn_grace: float = 2.0
    lost_host: float = 10.0
    leaderless_respawn: float = 0.2


class Bully(Spec, frozen=True):
    """Options of the bully election.

    ``quorum``: lead only with a majority; ``preempt``: a higher worker takes over when it is back;
    ``priority`` maps workers to theirs, 0 for the others: the highest leads, then the last name.
    """

    quorum: bool = False
    preempt: bool = True
    priority: dict[WorkerName, int] = {}


class Etcd(Spec, frozen=True):
    """How the etcd cluster is reached that an election rests on.

    ``endpoints`` are its members' client URLs, one at a time is used. ``prefix``: under which keys
    the cluster's own lie. ``session``: how long a worker's lease lasts, in seconds. ``timeout``:
    after how many seconds without an answer another endpoint is asked. ``password_file``, ``ca``,
    ``certificate`` and ``key`` are absolute paths; the last three may hold ``{host}``.
    ``priority`` maps workers to theirs, 0 for the others.
    """

    client: ClassVar[str] = "aiohttp"
    """The module that talks to it."""

    endpoints: tuple[str, ...] = ()
    prefix: str = "/interrex"
    session: float = 5.0
    timeout: float = 1.0
    user: str = ""
    password_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    priority: dict[WorkerName, int] = {}


class ZooKeeper(Spec, frozen=True):
    """How the ZooKeeper ensemble is reached that an election rests on.

    ``hosts`` are its servers, ``host:port`` each. ``root``: under which node the cluster's own
    lies. ``session``: which time-out is asked for, in seconds. ``user`` and ``password_file`` are
    for SASL DIGEST-MD5; with them only that user may read and write the nodes. ``ca``,
    ``certificate`` and ``key`` are for TLS; paths are absolute, these three may hold ``{host}``.
    ``priority`` maps workers to theirs, 0 for the others.
    """

    client: ClassVar[str] = "kazoo"

    hosts: tuple[str, ...] = ()
    root: str = "/interrex"
    session: float = 10.0
    user: str = ""
    password_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    priority: dict[WorkerName, int] = {}


class BalancerSpec(Spec, frozen=True):
    """The load balancer: how many processes a host, which program, and its times in seconds."""

    processes: int = 2
    binary: str | None = None
    threads: int = 1
    connect_timeout: float = 0.1
    client_timeout: float = 60.0
    server_timeout: float = 60.0


class ClusterSpec(Spec, frozen=True):
    """A whole cluster file."""

    name: str
    workers: int = 3
    election: str = "raft"
    require: str = ""
    hosts: tuple[HostSpec, ...] = ()
    tls: Tls | None = None
    timing: Timing = Timing()
    bully: Bully = Bully()
    etcd: Etcd = Etcd()
    zookeeper: ZooKeeper = ZooKeeper()
    balancer: BalancerSpec = BalancerSpec()
    ports: tuple[int, int] = (21000, 31999)
    services: dict[ServiceName, ServiceSpec] = {}


def service_of(spec: ClusterSpec) -> Etcd | ZooKeeper | None:
    """How the coordination service is reached that the cluster's election rests on; None where it
    rests on none."""
    if spec.election not in COORDINATED:
        return None
    service: Etcd | ZooKeeper = getattr(spec, spec.election)
    return service


LOCAL_HOST = HostName("local")
"""The one host of a cluster whose file lists none."""


def hosts_of(spec: ClusterSpec) -> tuple[HostSpec, ...]:
    """The cluster's hosts; the one implied host where the file lists none."""
    return spec.hosts or (HostSpec(name=LOCAL_HOST, workers=spec.workers),)
