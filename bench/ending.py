"""Ends processes that are known by a mark of theirs, until none is left."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterable

from interrex.runtime.pidfd import ProcessIdentity, open_pidfd, send_signal

LIMIT_S = 60.0


def end_all(find: Callable[[], Iterable[int]]) -> None:
    """Kill processes and see them dead: again and again, since one that was just being started
    comes after the others died.

    Args:
        find: the pids of those that live and are to end; asked once more when none of them can
            become another's.

    Raises:
        TimeoutError: some do not die.
    """
    deadline = time.monotonic() + LIMIT_S
    while found := list(find()):
        with contextlib.ExitStack() as stack:
            held = {}
            for pid in found:
                identity = ProcessIdentity.of(pid)
                pidfd = None if identity is None else open_pidfd(identity)
                if pidfd is not None:
                    stack.callback(os.close, pidfd)
                    held[pid] = pidfd
            pidfds = [held[pid] for pid in find() if pid in held]
            for pidfd in pidfds:
                send_signal(pidfd, signal.SIGKILL)
            if not _all_die(pidfds, deadline):
                raise TimeoutError(f"cannot end {found}")


def _all_die(pidfds: Iterable[int], deadline: float) -> bool:
    poll = select.poll()
    alive = set(pidfds)
    for pidfd in alive:
        poll.register(pidfd, select.POLLIN)
    while alive and (patience := deadline - time.monotonic()) > 0:
        for pidfd, _ in poll.poll(1000 * patience):
            poll.unregister(pidfd)
            alive.remove(pidfd)
    return not alive
