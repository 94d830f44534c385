"""The file that a balancer process starts from.

It holds the whole table, so that a restarted process is right at once. All but the servers makes
up its *shape*: a running process can take over servers through its socket, and needs a reload
when the shape differs. It tells its own shape in the ``description`` of ``show info``.

Every name of a file or socket is relative to the folder above the slots' own ones: Unix socket
paths stay short, and no two processes of a host have a socket of the same name (a process that
starts with ``-x`` takes over whatever is called alike).
"""

import re
from urllib.parse import quote

import msgspec

from interrex.balancer.names import (
    WAITING_ROOM,
    backend_name,
    frontend_name,
    server_name,
    waiting_name,
    waiting_socket,
)
from interrex.balancer.waiting import MAX_WAITING, WAIT_MS
from interrex.core.digest import digest
from interrex.core.errors import InterrexError
from interrex.core.ids import SlotName
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import BalancerSpec, Check, CheckKind, Expose

ADMIN_SOCKET = "admin.sock"
MASTER_SOCKET = "master.sock"
METRICS_SOCKET = "metrics.sock"
LUA_FILE = "waiting.lua"
CONFIGURATION_FILE = "haproxy.cfg"

HARD_STOP_MS = 30_000
"""How long a process that leaves goes on with the requests and connections it has."""
KEEP_ALIVE_MS = 4_000
"""How long a client's connection may be idle, so how long a process that leaves without requests
still waits for clients to notice."""
MAX_FILES = 65_536
"""Open files a process allows itself at most; its connections follow from this."""
RETRIES = 6
"""How many more times a request is tried. When all of three replicas die at once it may meet each
of them twice: dying, then refusing. But each may also be a replica that the request itself kills,
so not many."""
EAGER_CHECK_MS = 100
"""How often a server is checked that is down or about to change."""
RETRIED_METHODS = "GET HEAD OPTIONS"
"""The methods that are sent again when a server may have begun to carry them out: the safe ones.
PUT and DELETE are idempotent too, but a repetition may overtake somebody else's change."""

_ANSWER_IF_NONE_CAME = (
    "    http-request return status 503 content-type text/plain string No\\ replica\\ is\\ up."
    " hdr Retry-After 1 if { var(txn.gave_up) -m bool }"
)
_HEADER = re.compile(r"# routes epoch=(\d+) version=(\d+)")
_ADDRESS = re.compile(r"[0-9A-Za-z.:_*-]+")
_DEFAULT_CHECK = Check(kind=CheckKind.TCP)


class Configuration(msgspec.Struct, frozen=True):
    """A file's text, and the shape (a hexadecimal number) that it gives a process."""

    text: str
    shape: str


def configuration(
    table: RouteTable, spec: BalancerSpec, slot: SlotName, comment: str = ""
) -> Configuration:
    """The file of one balancer process.

    Args:
        table: what to send where.
        spec: threads and time-outs.
        slot: which process (``balancer.0``); the name of its folder too.
        comment: whole lines of comment to stand below the header.

    Raises:
        InterrexError: an address in the table is none.
    """
    lines = [*_global(spec, slot), *_defaults(spec), *_metrics(slot)]
    servers: dict[int, list[str]] = {}
    for route in table.services:
        lines += _frontend(route, slot)
        lines += _backend(route, slot)
        servers[len(lines)] = [_server_line(route, endpoint) for endpoint in route.endpoints]
    shape = digest("\n".join(lines).encode(), 16)
    text = [f"# routes epoch={table.epoch} version={table.version}", *comment.splitlines()]
    for position, line in enumerate(lines):
        text += servers.get(position, [])
        text.append(line.replace("SHAPE", shape) if position == 1 else line)
    text += servers.get(len(lines), [])
    return Configuration("\n".join(text) + "\n", shape)


def parse_header(text: str) -> tuple[int, int] | None:
    """The (epoch, version) of the table a file was made of, None where it does not say."""
    found = _HEADER.match(text)
    return (int(found[1]), int(found[2])) if found else None


def server_arguments(route: ServiceRoute, endpoint: Endpoint) -> str:
    """A server's address and its checks, as in the file and in ``add server``."""
    check = route.check or _DEFAULT_CHECK
    interval = _ms(check.interval)
    eager = min(interval, EAGER_CHECK_MS)
    return (
        f"{address_and_port(endpoint.address, endpoint.port)}"
        f" check inter {interval} fastinter {eager} downinter {eager}"
        f" rise {check.rise} fall {check.fall}"
        " observe layer4 error-limit 1 on-error mark-down"
    )


def address_and_port(address: str, port: int) -> str:
    """``127.0.0.1:80`` or ``[::1]:80``.

    Raises:
        InterrexError: the address holds what no address does.
    """
    if _ADDRESS.fullmatch(address) is None:
        raise InterrexError(
            f"{address!r} is no address for the load balancer\n"
            "write an IP address or a host name in the cluster file"
        )
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _global(spec: BalancerSpec, slot: SlotName) -> list[str]:
    return [
        "global",
        "    description SHAPE",
        # Else two clusters that expose the same port would silently share its connections.
        "    noreuseport",
        f"    nbthread {spec.threads}",
        f"    fd-hard-limit {MAX_FILES}",
        f"    hard-stop-after {HARD_STOP_MS}ms",
        f"    stats socket unix@{slot}/{ADMIN_SOCKET} mode 600 level admin expose-fd listeners",
        "    stats timeout 10s",
        f"    lua-load {slot}/{LUA_FILE}",
    ]


def _defaults(spec: BalancerSpec) -> list[str]:
    return [
        "defaults",
        "    mode http",
        f"    timeout connect {_ms(spec.connect_timeout)}",
        f"    timeout client {_ms(spec.client_timeout)}",
        f"    timeout server {_ms(spec.server_timeout)}",
        f"    timeout queue {WAIT_MS}",
        "    timeout http-request 10s",
        f"    timeout http-keep-alive {KEEP_ALIVE_MS}",
        "    timeout client-fin 5s",
        "    timeout tunnel 1h",
        # A client that has just begun to send on an idle connection must not find it closed.
        "    option idle-close-on-response",
        "    option redispatch 1",
        f"    retries {RETRIES}",
        "    retry-on conn-failure empty-response response-timeout",
    ]


def _metrics(slot: SlotName) -> list[str]:
    return [
        "frontend metrics",
        f"    bind unix@{slot}/{METRICS_SOCKET} mode 600",
        "    http-request use-service prometheus-exporter if { path /metrics }",
        "    stats enable",
        "    stats uri /",
    ]


def _frontend(route: ServiceRoute, slot: SlotName) -> list[str]:
    backend, room = backend_name(route.service), _room(route, slot)
    return [
        f"frontend {frontend_name(route.service)}",
        f"    bind {_bind(route.expose)}",
        "    option forwardfor",
        "    http-request set-header X-Request-ID %[uuid()]"
        " unless { req.hdr(X-Request-ID) -m found }",
        "    http-request add-header Via %[req.ver]\\ interrex",
        f"    http-request disable-l7-retry unless {{ method {RETRIED_METHODS} }}",
        # Who comes while no server is up waits here, and has all its tries before it still. Only
        # then connections are counted as free: of all servers the waiting room alone has a limit.
        f"    http-request lua.wait_for_a_server {backend} {room}"
        f" if {{ be_conn_free({backend}) ge 0 }}",
        _ANSWER_IF_NONE_CAME,
        f"    default_backend {backend}",
        f"frontend {waiting_name(route.service)}",
        f"    bind {room} mode 600",
        f"    maxconn {MAX_WAITING}",
        # It has been tried before it came here: no server is to be killed by it once more.
        "    http-request disable-l7-retry",
        f"    http-request lua.wait_for_a_server {backend} {room}",
        _ANSWER_IF_NONE_CAME,
        f"    default_backend {backend}",
    ]


def _backend(route: ServiceRoute, slot: SlotName) -> list[str]:
    """All of a backend but its servers, which come right after."""
    check = route.check or _DEFAULT_CHECK
    lines = [
        f"backend {backend_name(route.service)}",
        # A replica that hangs or is slow gets few requests: those it has not answered count.
        "    balance leastconn",
        f"    timeout check {_ms(check.timeout)}",
    ]
    if check.kind is CheckKind.HTTP:
        path = quote(check.path, safe="/?&=+,;:@!$()*~[]%")
        lowest, highest = check.status
        lines += [
            "    option httpchk",
            f"    http-check send meth GET uri {path} ver HTTP/1.1 hdr Host localhost",
            f"    http-check expect status {lowest}-{highest}",
        ]
    lines.append(f"    # checked {server_checks(route)}")
    lines.append(f"    server {WAITING_ROOM} {_room(route, slot)} backup maxconn {MAX_WAITING}")
    return lines


def _room(route: ServiceRoute, slot: SlotName) -> str:
    return f"unix@{slot}/{waiting_socket(route.service)}"


def server_checks(route: ServiceRoute) -> str:
    """How often its servers are checked: in the shape, for no command changes it."""
    check = route.check or _DEFAULT_CHECK
    return f"every {_ms(check.interval)} ms, rise {check.rise}, fall {check.fall}"


def _server_line(route: ServiceRoute, endpoint: Endpoint) -> str:
    # A process that starts has no request for a draining slot, so draining is the same as down.
    disabled = "" if endpoint.state is EndpointState.READY else " disabled"
    arguments = server_arguments(route, endpoint)
    return f"    server {server_name(endpoint.slot)} {arguments}{disabled}"


def _bind(expose: Expose) -> str:
    return address_and_port(expose.address, expose.port)


def _ms(duration_s: float) -> int:
    return max(1, round(duration_s * 1000))
