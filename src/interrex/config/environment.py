"""Whether this machine has what a cluster file names: programs, folders, users, files, rights.

What is found holds only on the machine, and for the user, that asks.
"""

import os
import stat
from typing import NamedTuple

from interrex.config.document import open_reading
from interrex.config.health import QUESTIONS
from interrex.config.positions import Path
from interrex.config.problems import Problem
from interrex.config.reading import Reading
from interrex.core.ids import HostName
from interrex.core.placeholders import fill, placeholders_in
from interrex.core.spec import LOCAL_HOST, ClusterSpec, ServiceSpec, service_of

_FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
_KERNEL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"


class Findings(NamedTuple):
    """What this machine lacks, and what is odd about it."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check_environment(
    spec: ClusterSpec, path: str | os.PathLike[str] | None = None, host: HostName | None = None
) -> Findings:
    """Compare a cluster file with this machine.

    Args:
        spec: what ``load`` made of the file.
        path: the file itself, so that problems name its lines.
        host: which of the file's hosts this machine is, if it is known.
    """
    reading, _ = open_reading(path) if path is not None else (None, None)
    reading = reading or Reading("", "/", "", {})
    for service in spec.services.values():
        _folder(reading, service)
        _user(reading, service)
        _programs(reading, service)
        _rights(reading, service)
        _listening(reading, spec, service)
    _balancer(reading, spec)
    _tls(reading, spec, host)
    _client(reading, spec, host)
    _kernel_ports(reading, spec)
    return Findings(reading.problems, reading.warnings)


def _client(reading: Reading, spec: ClusterSpec, host: HostName | None) -> None:
    """The client of the service that the election rests on, and the files that it reads."""
    import importlib.util

    path: Path = ("cluster", "election")
    service = service_of(spec)
    if service is None:
        return
    if importlib.util.find_spec(service.client) is None:
        reading.refuse(
            path,
            f"{spec.election} needs {service.client}, which is not installed: "
            f"pip install 'interrex[{spec.election}]'",
        )
    place: Path = (*path, spec.election)
    if service.password_file and not os.access(service.password_file, os.R_OK):
        reading.refuse((*place, "password_file"), f"{service.password_file} cannot be read")
    names = _hosts_here(spec, host)
    for key in ("ca", "certificate", "key"):
        if getattr(service, key):
            _file(reading, (*place, key), getattr(service, key), names)


def _folder(reading: Reading, service: ServiceSpec) -> None:
    path: Path = ("service", service.name, "directory")
    if service.directory is None:
        return
    if not os.path.exists(service.directory):
        reading.refuse(path, f"there is no folder {service.directory}")
    elif not os.path.isdir(service.directory):
        reading.refuse(path, f"{service.directory} is no folder")
    elif not os.access(service.directory, os.X_OK):
        reading.refuse(path, f"{service.directory} cannot be entered by this user")


def _user(reading: Reading, service: ServiceSpec) -> None:
    import pwd

    path: Path = ("service", service.name, "user")
    if service.user is None:
        return
    try:
        uid = pwd.getpwnam(service.user).pw_uid
    except KeyError:
        reading.refuse(path, f"this machine has no user {service.user}")
        return
    if os.geteuid() not in (0, uid):
        reading.refuse(path, f"only root can run a service as {service.user}")


def _programs(reading: Reading, service: ServiceSpec) -> None:
    place: Path = ("service", service.name)
    _program(reading, (*place, "command"), service, service.command[0])
    programs = {}
    for question in QUESTIONS:
        check = getattr(service.health, question)
        if check is not None and check.command:
            short, own = (*place, "health", "exec"), (*place, "health", question, "exec")
            programs[reading.written(own, short)] = check.command[0]
    for path, program in programs.items():
        _program(reading, path, service, program)


def _program(reading: Reading, path: Path, service: ServiceSpec, written: str) -> None:
    if placeholders_in(written):
        return
    program = fill(written, {})
    if "/" in program:
        full = os.path.join(service.directory or os.getcwd(), program)
        if not os.path.exists(full):
            reading.refuse(path, f"there is no program {full}")
        elif not os.path.isfile(full) or not os.access(full, os.X_OK):
            reading.refuse(path, f"{full} is no program that this user may run")
        return
    searched = service.env.get("PATH", os.environ.get("PATH", os.defpath))
    if _which(program, searched) is None:
        reading.refuse(path, f"there is no program {program} on the PATH, which is {searched}")


def _rights(reading: Reading, service: ServiceSpec) -> None:
    import resource

    if os.geteuid() == 0:
        return
    limits = service.limits
    for key, wanted, limit in (
        ("memory", limits.memory_bytes, resource.RLIMIT_AS),
        ("open_files", limits.open_files, resource.RLIMIT_NOFILE),
        ("processes", limits.processes, resource.RLIMIT_NPROC),
        ("core", limits.core_bytes, resource.RLIMIT_CORE),
    ):
        most = resource.getrlimit(limit)[1]
        if wanted is not None and most != resource.RLIM_INFINITY and wanted > most:
            reading.refuse(
                ("service", service.name, "limits", key),
                f"{wanted} is above {most}, this user's own limit; only root can raise it",
            )
    if limits.nice is not None and limits.nice < os.getpriority(os.PRIO_PROCESS, 0):
        reading.refuse(
            ("service", service.name, "limits", "nice"), "only root can give a higher priority"
        )


def _listening(reading: Reading, spec: ClusterSpec, service: ServiceSpec) -> None:
    import socket

    if service.expose is None:
        return
    path: Path = ("service", service.name, "expose")
    first_free = _numbers(_FIRST_FREE_PORT, (1024,))[0]
    if service.expose.port < first_free and os.geteuid() != 0:
        reading.warn(
            path, f"port {service.expose.port} is below {first_free}: only root can listen there"
        )
    if len(spec.hosts) > 1:
        return
    family = socket.AF_INET6 if ":" in service.expose.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((service.expose.address, 0))
    except OSError:
        reading.refuse(path, f"this machine has no address {service.expose.address}")


def _balancer(reading: Reading, spec: ClusterSpec) -> None:
    binary = spec.balancer.binary
    if binary is not None and _which(binary, None) is None:
        reading.refuse(("balancer", "binary"), f"there is no program {binary}")


def _which(program: str, path: str | None) -> str | None:
    import shutil

    return shutil.which(program, path=path)


def _tls(reading: Reading, spec: ClusterSpec, host: HostName | None) -> None:
    if spec.tls is None:
        return
    names = _hosts_here(spec, host)
    for key in ("ca", "certificate", "key"):
        file = _file(reading, ("tls", key), getattr(spec.tls, key), names)
        if file and key == "key" and os.stat(file).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            reading.warn(("tls", key), f"{file} is open to others; chmod 600 it")


def _hosts_here(spec: ClusterSpec, host: HostName | None) -> list[HostName]:
    """Which of the file's hosts this machine may be."""
    if host is not None:
        return [host]
    return [entry.name for entry in spec.hosts] or [LOCAL_HOST]


def _file(reading: Reading, path: Path, template: str, hosts: list[HostName]) -> str:
    """The file that a host reads; refused, and empty, where it cannot."""
    files = [fill(template, {"host": name}) for name in hosts]
    file = next((file for file in files if os.path.exists(file)), files[0])
    if not os.path.exists(file):
        reading.refuse(path, f"there is no file {file}")
    elif not os.path.isfile(file) or not os.access(file, os.R_OK):
        reading.refuse(path, f"{file} cannot be read by this user")
    else:
        return file
    return ""


def _kernel_ports(reading: Reading, spec: ClusterSpec) -> None:
    low, high = _numbers(_KERNEL_PORTS, (32768, 60999))[:2]
    first, last = spec.ports
    if first <= high and low <= last:
        reading.warn(
            ("cluster", "ports"),
            f"{first} to {last} overlap {low} to {high}, which the kernel gives to outgoing "
            "connections: a replica may find its port taken",
        )


def _numbers(file: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers in one of the kernel's files; what its manual says where it cannot be read."""
    try:
        with open(file) as stream:
            return tuple(map(int, stream.read().split()))
    except OSError:
        return otherwise
