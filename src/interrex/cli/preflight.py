"""What can be known to go wrong before anything is started: ports, descriptors, this machine."""

import os
import resource
import socket

from interrex.cli.exits import CommandError, Exit
from interrex.config import check_environment
from interrex.core.ids import BALANCER, HostName, SlotName, service_of
from interrex.core.spec import ClusterSpec, ServiceSpec, hosts_of
from interrex.core.state import workers_of
from interrex.runtime.callers import allowance
from interrex.runtime.layout import Layout
from interrex.runtime.procfs import find_instances
from interrex.runtime.records import Instances
from interrex.runtime.unsupervised import recorded_replicas

FILES_FOR_ITSELF = 128
FILES_EACH_REPLICA = 6
"""What a worker may hold open for a replica: record, log, pidfd, and its checks' connections."""


def check_machine(spec: ClusterSpec, file: str, host: HostName) -> list[str]:
    """Compare a file with this machine.

    Returns:
        What is odd but allowed.

    Raises:
        CommandError: what cannot work, all of it.
    """
    problems, warnings = check_environment(spec, file, host)
    if problems:
        raise CommandError("\n".join(map(str, problems)), Exit.USAGE)
    return [str(warning) for warning in warnings]


def check_resources(layout: Layout, spec: ClusterSpec, host: HostName) -> None:
    """Whether the workers' sockets, descriptors and exposed ports can be had.

    Raises:
        InterrexError: a socket's path is too long.
        CommandError: too few descriptors, or a port that a stranger holds.
    """
    names = [name for name, home in workers_of(spec).items() if home == host]
    layout.check_socket_paths(names)
    check_descriptors(spec)
    ours = _our_inodes(layout, host)
    for service in spec.services.values():
        if service.expose is not None:
            _check_port(service, ours)


def check_descriptors(spec: ClusterSpec) -> None:
    """Raises CommandError where a worker that had to take all replicas of a host could not."""
    replicas = sum(service.replicas for service in spec.services.values())
    replicas = -(-replicas // len(hosts_of(spec))) + spec.balancer.processes
    needed = allowance(FILES_FOR_ITSELF + FILES_EACH_REPLICA * replicas)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise CommandError(
            f"too few file descriptors: {soft} are allowed, and a worker may need {needed} for "
            f"{replicas} replicas\nraise the limit first: ulimit -n {max(4096, needed)}"
        )


def _check_port(service: ServiceSpec, ours: set[int]) -> None:
    expose = service.expose
    assert expose is not None
    family = socket.AF_INET6 if ":" in expose.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((expose.address, expose.port))
        except OSError as error:
            if _listening_inodes(expose.port) & ours:
                return
            raise CommandError(
                f"service {service.name} cannot be exposed on {expose.address}:{expose.port}: "
                f"{error.strerror}\nend what listens there (see: ss -ltnp), or choose another "
                f"port for service.{service.name}.expose"
            ) from error


def _our_inodes(layout: Layout, host: HostName) -> set[int]:
    """The sockets that this cluster's own balancers hold open, where some are still running."""
    found = recorded_replicas(layout)
    if not any(one.alive for one in found if service_of(one.record.slot) == BALANCER):
        return set()
    instances = Instances(layout.host(host))
    slots = {one.record.slot for one in found if service_of(one.record.slot) == BALANCER}
    pids = [pid for slot in slots for pid in find_instances(instances.prefix(SlotName(slot)))]
    return {inode for pid in pids for inode in _socket_inodes(pid)}


def _socket_inodes(pid: int) -> set[int]:
    folder = f"/proc/{pid}/fd"
    inodes = set()
    try:
        for name in os.listdir(folder):
            target = os.readlink(f"{folder}/{name}")
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    except OSError:
        return inodes  # it has died, or closed one meanwhile: what was found is enough
    return inodes


def _listening_inodes(port: int) -> set[int]:
    """The sockets that listen on a port, from the kernel's own tables."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        with open(table) as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                    inodes.add(int(fields[9]))
    return inodes
