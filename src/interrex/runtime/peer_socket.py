"""The sockets between workers: Unix sockets in a folder, TCP between hosts, and who is behind."""

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName

_SO_PEERPIDFD = 77  # Linux 6.5
_BACKLOG = 64


class UnixAddress(msgspec.Struct, frozen=True):
    """A peer on this host."""

    path: Path


class TcpAddress(msgspec.Struct, frozen=True):
    """A peer on another host: where it listens, and the host its certificate must name."""

    address: str
    port: int
    host: HostName


Address = UnixAddress | TcpAddress


class Credentials(NamedTuple):
    """Who holds the other end of a Unix socket, according to the kernel.

    ``pidfd`` is None where the kernel is too old to give one; whoever takes it closes it.
    """

    pid: int
    uid: int
    pidfd: int | None


def peer_credentials(sock: socket.socket) -> Credentials:
    """Of the process that connected, or, seen from that one, of the one that listens."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", packed)
    try:
        pidfd = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError:
        # ENOPROTOOPT on older kernels, ESRCH when it has been reaped: the pid has to do.
        return Credentials(pid, uid, None)
    os.set_inheritable(pidfd, False)
    return Credentials(pid, uid, pidfd)


@contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A socket's path may have 107 bytes only: go through its folder's descriptor."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect_unix(path: Path) -> socket.socket:
    """Connects without ever waiting.

    Raises:
        OSError: nobody listens there, or its queue is full.
    """
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.setblocking(False)
        with _short_path(path) as short:
            sock.connect(short)
        undo.pop_all()
    return sock


def listen_unix(path: Path) -> socket.socket:
    """Listens at a path, 0600, in place of a dead predecessor's socket.

    The new socket is renamed over the old one, so there is no moment without one. The caller
    holds the worker's exclusive lock: no living process listens there.

    Raises:
        InterrexError: the folder is open to others, or something that is no socket is in the way.
    """
    folder = path.parent.stat()
    if folder.st_uid != os.geteuid() or folder.st_mode & 0o077:
        raise InterrexError(
            f"{path.parent} must be yours with mode 0700: whoever may write there could "
            "pose as this worker. Change its owner and mode, then start again."
        )
    if path.is_symlink() or (path.exists() and not stat.S_ISSOCK(path.stat().st_mode)):
        raise InterrexError(f"{path} is in the way and is no socket: move it aside.")
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.setblocking(False)
        with _short_path(new) as short:
            sock.bind(short)
        new.chmod(0o600)
        sock.listen(_BACKLOG)
        new.rename(path)
        undo.pop_all()
    return sock


def listen_tcp(address: str, port: int) -> socket.socket:
    """Listens on TCP; port 0 lets the kernel choose.

    Raises:
        InterrexError: the address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise InterrexError(
            f"cannot listen on {address}:{port} ({error.strerror}): name an address of this "
            "machine, or free the port."
        ) from error
    return sock
