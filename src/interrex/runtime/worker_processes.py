"""Which workers' processes live on this machine, found without touching their locks.

Asking a lock whether it is held means taking it for a moment, which a worker that starts at that
moment would take for another worker. So the processes are found by their command lines, those
included that have not taken their lock yet.
"""

import os
from pathlib import Path
from typing import NamedTuple

from interrex.core.ids import HostName, WorkerName
from interrex.runtime.pidfd import ProcessIdentity, open_pidfd
from interrex.runtime.procfs import all_pids

ENTRY_MODULE = b"interrex.runtime.entry"
_ARGUMENTS = 4


class WorkerProcess(NamedTuple):
    """A worker's process, as it was found. ``open_pidfd(identity)`` names it for good."""

    cluster: str
    worker: WorkerName
    host: HostName
    identity: ProcessIdentity


def worker_processes(root: Path, cluster: str | None = None) -> list[WorkerProcess]:
    """The living workers of this state folder, of one cluster or of all; by cluster and name.

    Takes some 6 us for each process of the machine.
    """
    found = (_worker_process(pid, root) for pid in all_pids())
    of_it = [
        process for process in found if process is not None and cluster in (None, process.cluster)
    ]
    # A dying worker and the next one, or a fork that has yet to exec, go by the same name.
    return sorted(of_it, key=lambda process: (process[:3], process.identity.pid))


def open_worker(process: WorkerProcess) -> int | None:
    """A pidfd of exactly this process, None when it is dead."""
    return open_pidfd(process.identity)


def _worker_process(pid: int, root: Path) -> WorkerProcess | None:
    try:
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            words = file.read(8192).split(b"\0")[:-1]
    except OSError:
        return None
    if ENTRY_MODULE not in words[:-_ARGUMENTS]:
        return None
    folder, cluster, worker, host = map(os.fsdecode, words[-_ARGUMENTS:])
    if not _same_folder(folder, root):
        return None
    identity = ProcessIdentity.of(pid)
    if identity is None:
        return None
    return WorkerProcess(cluster, WorkerName(worker), HostName(host), identity)


def _same_folder(folder: str, root: Path) -> bool:
    if folder == str(root):
        return True
    try:
        return os.path.samefile(folder, root)
    except OSError:
        return False
