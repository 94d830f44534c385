"""From a cluster file to a ``ClusterSpec``, or to everything that is wrong with it."""

import os
import stat
from typing import Any, NamedTuple

from interrex.config.kinds import service_label
from interrex.config.oddities import note_oddities
from interrex.config.positions import Path
from interrex.config.problems import ConfigError, Problem, Refused, shown
from interrex.config.reading import Reading
from interrex.config.rules import check_rules
from interrex.config.schema import BALANCER, CLUSTER, HOST, SERVICE, TLS, TOP_LEVEL
from interrex.config.syntax import LARGEST, parse
from interrex.config.tables import Kind, Noted, read_keys, refuse_unknown, table_of
from interrex.core.ids import ServiceName
from interrex.core.spec import BalancerSpec, ClusterSpec, HostSpec, ServiceSpec


class Checked(NamedTuple):
    """What was made of a file: ``spec`` is None exactly if there are problems."""

    spec: ClusterSpec | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def load(path: str | os.PathLike[str]) -> ClusterSpec:
    """Read a cluster file.

    Paths in it (``directory``, ``tls``, ``balancer.binary``) come out absolute. Nothing outside
    the file is looked at: whether programs, users and folders exist is ``check_environment``'s.

    Raises:
        ConfigError: the file cannot be used; the error carries every problem, with its line.
    """
    checked = check(path)
    if checked.spec is None:
        raise ConfigError(checked.problems)
    return checked.spec


def check(path: str | os.PathLike[str]) -> Checked:
    """Read a cluster file, and say what is wrong with it and what is odd, instead of raising."""
    reading, problem = open_reading(path)
    if reading is None:
        return Checked(None, (problem,) if problem else (), ())
    return read(reading)


def open_reading(path: str | os.PathLike[str]) -> tuple[Reading | None, Problem | None]:
    """The parsed file; or the problem that keeps it from being parsed."""
    file = os.fspath(path)
    try:
        data = _content(file)
    except Refused as refusal:
        return None, Problem(file, 0, 0, "", str(refusal))
    except FileNotFoundError:
        return None, Problem(file, 0, 0, "", "there is no such file")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is no file's name"
        return None, Problem(file, 0, 0, "", f"cannot be read: {reason}")
    text, root, problem = parse(file, data)
    if problem is not None:
        return None, problem
    folder = os.path.dirname(os.path.abspath(file))
    return Reading(file, folder, text, root), None


def _content(file: str) -> bytes:
    """The bytes of a regular file. Whatever else has that name is not waited for.

    Raises:
        Refused: it is no regular file, or too large.
        OSError: it cannot be read; ``ValueError`` where its name is none.
    """
    # Not blocking: opening a pipe would wait for somebody who writes.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
            raise Refused(f"is {kind}, not a file")
        if found.st_size > LARGEST:
            raise Refused(f"is {found.st_size} bytes large; a cluster file has at most {LARGEST}")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(LARGEST + 1)
    finally:
        os.close(descriptor)


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read(reading: Reading) -> Checked:
    """What the parsed file means, or everything that is wrong with it."""
    spec = _read(reading)
    check_rules(reading, spec)
    if reading.problems:
        return Checked(None, reading.problems, ())
    note_oddities(reading, spec)
    return Checked(spec, (), reading.warnings)


def _read(reading: Reading) -> ClusterSpec:
    root = reading.root
    for name in root:
        if name not in TOP_LEVEL:
            refuse_unknown(reading, (name,), TOP_LEVEL)
    cluster = _section(reading, "cluster", _CLUSTER_KEYS) if "cluster" in root else None
    if "cluster" not in root:
        reading.refuse(("cluster",), "is missing; a file begins with [cluster] and a name")
    balancer = _section(reading, "balancer", table_of(BALANCER)) or BalancerSpec()
    tls = _section(reading, "tls", table_of(TLS))
    hosts = _hosts(reading)
    services = _services(reading)
    values = {"name": "unnamed", **(cluster or {})}
    if "election" in values:
        name, options = values.pop("election")
        values |= {"election": name} if options is None else {"election": name, name: options}
    if hosts and "workers" not in values:
        values["workers"] = sum(host.workers for host in hosts)
    return ClusterSpec(**values, balancer=balancer, tls=tls, hosts=hosts, services=services)


_CLUSTER_KEYS: Kind[dict[str, Any]] = Kind(
    "table", lambda reading, path, value: read_keys(reading, path, value, CLUSTER), str
)


def _section(reading: Reading, name: str, kind: Kind[Any]) -> Any:
    return _read_at(reading, (name,), reading.root[name], kind) if name in reading.root else None


def _read_at(reading: Reading, path: Path, value: object, kind: Kind[Any]) -> Any:
    """The value at a path; None, with the problem noted, if it cannot be used."""
    try:
        return kind.read(reading, path, value)
    except Refused as refusal:
        reading.refuse(path, str(refusal))
        return None
    except Noted:
        return None


def _hosts(reading: Reading) -> tuple[HostSpec, ...]:
    tables = reading.root.get("host", [])
    if not isinstance(tables, list):
        reading.refuse(("host",), "is one table; hosts are a list, so write [[host]] for each")
        return ()
    hosts = []
    for index, table in enumerate(tables):
        host = _read_at(reading, ("host", index), table, table_of(HOST))
        if host is not None:
            hosts.append(host)
    return tuple(hosts)


def _services(reading: Reading) -> dict[ServiceName, ServiceSpec]:
    tables = reading.root.get("service", {})
    if not isinstance(tables, dict):
        example = "write [service.web] for a service called web"
        reading.refuse(("service",), f"is {shown(tables)}; {example}")
        return {}
    services = {}
    for name, table in tables.items():
        path = ("service", name)
        if _read_at(reading, path, name, service_label) is None:
            continue
        values = _read_at(reading, path, table, _SERVICE_KEYS)
        if values is None:
            continue
        values = {"directory": reading.folder, "command": ("missing",), **values}
        services[ServiceName(name)] = ServiceSpec(name=ServiceName(name), **values)
    return services


_SERVICE_KEYS: Kind[dict[str, Any]] = Kind(
    "table", lambda reading, path, value: read_keys(reading, path, value, SERVICE), str
)
