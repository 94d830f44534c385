"""Killing processes of the fleet: each by a handle, and only if it is who the status says it is."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from interrex.core.errors import InterrexError
from interrex.core.ids import SlotName
from interrex.core.spec import LOCAL_HOST
from interrex.demo.faults import Part, Process
from interrex.runtime.clock import now_ns
from interrex.runtime.layout import Layout
from interrex.runtime.pidfd import ProcessIdentity, open_pidfd, reap, send_signal
from interrex.runtime.procfs import instance_of
from interrex.runtime.records import Instances


class NotOurs(InterrexError):  # noqa: N818
    """A pid of the status document belongs to another process by now."""


def open_verified(process: Process, layout: Layout) -> int:
    """A pidfd of a process of the fleet, compared after it was opened; the caller closes it.

    Args:
        process: as the status document has it.
        layout: of the fleet that it must belong to.

    Raises:
        NotOurs: the pid is nobody's, or is not this process of this fleet.
    """
    identity = ProcessIdentity.of(process.pid)
    pidfd = open_pidfd(identity) if identity is not None else None
    if pidfd is None:
        raise NotOurs(f"{process.name}, pid {process.pid}, is dead already")
    if not _is(process, layout):
        os.close(pidfd)
        raise NotOurs(f"pid {process.pid} is not {process.name} of this fleet")
    return pidfd


def _is(process: Process, layout: Layout) -> bool:
    if process.part is Part.WORKER:
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return process.name.encode() in words and os.fsencode(layout.root) in words
    prefix = Instances(layout.host(LOCAL_HOST)).prefix(SlotName(process.name))
    return (instance_of(process.pid) or "").startswith(prefix)


async def kill(processes: tuple[Process, ...], layout: Layout, sent: Callable[[int], None]) -> None:
    """SIGKILL several processes at the same moment, and wait until all are dead.

    Args:
        processes: as the status document has them; layout: of their fleet.
        sent: hears when the signals were sent (ns), before anything else can happen.

    Raises:
        NotOurs: one of them is not what it was taken for; then none is signalled.
    """
    pidfds: list[int] = []
    try:
        for process in processes:
            pidfds.append(open_verified(process, layout))
        killed_at = now_ns()
        for pidfd in pidfds:
            send_signal(pidfd, signal.SIGKILL)
        sent(killed_at)
        await asyncio.gather(*(death_of(pidfd) for pidfd in pidfds))
        for pidfd in pidfds:
            reap(pidfd)  # the workers that the demo has started are its children
    finally:
        for pidfd in pidfds:
            os.close(pidfd)


async def death_of(pidfd: int) -> None:
    """Wait until a process is dead."""
    loop = asyncio.get_running_loop()
    dead = asyncio.Event()
    loop.add_reader(pidfd, dead.set)
    try:
        await dead.wait()
    finally:
        loop.remove_reader(pidfd)
