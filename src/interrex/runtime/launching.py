"""Starting a worker's process: at most one can live, because its folder is locked by it.

Whoever starts it takes the lock and hands it on with the descriptor, so a worker holds its lock
from its first instant: several that heal at once start it once, not once each while Python loads.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.runtime.layout import Layout, make_private

HANDED_LOCK = 3
"""The descriptor that a started worker finds its own lock at."""


def launch_worker(layout: Layout, worker: WorkerName, host: HostName) -> int | None:
    """Start a worker in a session of its own, its output going to its own file.

    Args:
        layout: where the cluster lies.
        worker: whose folder is made if it is missing; ``host`` is this machine's name.

    Returns:
        Its pid; None where its process lives already, or the cluster is being taken down.

    Raises:
        InterrexError: the process cannot be started.
    """
    if layout.stopping.exists():
        return None
    command = [
        sys.executable,
        "-P",  # a file signal.py in the user's folder is not the library's
        "-m",
        "interrex.runtime.entry",
        str(layout.root),
        layout.cluster,
        worker,
        host,
    ]
    try:
        make_private(layout.worker(worker))
        with _lock(layout, worker) as lock:
            if lock is None:
                return None
            layout.dismissed(worker).unlink(missing_ok=True)
            return _spawn(command, layout.worker_log(worker), lock)
    except OSError as error:
        raise InterrexError(f"cannot start {worker}: {error.strerror or error}") from error


def _spawn(command: list[str], output: Path, lock: int) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    log = os.open(output, flags, 0o600)
    try:
        return os.posix_spawn(
            command[0],
            command,
            os.environ,
            setsid=True,
            setsigdef=range(1, 32),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
                (os.POSIX_SPAWN_DUP2, lock, HANDED_LOCK),
            ],
        )
    finally:
        os.close(log)


def worker_is_alive(layout: Layout, worker: WorkerName) -> bool:
    """Whether a process holds a worker's lock, asked without taking it."""
    try:
        descriptor = os.open(layout.worker_lock(worker), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked_worker(layout: Layout, worker: WorkerName) -> Iterator[bool]:
    """Hold a worker's lock, its starter's or one's own; yields False where another process holds
    it."""
    make_private(layout.worker(worker))
    if _is_handed(layout, worker):
        os.set_inheritable(HANDED_LOCK, False)
        try:
            _sign(HANDED_LOCK)
            yield True
        finally:
            os.close(HANDED_LOCK)
    else:
        with _lock(layout, worker) as lock:
            if lock is not None:
                _sign(lock)
            yield lock is not None


@contextmanager
def _lock(layout: Layout, worker: WorkerName) -> Iterator[int | None]:
    """The descriptor that the lock is held by, None where another process holds it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(layout.worker_lock(worker), flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def _is_handed(layout: Layout, worker: WorkerName) -> bool:
    """Whether our starter has handed us this worker's lock: then locking it again changes nothing,
    as a lock belongs to the open file and not to the process."""
    try:
        if not os.path.samestat(os.fstat(HANDED_LOCK), layout.worker_lock(worker).stat()):
            return False
        fcntl.flock(HANDED_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sign(lock: int) -> None:
    """Write our pid into the lock's file, for people."""
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
