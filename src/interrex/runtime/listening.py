"""Who listens on a TCP port of this machine: a process known by its pid, or anybody.

The kernel's tables name sockets by their inodes, /proc/PID/fd tells who holds which.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

_LISTENS = "0A"
_SOCKET = "socket:["
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_REACHED_FROM_LOOPBACK = frozenset(
    {
        "0100007F",
        "00000000",
        "0" * 32,
        "0000000000000000FFFF00000100007F",
        "0000000000000000FFFF000000000000",
    }
)
"""Where a listener meets a connection to 127.0.0.1: there, on any address, and both through IPv6,
as the kernel prints them on a little-endian machine."""


Address = tuple[str, int]
"""An IP address in its shortest form, and a port."""


class _Listener(NamedTuple):
    address: str
    port: int
    inode: int


def addresses_of(pid: int) -> frozenset[Address]:
    """Where a process listens with TCP; nowhere if it is gone or somebody else's."""
    held = sockets_of(pid)
    if not held:
        return frozenset()
    return frozenset(
        (_readable(listener.address), listener.port)
        for listener in _listeners()
        if listener.inode in held
    )


def listeners_at(port: int) -> frozenset[int]:
    """The inodes of the sockets that may answer a connection to 127.0.0.1 and this port."""
    return frozenset(
        listener.inode
        for listener in _listeners()
        if listener.port == port and listener.address in _REACHED_FROM_LOOPBACK
    )


def sockets_of(pid: int) -> frozenset[int] | None:
    """The inodes of the sockets that a process holds; None where it hides them. A process that is
    gone holds none."""
    held = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed since
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith(_SOCKET):
                    held.add(int(target[len(_SOCKET) : -1]))
    except (FileNotFoundError, ProcessLookupError):
        return frozenset()
    except OSError:
        return None
    return frozenset(held)


def _listeners() -> Iterator[_Listener]:
    """All TCP listeners. The kernel's tables begin with them, so that reading ends early on a
    machine with a hundred thousand connections."""
    for table in _TABLES:
        with contextlib.suppress(OSError), Path(table).open(encoding="ascii") as rows:
            next(rows)
            for row in rows:
                fields = row.split(None, 10)
                if fields[3] != _LISTENS:
                    break
                address, _, port = fields[1].rpartition(":")
                yield _Listener(address, int(port, 16), int(fields[9]))


def _readable(address: str) -> str:
    """``0100007F`` is ``127.0.0.1``: four bytes at a time, the last one first."""
    data = bytes.fromhex(address)
    return str(ip_address(b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))))


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
