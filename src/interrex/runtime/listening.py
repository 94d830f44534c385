"""Who listens on a TCP port of this machine: a process known by its pid, or anybody."""

import contextlib
import os
import socket
from pathlib import Path

_LISTENS = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def ports_of(pid: int) -> frozenset[int]:
    """The TCP ports that a process listens on; none if it is gone or somebody else's."""
    held = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                held.add(os.readlink(entry))
    except OSError:
        return frozenset()
    ports = set()
    for table in _TABLES:
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTENS and f"socket:[{fields[9]}]" in held:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return frozenset(ports)


def is_taken(address: str, port: int) -> bool:
    """Whether somebody listens there already, so that a bind without SO_REUSEPORT would fail."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((address, port))
    except OSError:
        return True
    return False
