"""Who listens on a replica's port: the replica, or a stranger that bound it while it was loading.

A program may listen through many hands: forked workers, a daemon that left its session, docker's
proxy, a socket that it was handed. So a listener counts as a stranger's only when that is certain:
every process that holds it is seen, and none of them

- descends from the replica's main process, or is in its session or group,
- carries the slot's instance id in its environment,
- descends from an orphan of this worker that nobody claims (a daemon with its own environment),
- is one of ``FORWARDERS``, which listen for others.

And nothing is certain while a process of the replica hides what it holds, or while the kernel tells
us nothing. A stranger that is another user's is not seen by a worker without privileges.
"""

import os
from collections.abc import Collection
from typing import NamedTuple

from interrex.runtime.listening import listeners_at, sockets_of
from interrex.runtime.procfs import (
    all_pids,
    children_of,
    descendants,
    instance_of,
    name_of,
    read_stat,
)

FORWARDERS = frozenset(
    {
        "systemd", "docker-proxy", "dockerd", "rootlesskit", "rootlessport", "slirp4netns",
        "pasta", "pasta.avx2", "gvproxy", "conmon", "containerd-shim",
    }
)  # fmt: skip
"""Programs that listen on behalf of others, by their names in /proc/PID/comm (15 characters)."""

_NAMED = 3


class Family(NamedTuple):
    """What belongs to a replica: its main process, and what the slot's instance ids start with.

    ``claimed`` are the worker's children that are somebody's.
    """

    main: int
    instances: str
    claimed: Collection[int]


def listens_itself(port: int, family: Family) -> bool:
    """The cheap test: True says that there is no certain stranger, False means look closer."""
    listeners = listeners_at(port)
    if not listeners:
        return True
    for pid in descendants([family.main]):
        sockets = sockets_of(pid)
        if sockets is None or sockets & listeners:
            return True
    return False


def stranger_at(port: int, family: Family) -> str | None:
    """Who certainly is a stranger on a port, in words; None where nobody is.

    Looks at every process of the host: for a thread.
    """
    listeners = listeners_at(port)
    holders = [pid for pid in all_pids() if (sockets_of(pid) or frozenset()) & listeners]
    if not holders or any(_may_belong(pid, family) for pid in holders):
        return None
    if listens_itself(port, family):  # it began to listen, or forked, while we looked
        return None
    named = ", ".join(f"{name_of(pid) or '?'} (pid {pid})" for pid in holders[:_NAMED])
    more = f" and {len(holders) - _NAMED} more" if len(holders) > _NAMED else ""
    return f"{named}{more}"


def _may_belong(pid: int, family: Family) -> bool:
    stat = read_stat(pid)
    if stat is None or family.main in (stat.session, stat.group):
        return True
    if name_of(pid) in FORWARDERS:
        return True
    instance = instance_of(pid)
    if instance is not None:
        return instance.startswith(family.instances)
    return _is_unclaimed_orphan(pid, family)


def _is_unclaimed_orphan(pid: int, family: Family) -> bool:
    """Whether it descends from a child of ours that is no slot's main process."""
    return pid in set(descendants(set(children_of(os.getpid())) - set(family.claimed)))
