"""Taking this machine's part of a cluster down in order; interrupted, it can be begun again."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from interrex.cli.asking import NoAnswer, ask, status_bytes
from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import LOCAL_HOST
from interrex.runtime.disk_file import sync_folder
from interrex.runtime.layout import Layout
from interrex.runtime.leftovers import stop_leftovers
from interrex.runtime.pidfd import is_dead, send_signal
from interrex.runtime.unsupervised import hosts_here, recorded_replicas, replicas_here
from interrex.runtime.worker_processes import WorkerProcess, open_worker, worker_processes

SPARE_S = 30.0
"""How much longer (s) than the longest stop time-out a worker may take to leave."""
HUNG_S = 5.0
"""A worker that answers nothing for so long (s) while it should be leaving is killed."""
_LOOK_S = 0.5
_RETRY_S = 0.05

Tell = Callable[[str], None]


def take_down(layout: Layout, host: HostName | None, tell: Tell) -> list[str]:
    """Stop everything of a cluster on this machine, or of one of its hosts.

    The caller holds the command lock. Needs no leader, and no worker.

    Args:
        layout: of the cluster.
        host: None for whatever is here.
        tell: hears what is done, a line each.

    Returns:
        What could not be stopped, a sentence each; the ``stopping`` marker then stays.
    """
    _mark(layout.stopping)
    hosts = {host} if host is not None else set(hosts_here(layout)) or {LOCAL_HOST}
    while processes := _workers_here(layout, host):
        hosts |= {process.host for process in processes}  # also where their folder was removed
        see_out(layout, processes, tell)
    problems = [problem for name in sorted(hosts) for problem in stop_leftovers(layout, name, tell)]
    if problems:
        return problems
    if worker_processes(layout.root, layout.cluster):  # another host's, in the same folder
        layout.stopping.unlink()
    else:
        _remove_sockets(layout)
        layout.stopping.replace(layout.stopped)
    sync_folder(layout.home)
    return []


def anything_runs(layout: Layout) -> bool:
    """Whether a worker or a replica of this cluster lives on this machine."""
    if worker_processes(layout.root, layout.cluster):
        return True
    return any(found.alive for found in replicas_here(layout))


def see_out(layout: Layout, processes: list[WorkerProcess], tell: Tell) -> None:
    """Ask workers to leave and wait until all of them have ended, killing those that hang.

    Asking one that is leaving already does no harm.
    """
    timeouts = [found.record.stop_timeout for found in recorded_replicas(layout)]
    limit_s = max(timeouts, default=0.0) + SPARE_S
    leavers: dict[int, _Leaver] = {}
    poll = select.poll()
    for process in processes:
        pidfd = open_worker(process)
        if pidfd is not None:
            leavers[pidfd] = _Leaver(layout, process, pidfd, limit_s)
            poll.register(pidfd, select.POLLIN)
    if leavers:
        names = ", ".join(leaver.worker for leaver in leavers.values())
        tell(f"asking {names} to stop everything in order")
    while leavers:
        for pidfd, _ in poll.poll(_LOOK_S * 1000):
            poll.unregister(pidfd)
            tell(f"{leavers.pop(pidfd).worker} has ended")
            os.close(pidfd)
        for pidfd, leaver in leavers.items():
            _kill_if_hung(layout, leaver, pidfd, tell)


def end_all(processes: list[WorkerProcess]) -> None:
    """Kill workers, and see them dead. What they supervised runs on."""
    handles = [pidfd for process in processes if (pidfd := open_worker(process)) is not None]
    for pidfd in handles:
        send_signal(pidfd, signal.SIGSTOP)  # else one would start another anew
    for pidfd in handles:
        send_signal(pidfd, signal.SIGKILL)
    for pidfd in handles:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll()
        os.close(pidfd)


def _workers_here(layout: Layout, host: HostName | None) -> list[WorkerProcess]:
    found = worker_processes(layout.root, layout.cluster)
    return [process for process in found if host in (None, process.host)]


class _Leaver:
    """One worker that is asked to leave, from a thread of its own."""

    def __init__(self, layout: Layout, process: WorkerProcess, pidfd: int, limit_s: float) -> None:
        self.worker: WorkerName = process.worker
        self.last_sign = time.monotonic()
        self.deadline = self.last_sign + limit_s
        self.killed = False
        self._socket = layout.api_socket(process.worker)
        # The thread has a handle of its own: ours is closed while it may still look.
        threading.Thread(target=self._ask, args=(os.dup(pidfd),), daemon=True).start()

    def _ask(self, pidfd: int) -> None:
        """Until it has been heard: a worker that has just started does not listen yet. The
        answer itself does not matter, the process's end does."""
        try:
            while not is_dead(pidfd) and (left_s := self.deadline - time.monotonic()) > 0:
                try:
                    ask(self._socket, "POST", "/v1/leave", timeout_s=left_s)
                    return
                except NoAnswer:
                    time.sleep(_RETRY_S)
        finally:
            os.close(pidfd)


def _kill_if_hung(layout: Layout, leaver: _Leaver, pidfd: int, tell: Tell) -> None:
    if leaver.killed:
        return
    if status_bytes(layout, [leaver.worker], _LOOK_S) is not None:
        leaver.last_sign = time.monotonic()
    now = time.monotonic()
    if now - leaver.last_sign >= HUNG_S:
        why = f"has not answered for {HUNG_S:g} s"
    elif now >= leaver.deadline:
        why = "could not stop everything in time"
    else:
        return
    tell(f"{leaver.worker} {why}: killed")
    leaver.killed = True
    send_signal(pidfd, signal.SIGKILL)


def _mark(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def _remove_sockets(layout: Layout) -> None:
    for path in (*layout.home.glob("workers/*/*.sock"), *layout.home.glob("hosts/*/*/*/*.sock")):
        path.unlink(missing_ok=True)
