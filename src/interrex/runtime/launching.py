"""Starting a worker's process: at most one can live, because its folder is locked by it."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.runtime.layout import Layout, make_private


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
    if layout.stopping.exists() or worker_is_alive(layout, worker):
        return None
    folder = layout.worker(worker)
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
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        make_private(folder)
        log = os.open(layout.worker_log(worker), flags, 0o600)
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
                ],
            )
        finally:
            os.close(log)
    except OSError as error:
        raise InterrexError(f"cannot start {worker}: {error.strerror or error}") from error


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
    """Hold a worker's lock; yields False where another process holds it."""
    folder = layout.worker(worker)
    make_private(folder)
    descriptor = os.open(layout.worker_lock(worker), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield True
    finally:
        os.close(descriptor)
