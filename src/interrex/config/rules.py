"""What must hold between keys.

A rule is applied only where none of the values it compares was refused by itself.
"""

import math
from itertools import combinations

from interrex.config.kinds import show_expose
from interrex.config.positions import Path
from interrex.config.problems import nearest
from interrex.config.reading import Reading
from interrex.config.schema import MOST_WORKERS
from interrex.config.values import show_duration, split_address
from interrex.core.sizes import refusal_of
from interrex.core.spec import COORDINATED, WITH_OPTIONS, ClusterSpec, Expose, HostSpec, Timing
from interrex.core.state import workers_of
from interrex.elections.guarantees import unmet

CLOCK_ERROR = 0.1
"""How much faster one clock may run than another: a leader counts on so much less."""

LEAST_HEARTBEATS = 3
"""How many heartbeats must fit into the election time-out."""

LEAST_MARGIN = 0.02
"""What must remain to a leader after a lost heartbeat, in seconds."""


def leader_margin(timing: Timing) -> float:
    """How late a leader's heartbeat may be answered before it must stop leading, in seconds.

    Its followers are silent for one election time-out after a heartbeat that they answered, so a
    leader believes in itself for that long after it *sent* the last one that a majority answered,
    less the error of the clocks. Should the next be lost, the one after it is sent two heartbeats
    later: what then remains has to cover the round trip, the followers' disks and a busy scheduler.
    With nothing remaining, one lost packet deposes a healthy leader.
    """
    return round(timing.election_timeout * (1 - CLOCK_ERROR) - 2 * timing.heartbeat, 9)


def least_election_timeout(heartbeat: float) -> float:
    """The shortest election time-out that a heartbeat allows, in seconds, in whole ms."""
    for_margin = (2 * heartbeat + LEAST_MARGIN) / (1 - CLOCK_ERROR)
    return math.ceil(round(max(LEAST_HEARTBEATS * heartbeat, for_margin) * 1000, 6)) / 1000


def check_rules(reading: Reading, spec: ClusterSpec) -> None:
    """Apply every rule to what was read, and note what is refused."""
    _required(reading, spec)
    _priorities(reading, spec)
    _election_times(reading, spec.timing)
    _detection_times(reading, spec.timing)
    _restarts(reading, spec)
    _hosts(reading, spec)
    _workers(reading, spec)
    _exposed(reading, spec)
    _ports(reading, spec)
    _sizes(reading, spec)


def _required(reading: Reading, spec: ClusterSpec) -> None:
    path: Path = ("cluster", "require")
    missing = unmet(spec) if reading.sound(("cluster",)) else ""
    if missing:
        reading.refuse(path, missing)


def _priorities(reading: Reading, spec: ClusterSpec) -> None:
    workers = workers_of(spec)
    for election in WITH_OPTIONS:
        table = ("cluster", "election") if election in COORDINATED else ("cluster",)
        path: Path = (*table, election, "priority")
        if not reading.sound(path, ("cluster", "workers"), ("host",)):
            continue
        for name in getattr(spec, election).priority:
            if name not in workers:
                near = nearest(name, tuple(workers))
                advice = f"did you mean {near}?" if near else f"they are {', '.join(workers)}"
                reading.refuse((*path, name), f"there is no such worker; {advice}")


def _election_times(reading: Reading, timing: Timing) -> None:
    beat: Path = ("cluster", "timing", "heartbeat")
    timeout: Path = ("cluster", "timing", "election_timeout")
    least = least_election_timeout(timing.heartbeat)
    if timing.election_timeout >= least or not reading.sound(beat, timeout):
        return
    margin = leader_margin(timing)
    reason = (
        f"only {show_duration(margin)} remain to a leader after a lost heartbeat"
        if margin > 0
        else "one lost heartbeat would depose a healthy leader"
    )
    reading.refuse(
        reading.written(timeout, beat),
        f"{show_duration(timing.election_timeout)} is too short for a heartbeat of "
        f"{show_duration(timing.heartbeat)}: {reason}; the least is {show_duration(least)}",
    )


def _detection_times(reading: Reading, timing: Timing) -> None:
    table: Path = ("cluster", "timing")
    faults = [
        (longer, shorter, reason)
        for longer, shorter, reason in (
            ("silent_worker", "election_timeout", "a slow leader would be killed, not replaced"),
            ("lost_host", "silent_worker", "its silent worker would not be killed in time"),
            ("lost_host", "respawn_grace", "it would be given up while its worker restarts"),
        )
        if getattr(timing, longer) <= getattr(timing, shorter)
        and reading.sound((*table, longer), (*table, shorter))
    ]
    for longer, shorter, reason in faults:
        reading.refuse(
            reading.written((*table, longer), (*table, shorter)),
            f"{longer} {show_duration(getattr(timing, longer))} must be longer than {shorter} "
            f"{show_duration(getattr(timing, shorter))}: {reason}",
        )


def _restarts(reading: Reading, spec: ClusterSpec) -> None:
    for name, service in spec.services.items():
        table: Path = ("service", name, "restart")
        base, longest = service.restart.base_delay, service.restart.max_delay
        if longest < base and reading.sound((*table, "base_delay"), (*table, "max_delay")):
            reading.refuse(
                reading.written((*table, "max_delay"), (*table, "base_delay")),
                f"the longest delay {show_duration(longest)} is shorter than the base delay "
                f"{show_duration(base)}",
            )


def _hosts(reading: Reading, spec: ClusterSpec) -> None:
    if not reading.sound(("host",)):
        return
    for index, host in enumerate(spec.hosts):
        path: Path = ("host", index)
        if any(host.name == earlier.name for earlier in spec.hosts[:index]):
            reading.refuse((*path, "name"), f"a second host is called {host.name}")
        if not host.address:
            if len(spec.hosts) > 1:
                reading.refuse((*path, "address"), f"is missing; others reach {host.name} by it")
            continue
        last = max(_worker_ports(host))
        if last > 65535:
            reading.refuse((*path, "address"), f"its last worker would listen on port {last}")
        for other in spec.hosts[:index]:
            if other.address and _share_a_port(host, other):
                reading.refuse(
                    (*path, "address"),
                    f"its workers' {_show_ports(host)} overlap {_show_ports(other)} of "
                    f"{other.name}'s",
                )
                break
    if len(spec.hosts) > 1 and spec.tls is None and reading.sound(("tls",)):
        reading.refuse(
            ("host",),
            f"{len(spec.hosts)} hosts need a [tls] table: workers trust each other by certificate",
        )


def _worker_ports(host: HostSpec) -> range:
    """The ports on which a host's workers listen for other hosts."""
    if not host.address:
        return range(0)
    first = split_address(host.address, "")[1]
    return range(first, first + host.workers)


def _show_ports(host: HostSpec) -> str:
    ports = _worker_ports(host)
    return f"ports {ports.start} to {ports.stop - 1}"


def _share_a_port(one: HostSpec, other: HostSpec) -> bool:
    same_address = split_address(one.address, "")[0] == split_address(other.address, "")[0]
    ports, others = _worker_ports(one), _worker_ports(other)
    return same_address and ports.start < others.stop and others.start < ports.stop


def _workers(reading: Reading, spec: ClusterSpec) -> None:
    if not spec.hosts or not reading.sound(("cluster", "workers"), ("host",)):
        return
    on_hosts = sum(host.workers for host in spec.hosts)
    if on_hosts != spec.workers:
        reading.refuse(
            ("cluster", "workers"),
            f"is {spec.workers}, but the hosts have {on_hosts} workers together; leave it out",
        )
    elif on_hosts > MOST_WORKERS:
        reading.refuse(
            ("host",),
            f"the hosts have {on_hosts} workers together; each has a vote, so {MOST_WORKERS} at "
            "most",
        )


def overlap(one: Expose, other: Expose) -> bool:
    """Whether two listening addresses exclude each other."""
    addresses = (one.address, other.address)
    same_family = (":" in one.address) == (":" in other.address)
    clash = (
        one.address == other.address
        or "::" in addresses  # on Linux it takes the IPv4 addresses too
        or ("0.0.0.0" in addresses and same_family)
    )
    return one.port == other.port and clash


def _exposed(reading: Reading, spec: ClusterSpec) -> None:
    exposed = {
        name: service.expose
        for name, service in spec.services.items()
        if service.expose is not None
    }
    for (first, one), (second, other) in combinations(exposed.items(), 2):
        if overlap(one, other):
            reading.refuse(
                ("service", second, "expose"),
                f"{show_expose(other)} overlaps {show_expose(one)} of {first}",
            )
    for name, expose in exposed.items():
        for host in spec.hosts:
            if expose.port not in _worker_ports(host):
                continue
            listening = Expose(port=expose.port, address=split_address(host.address, "")[0])
            if overlap(expose, listening):
                reading.refuse(
                    ("service", name, "expose"),
                    f"{show_expose(expose)} overlaps {show_expose(listening)}, where a worker of "
                    f"{host.name} listens",
                )


def _sizes(reading: Reading, spec: ClusterSpec) -> None:
    first, last = spec.ports
    if sum(service.replicas for service in spec.services.values()) > last - first + 1:
        return  # told already
    problem = refusal_of(spec)
    if problem:
        replicas = [("service", name, "replicas") for name in spec.services]
        reading.refuse(reading.written(*replicas, ("service",)), f"is too large: {problem}")


def _ports(reading: Reading, spec: ClusterSpec) -> None:
    path: Path = ("cluster", "ports")
    if not reading.sound(path):
        return
    first, last = spec.ports
    for name, service in spec.services.items():
        if service.expose is not None and first <= service.expose.port <= last:
            reading.refuse(
                ("service", name, "expose"),
                f"port {service.expose.port} lies within the replicas' own ports {first} to {last}",
            )
    for index, host in enumerate(spec.hosts):
        ports = _worker_ports(host)
        if ports and ports.start <= last and first < ports.stop:
            reading.refuse(
                ("host", index, "address"),
                f"port {ports.start} lies within the replicas' own ports {first} to {last}",
            )
    needed = sum(service.replicas for service in spec.services.values())
    available = last - first + 1
    if needed > available:
        reading.refuse(
            reading.written(path, *(("service", name, "replicas") for name in spec.services)),
            f"{needed} replicas need a port each, but {first} to {last} are only {available}",
        )
