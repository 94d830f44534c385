"""Workers that have ended because the cluster asks for none of them any more."""

from collections.abc import Collection

from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import LOCAL_HOST
from interrex.runtime.layout import Layout

WHAT_NEXT = (
    "the cluster asks for no worker here any more, and all have ended\n"
    "to take this host up again: name it in the file, interrex apply FILE on a host that runs, "
    "then interrex up FILE here"
)


def workers_there(layout: Layout, host: HostName) -> list[WorkerName]:
    """A host's workers that have a folder: files of several hosts may lie in one."""
    prefix = "worker" if host == LOCAL_HOST else host
    return [name for name in layout.worker_names() if name.rpartition("-")[0] == prefix]


def all_dismissed(layout: Layout, workers: Collection[WorkerName]) -> bool:
    """Whether there are some, and no last life of theirs ended otherwise."""
    return bool(workers) and all(layout.dismissed(worker).exists() for worker in workers)
