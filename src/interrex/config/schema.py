"""Every key of the cluster file: what it is, what it means, what holds without it."""

from interrex.config.coordination import ETCD, ZOOKEEPER, election
from interrex.config.health import HEALTH, HTTP, LIVENESS, READINESS, STARTUP, read_health
from interrex.config.kinds import (
    choice,
    command,
    duration,
    environment,
    expose,
    host_address,
    label,
    number,
    path,
    port_range,
    program,
    ranks,
    size,
    stop_signal,
    truth,
    user_name,
    whole,
)
from interrex.config.tables import Key, Kind, Section, table_of
from interrex.core.quorum import MAX_VOTERS
from interrex.core.spec import (
    ELECTIONS,
    REQUIREMENTS,
    BalancerSpec,
    Bully,
    ClusterSpec,
    HostSpec,
    Limits,
    LogFiles,
    Restart,
    ServiceSpec,
    Timing,
    Tls,
)

MOST_WORKERS = MAX_VOTERS
"""How many workers a cluster can have: each has a vote."""

TIMING = Section(
    "cluster.timing",
    "The times of the election and of detection. The defaults suit one machine or one data centre.",
    Timing,
    (
        Key("heartbeat", duration(0.005), "time between two of the leader's signs of life"),
        Key(
            "election_timeout",
            duration(0.01),
            "silence after which a leader is suspected; a leader believes in itself for nine "
            "tenths of it after sending the last heartbeat that a majority answered",
        ),
        Key(
            "silent_worker",
            duration(),
            "silence after which a worker that still runs is killed and replaced",
        ),
        Key(
            "respawn_grace",
            duration(),
            "how long the replicas of a dead worker wait for it to be back before another "
            "worker of their host takes them over",
        ),
        Key(
            "lost_host",
            duration(),
            "silence after which a whole host is given up and its replicas are started elsewhere",
        ),
        Key(
            "leaderless_respawn",
            duration(),
            "how long a dead worker waits for a leader before any worker of its host restarts it",
        ),
    ),
)
BULLY = Section(
    "cluster.bully",
    'Options of `election = "bully"`; docs/bully.md says what each costs.',
    Bully,
    (
        Key(
            "quorum",
            truth,
            "only a majority of the workers may lead and acknowledge changes; without it every "
            "part of a network that fell apart has a leader of its own",
        ),
        Key(
            "preempt",
            truth,
            "the highest worker takes over from a lower leader as soon as it is back; without it "
            "only when that leader is gone",
        ),
        Key(
            "priority",
            ranks,
            "of workers, by name: the highest that is up leads; of equals the one whose name is "
            "last",
            default="0 for each worker",
        ),
    ),
)
CLUSTER = Section(
    "cluster",
    "The fleet as a whole.",
    ClusterSpec,
    (
        Key("name", label, "the fleet's name: its folder and its metrics go by it", required=True),
        Key(
            "workers",
            whole(1, MOST_WORKERS),
            "how many workers (orchestrator processes) run; an odd number, as each has a vote. "
            "Where hosts are listed they say it, and this may be left out",
            default="3, or the sum over the hosts",
        ),
        Key(
            "election",
            election,
            f"the algorithm that elects a leader: {', '.join(f'`{name}`' for name in ELECTIONS)}; "
            "or a table with the coordination service that it rests on, see "
            "[cluster.election.etcd] and [cluster.election.zookeeper]",
        ),
        Key(
            "require",
            choice("text", REQUIREMENTS, REQUIREMENTS),
            "`fenced` refuses an election under which two leaders at one time could both get "
            "changes acknowledged",
            default="nothing is required",
        ),
        Key(
            "ports",
            port_range,
            "the ports that replicas get, first and last; outside the kernel's own range",
        ),
        Key("timing", table_of(TIMING), "see [cluster.timing]"),
        Key("bully", table_of(BULLY), "see [cluster.bully]"),
    ),
)
BALANCER = Section(
    "balancer",
    "The load balancer that stands before the exposed services.",
    BalancerSpec,
    (
        Key("processes", whole(1, 8), "how many HAProxy processes run on each host"),
        Key("binary", program, "the HAProxy to run", default="the one that comes with Interrex"),
        Key("threads", whole(1, 64), "threads of each process"),
        Key("connect_timeout", duration(), "how long a connection to a replica may take"),
        Key("client_timeout", duration(), "how long a client may be silent"),
        Key("server_timeout", duration(), "how long a replica may be silent within a request"),
    ),
)
LIMITS = Section(
    "service.NAME.limits",
    "Resource limits of each replica's process, as setrlimit(2) knows them.",
    Limits,
    (
        Key(
            "memory",
            size(1024 * 1024),
            "memory that a process may write privately",
            "memory_bytes",
            "no limit",
        ),
        Key("open_files", whole(16), "open files", default="as for Interrex"),
        Key("processes", whole(1), "processes and threads of its user", default="as for Interrex"),
        Key("core", size(0), "size of a core dump", "core_bytes", "as for Interrex"),
        Key(
            "nice", whole(-20, 19), "scheduling priority, 19 the lowest", default="as for Interrex"
        ),
    ),
)
RESTART = Section(
    "service.NAME.restart",
    "How a replica that died is started again: ever later, for ever.",
    Restart,
    (
        Key("first_delay", duration(0), "before the first new start"),
        Key("base_delay", duration(), "before the second"),
        Key("factor", number(1, 100), "each further delay is so many times as long"),
        Key("max_delay", duration(), "the longest delay"),
        Key("reset_after", duration(), "having run so long, it begins anew with the first delay"),
    ),
)
LOGS = Section(
    "service.NAME.logs",
    "The files that a replica's output goes to.",
    LogFiles,
    (
        Key("max_size", size(4096), "a file of this size is rotated", "max_bytes"),
        Key("keep", whole(0, 1000), "how many old files are kept"),
    ),
)
SERVICE = Section(
    "service.NAME",
    "A program that is kept running.",
    ServiceSpec,
    (
        Key(
            "command",
            command,
            "the program and its arguments; a text is split as a shell would, but no shell runs it",
            required=True,
        ),
        Key("replicas", whole(0, 10_000), "how many of it run"),
        Key(
            "expose",
            expose,
            "where clients reach it through the load balancer; a port alone listens on 127.0.0.1",
            default="not exposed",
        ),
        Key("env", environment, "environment variables, besides those of Interrex itself"),
        Key("directory", path("path"), "the working directory", default="the file's own folder"),
        Key("user", user_name, "the user it runs as", default="the one that runs Interrex"),
        Key("stop_signal", stop_signal, "the signal that asks it to stop"),
        Key("stop_timeout", duration(0), "how long it may take to stop; then it is killed"),
        Key("limits", table_of(LIMITS), "see [service.NAME.limits]"),
        Key("health", Kind("table", read_health, lambda health: ""), "see [service.NAME.health]"),
        Key("restart", table_of(RESTART), "see [service.NAME.restart]"),
        Key("logs", table_of(LOGS), "see [service.NAME.logs]"),
    ),
)
HOST = Section(
    "host",
    "A machine, written [[host]] once for each. Without any, everything runs on this one.",
    HostSpec,
    (
        Key("name", label, "names the host", required=True),
        Key(
            "address",
            host_address,
            "where its first worker listens for the others; each further worker one port higher",
            default="none; required for more than one host",
        ),
        Key("workers", whole(1, MOST_WORKERS), "how many workers run on it"),
    ),
)
TLS = Section(
    "tls",
    "Certificates for the connections between hosts. Each path may hold {host}.",
    Tls,
    tuple(
        Key(name, path("path", ("host",)), meaning, required=True)
        for name, meaning in (
            ("ca", "the cluster's own certificate authority"),
            ("certificate", "the host's certificate"),
            ("key", "the host's private key"),
        )
    ),
)

SECTIONS: tuple[Section, ...] = (
    CLUSTER,
    TIMING,
    BULLY,
    ETCD,
    ZOOKEEPER,
    BALANCER,
    SERVICE,
    HEALTH,
    HTTP,
    STARTUP,
    READINESS,
    LIVENESS,
    LIMITS,
    RESTART,
    LOGS,
    HOST,
    TLS,
)
"""All tables, in the order of the reference."""

TOP_LEVEL = ("cluster", "balancer", "service", "host", "tls")


def default_of(section: Section, key: Key) -> str:
    """What holds without the key, as it would be written; empty for a table."""
    if key.required:
        return "required"
    if key.default or section.spec is None:
        return key.default
    from msgspec.structs import fields

    field = next(entry for entry in fields(section.spec) if entry.name == (key.field or key.name))
    value = field.default_factory() if callable(field.default_factory) else field.default
    return key.kind.show(value)
