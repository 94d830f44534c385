"""Kills what a dead replica left behind, and reaps what nobody waits for.

What is found, and how fast:

- *Our own child's remains.* A worker is a subreaper, so whatever a replica's process leaves
  behind becomes the worker's own child, also a daemon that called setsid(2). Reading our list of
  children (60 us with 200 replicas) and asking the kernel whether the group is empty settles the
  common case.
- *An adopted process's remains* went to another worker or to pid 1: after the group, all of /proc
  is looked through for the instance id in the environment (3 ms a round with 300 processes, in a
  thread).

Not found, and so not killed: a process that left its session *and* was started with an
environment of its own; where the replica was adopted, also one that left the session and whose
environment we may not read (another user's, or overwritten by the program itself). When an adopted
leader is dead on a kernel before 6.9, members of its group are killed only when their environment
carries the instance id, since the group's number alone no longer proves whose it is.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from interrex.runtime.pidfd import (
    ProcessIdentity,
    group_is_empty,
    open_pidfd,
    reap,
    send_signal,
    signal_group,
)
from interrex.runtime.procfs import (
    all_instances,
    children_of,
    descendants,
    find_instances,
    instance_of,
    read_stat,
)

SWEEP_LIMIT_S = 10.0
"""How long a sweep waits for killed processes to die (one in an uninterruptible wait may not)."""

Found = TypeVar("Found")

_log = logging.getLogger(__name__)


class Remains(msgspec.Struct, frozen=True):
    """What is known of a dead replica: ``instances`` is what all instance ids of its slot start
    with (none of them may live once the slot is to be started anew); ``leader`` is its main
    process's pid, None where it was never noted; ``pidfd`` still names it; ``child`` tells
    whether it was our own child."""

    instances: str
    leader: int | None
    pidfd: int | None
    child: bool


class Sweeper:
    """Finds and kills remains. ``children`` holds the pids of our children that are somebody's:
    shared with whoever starts and reaps them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, children: set[int]) -> None:
        self._loop = loop
        self._children = children
        self._scanner: ThreadPoolExecutor | None = None
        self._unclaimed: set[ProcessIdentity] = set()
        self._next_look: asyncio.Task[list[tuple[int, str]]] | None = None

    def close(self) -> None:
        """Lets a scan that is under way end on its own."""
        if self._next_look is not None:
            self._next_look.cancel()
        if self._scanner is not None:
            self._scanner.shutdown(wait=False)

    def nothing_left(self, remains: Remains) -> bool:
        """The cheap test: True is certain, False means look closer."""
        if not remains.child or remains.pidfd is None or remains.leader is None:
            return False
        return group_is_empty(remains.pidfd, remains.leader) and not self._own_remains(remains)

    async def sweep(self, remains: Remains) -> int:
        """Kills until a look finds nothing more; returns how many processes it killed."""
        killed: set[ProcessIdentity] = set()
        deadline = self._loop.time() + SWEEP_LIMIT_S
        while True:
            handles = _open_all(await self._find(remains))
            if remains.pidfd is not None and remains.leader is not None:
                # The group at once, so that nothing in it can go on forking between our kills.
                signal_group(remains.pidfd, remains.leader, signal.SIGKILL)
            for pidfd in handles.values():
                send_signal(pidfd, signal.SIGKILL)
            killed.update(handles)
            if not handles:
                return len(killed)
            left = await self._until_dead(handles, deadline - self._loop.time())
            if left:
                _log.warning(
                    "processes %s of %s do not die though killed: see their state in /proc",
                    sorted(identity.pid for identity in left),
                    remains.instances,
                )
                return len(killed)

    async def find(self, prefix: str) -> list[int]:
        """All processes whose instance id starts with this, looked for in a thread.

        Whoever asks before a look begins shares it: a worker may claim hundreds of slots at once.
        """
        if self._next_look is None:
            self._next_look = self._loop.create_task(self._in_thread(self._look))
        found = await asyncio.shield(self._next_look)
        return [pid for pid, instance in found if instance.startswith(prefix)]

    def _look(self) -> list[tuple[int, str]]:
        self._next_look = None  # in the thread, before the first process is read
        return all_instances()

    def tidy(self, stale: Callable[[str], bool]) -> None:
        """Looks after orphans that came to us: called every few seconds.

        Those of an instance that is ``stale`` are killed: a sweep may miss one that is just
        between fork and exec, when its environment cannot be read. Zombies are reaped, but each
        only at the second look, so that whoever started it (through subprocess, say) has had the
        time to ask for its status.
        """
        zombies = set()
        for pid in children_of(os.getpid()):
            identity = ProcessIdentity.of(pid)
            if pid in self._children or identity is None:
                continue
            if identity in self._unclaimed:
                _reap_pid(pid)
            elif not identity.verify():
                zombies.add(identity)
            elif (instance := instance_of(pid)) is not None and stale(instance):
                for pidfd in _open_all(_identities([pid])).values():
                    send_signal(pidfd, signal.SIGKILL)
                    os.close(pidfd)
        self._unclaimed = zombies

    async def _find(self, remains: Remains) -> list[ProcessIdentity]:
        if remains.child:
            return self._own_remains(remains)
        return await self._in_thread(lambda: _identities(find_instances(remains.instances)))

    def _own_remains(self, remains: Remains) -> list[ProcessIdentity]:
        """Orphans among our own children and what they started; zombies are reaped on the way."""
        roots = [
            pid
            for pid in children_of(os.getpid())
            if pid not in self._children and _belongs(pid, remains)
        ]
        return _identities(roots)

    async def _in_thread(self, look: Callable[[], list[Found]]) -> list[Found]:
        if self._scanner is None:
            self._scanner = ThreadPoolExecutor(1, thread_name_prefix="proc-scan")
        return await self._loop.run_in_executor(self._scanner, look)

    async def _until_dead(
        self, handles: dict[ProcessIdentity, int], limit_s: float
    ) -> list[ProcessIdentity]:
        """Waits for the pidfds, reaps and closes them; returns those that live on."""
        waiting = dict(handles)
        all_dead = self._loop.create_future()

        def died(identity: ProcessIdentity) -> None:
            self._loop.remove_reader(waiting.pop(identity))
            if not waiting and not all_dead.done():
                all_dead.set_result(None)

        for identity, pidfd in handles.items():
            self._loop.add_reader(pidfd, died, identity)
        try:
            await asyncio.wait_for(all_dead, max(limit_s, 0.0))
        except TimeoutError:
            return list(waiting)
        finally:
            for pidfd in waiting.values():
                self._loop.remove_reader(pidfd)
            for pidfd in handles.values():
                reap(pidfd)
                os.close(pidfd)
        return []


def _belongs(pid: int, remains: Remains) -> bool:
    """Whether an orphan came from this replica: by its session, else by its environment."""
    stat = read_stat(pid)
    if stat is None:
        return False
    if stat.session == remains.leader or stat.group == remains.leader:
        if stat.dead:
            _reap_pid(pid)
            return False
        return True
    return (instance_of(pid) or "").startswith(remains.instances)


def _identities(roots: Iterable[int]) -> list[ProcessIdentity]:
    found = (ProcessIdentity.of(pid) for pid in descendants(roots))
    return [identity for identity in found if identity is not None]


def _open_all(found: Iterable[ProcessIdentity]) -> dict[ProcessIdentity, int]:
    """The pidfds of those that still live."""
    handles: dict[ProcessIdentity, int] = {}
    for identity in found:
        pidfd = open_pidfd(identity)
        if pidfd is not None:
            handles[identity] = pidfd
    return handles


def _reap_pid(pid: int) -> None:
    """Reaps a zombie child; a no-op where it was reaped meanwhile."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return
