"""Elections that rest on a coordination service outside: how the file says where it is.

``election = { etcd = "http://127.0.0.1:2379" }`` is short for a table of its own,
``[cluster.election.etcd]``, with ``endpoints`` and whatever else is not as usual.
"""

import math
import re
from typing import Any, NamedTuple

from interrex.config.kinds import duration, path, plain, ranks
from interrex.config.positions import Path
from interrex.config.problems import Refused, nearest, shown
from interrex.config.reading import Reading
from interrex.config.tables import Key, Kind, Noted, Section, refuse_unknown, table_of
from interrex.config.values import parse_host_address, parse_text, show_duration, split_address
from interrex.core.spec import COORDINATED, ELECTIONS, Etcd, ZooKeeper
from interrex.core.time import S
from interrex.elections.etcd import settings as etcd
from interrex.elections.zookeeper import settings as zookeeper

TRIES = 3
"""So many questions must go unanswered before a session is in danger."""

_URL = re.compile(r"(https?)://([^/]+)/?", re.ASCII)


class Chosen(NamedTuple):
    """An election, and how its coordination service is reached, where it has one."""

    name: str
    options: Etcd | ZooKeeper | None = None


def _parse_endpoints(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise Refused("names no endpoint")
    return tuple(_parse_endpoint(item) for item in items)


def _parse_endpoint(value: object) -> str:
    text = parse_text(value)
    found = _URL.fullmatch(text)
    if found is None:
        raise Refused(f'{shown(text)} is no endpoint; write it like "http://127.0.0.1:2379"')
    split_address(found.group(2), '"http://127.0.0.1:2379"')
    return text.rstrip("/")


def _parse_hosts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else parse_text(value).split(",")
    if not items:
        raise Refused("names no host")
    return tuple(parse_host_address(item) for item in items)


def _parse_prefix(value: object) -> str:
    text = parse_text(value)
    if re.fullmatch(r"/[A-Za-z0-9._/-]{0,200}", text, re.ASCII) is None:
        raise Refused(f"{shown(text)} is no prefix; begin with / and use letters, digits, . _ -")
    return text.rstrip("/")


_TIMES = (
    Key(
        "session",
        duration(etcd.LEAST_SESSION_S),
        "how long a worker's lease lasts: when nobody can tell that a leader is dead, another "
        "leads after so long. Whole seconds, and never less than what etcd grants",
    ),
    Key(
        "timeout",
        duration(0.05),
        "silence after which another endpoint is asked; three of them must fit into nine tenths of "
        "the session, which is what a leader counts on",
    ),
)
ETCD = Section(
    "cluster.election.etcd",
    'Options of the election by an etcd cluster. `election = { etcd = "http://127.0.0.1:2379" }` '
    "is short for a table with `endpoints` alone; docs/etcd.md says what it promises.",
    Etcd,
    (
        Key(
            "endpoints",
            plain("URL, or list of them", _parse_endpoints, ", ".join),
            "where etcd's members answer clients: `http://` or `https://`, host and port",
            default="required",
            required=True,
        ),
        Key("prefix", plain("text", _parse_prefix), "under which keys the cluster's own lie"),
        *_TIMES,
        Key("user", plain("text", parse_text), "etcd's user", default="nobody"),
        Key("password_file", path("path"), "a file with its password", default="none"),
        Key("ca", path("path", ("host",)), "who signs etcd's certificates", default="the system's"),
        Key(
            "certificate",
            path("path", ("host",)),
            "what the workers show to etcd; may hold {host}",
            default="none",
        ),
        Key("key", path("path", ("host",)), "that certificate's key", default="none"),
        Key(
            "priority",
            ranks,
            "of workers, by name: when a leader is gone the highest goes first",
            default="0 for each worker",
        ),
    ),
)
ZOOKEEPER = Section(
    "cluster.election.zookeeper",
    'Options of the election by a ZooKeeper ensemble. `election = { zookeeper = "127.0.0.1:2181" }`'
    " is short for a table with `hosts` alone; docs/zookeeper.md says what it promises.",
    ZooKeeper,
    (
        Key(
            "hosts",
            plain("host:port, or list of them", _parse_hosts, ", ".join),
            "where ZooKeeper's servers answer clients",
            default="required",
            required=True,
        ),
        Key("root", plain("text", _parse_prefix), "the node that the cluster's own lies under"),
        Key(
            "session",
            duration(zookeeper.LEAST_SESSION_S),
            "which session time-out is asked for: when nobody can tell that a leader is dead, "
            "another leads after so long. ZooKeeper grants 2 to 20 of its ticks",
        ),
        Key(
            "user",
            plain("text", parse_text),
            "ZooKeeper's user, by SASL; only that user may then read and write the nodes",
            default="nobody",
        ),
        Key("password_file", path("path"), "a file with its password", default="none"),
        Key(
            "ca",
            path("path", ("host",)),
            "who signs ZooKeeper's certificates; asks for TLS",
            default="no TLS",
        ),
        Key(
            "certificate",
            path("path", ("host",)),
            "what the workers show to ZooKeeper; may hold {host}",
            default="none",
        ),
        Key("key", path("path", ("host",)), "that certificate's key", default="none"),
        Key(
            "priority",
            ranks,
            "of workers, by name: when a leader is gone the highest goes first",
            default="0 for each worker",
        ),
    ),
)
_SECTIONS = {"etcd": ETCD, "zookeeper": ZOOKEEPER}


def _read_election(reading: Reading, place: Path, value: object) -> Chosen:
    if isinstance(value, dict):
        return _read_service(reading, place, value)
    text = parse_text(value)
    if text in ELECTIONS:
        return Chosen(text)
    if text in COORDINATED:
        key = _SECTIONS[text].keys[0].name
        raise Refused(f"{text} needs to know where it is; write [cluster.election.{text}] {key}")
    near = nearest(text, (*ELECTIONS, *COORDINATED))
    advice = f"did you mean {near}?" if near else f"write {' or '.join(ELECTIONS)}"
    raise Refused(f"{shown(text)} is not known; {advice}")


def _read_service(reading: Reading, place: Path, table: dict[str, Any]) -> Chosen:
    unknown = [name for name in table if name not in COORDINATED]
    for name in unknown:
        refuse_unknown(reading, (*place, name), COORDINATED)
    if unknown:
        raise Noted
    if len(table) != 1:
        raise Refused(f"has to name one coordination service: {' or '.join(COORDINATED)}")
    ((name, value),) = table.items()
    section = _SECTIONS[name]
    path = (*place, name)
    if isinstance(value, dict):
        options = table_of(section).read(reading, path, value)
    else:
        key = section.keys[0]
        try:
            options = section.spec(**{key.name: key.kind.read(reading, path, value)})  # type: ignore[misc]
        except Refused as refusal:
            reading.refuse(path, str(refusal))
            raise Noted from None
    _check(reading, path, options)
    return Chosen(name, options)


def _check(reading: Reading, path: Path, options: Etcd | ZooKeeper) -> None:
    if isinstance(options, Etcd):
        _check_times(reading, path, options)
        _check_endpoints(reading, path, options)
    else:
        _check_once(reading, path, "hosts", options.hosts)
    for one, other in (
        ("user", "password_file"),
        ("password_file", "user"),
        ("certificate", "key"),
        ("key", "certificate"),
    ):
        if getattr(options, one) and not getattr(options, other):
            reading.refuse((*path, one), f"is of no use without {other}")


def _check_endpoints(reading: Reading, path: Path, options: Etcd) -> None:
    """A password is not to go out in clear text where certificates are given."""
    _check_once(reading, path, "endpoints", options.endpoints)
    clear = next((one for one in options.endpoints if one.startswith("http://")), "")
    for key in ("ca", "certificate"):
        if clear and getattr(options, key):
            reading.refuse((*path, key), f"is of no use for {clear}; write https://")


def _check_once(reading: Reading, path: Path, key: str, servers: tuple[str, ...]) -> None:
    twice = next((one for one in servers if servers.count(one) > 1), "")
    if twice:
        reading.refuse(reading.written((*path, key), path), f"names {twice} twice")


def _check_times(reading: Reading, path: Path, options: Etcd) -> None:
    """A leader counts on a part of its session only: it has to ask another endpoint within that."""
    seconds = math.ceil(options.session)
    believed = etcd.EtcdSettings(ttl_s=seconds).believed(seconds)
    if TRIES * options.timeout * S >= believed:
        reading.refuse(
            reading.written((*path, "timeout"), (*path, "session")),
            f"{TRIES} time-outs of {show_duration(options.timeout)} do not fit into the "
            f"{show_duration(believed / S)} that count of a session of "
            f"{show_duration(options.session)}",
        )


election: Kind[Chosen] = Kind("text, or table", _read_election, str)
