"""What HAProxy's runtime socket answers, read."""

import msgspec

# srv_admin_state in ``show servers state``
_MAINTENANCE = 0x01 | 0x02
_DRAIN = 0x08 | 0x10
_RUNNING = 2  # srv_op_state


class HeldServer(msgspec.Struct, frozen=True):
    """A server that a process holds. ``up`` is the opinion of its own checks."""

    backend: str
    name: str
    address: str
    port: int
    maintenance: bool
    draining: bool
    up: bool


def parse_servers(answer: str) -> tuple[HeldServer, ...]:
    """Reads ``show servers state``.

    Raises:
        ValueError: it is no such answer.
    """
    lines = answer.strip().splitlines()
    if len(lines) < 2 or lines[0] != "1" or not lines[1].startswith("# "):
        raise ValueError(f"no list of servers: {answer[:80]!r}")
    columns = lines[1][2:].split()
    return tuple(
        _server(dict(zip(columns, line.split(), strict=True))) for line in lines[2:] if line
    )


def _server(row: dict[str, str]) -> HeldServer:
    admin = int(row["srv_admin_state"])
    return HeldServer(
        backend=row["be_name"],
        name=row["srv_name"],
        address=row["srv_addr"],
        port=int(row["srv_port"]),
        maintenance=bool(admin & _MAINTENANCE),
        draining=bool(admin & _DRAIN),
        up=int(row["srv_op_state"]) == _RUNNING,
    )


def parse_sessions(answer: str) -> dict[tuple[str, str], int]:
    """Reads ``show stat``: how many requests each (backend, server) has now.

    Raises:
        ValueError: it is no such answer.
    """
    lines = answer.strip().splitlines()
    if not lines or not lines[0].startswith("# "):
        raise ValueError(f"no statistics: {answer[:80]!r}")
    columns = lines[0][2:].split(",")
    proxy, server, current = (columns.index(name) for name in ("pxname", "svname", "scur"))
    sessions = {}
    for line in lines[1:]:
        row = line.split(",")
        if row[server] not in ("FRONTEND", "BACKEND"):
            sessions[row[proxy], row[server]] = int(row[current] or 0)
    return sessions


def parse_shape(answer: str) -> str | None:
    """Reads ``show info``: the shape that the process was started with."""
    for line in answer.splitlines():
        if line.startswith("description: "):
            return line.partition(": ")[2].strip()
    return None
