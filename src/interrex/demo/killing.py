"""Killing processes of the fleet: each by a handle, and only if it is who the status says it is."""

import asyncio
import os
import signal
from pathlib import Path

from interrex.core.errors import InterrexError
from interrex.demo.faults import Part, Process
from interrex.runtime.clock import now_ns
from interrex.runtime.pidfd import ProcessIdentity, open_pidfd, send_signal
from interrex.runtime.procfs import environ_of


class NotOurs(InterrexError):  # noqa: N818
    """A pid of the status document belongs to another process by now."""


def open_verified(process: Process, home: Path) -> int:
    """A pidfd of a process of the fleet, compared after it was opened; the caller closes it.

    Args:
        process: as the status document has it.
        home: the folder of the fleet's state.

    Raises:
        NotOurs: the pid is nobody's, or is not this process of this fleet.
    """
    identity = ProcessIdentity.of(process.pid)
    pidfd = open_pidfd(identity) if identity is not None else None
    if pidfd is None:
        raise NotOurs(f"{process.name}, pid {process.pid}, is dead already")
    if not _is(process, home):
        os.close(pidfd)
        raise NotOurs(f"pid {process.pid} is not {process.name} of this fleet")
    return pidfd


def _is(process: Process, home: Path) -> bool:
    if process.part is Part.WORKER:
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return process.name.encode() in words and os.fsencode(home.parent) in words
    environment = environ_of(process.pid)
    return environment is not None and environment.get("INTERREX_SLOT") == process.name


async def kill(processes: tuple[Process, ...], home: Path) -> int:
    """SIGKILL several processes at the same moment, and wait until all are dead.

    Returns:
        When the signals were sent (ns).

    Raises:
        NotOurs: one of them is not what it was taken for; then none is signalled.
    """
    pidfds: list[int] = []
    try:
        for process in processes:
            pidfds.append(open_verified(process, home))
        killed_at = now_ns()
        for pidfd in pidfds:
            send_signal(pidfd, signal.SIGKILL)
        await asyncio.gather(*(death_of(pidfd) for pidfd in pidfds))
    finally:
        for pidfd in pidfds:
            os.close(pidfd)
    return killed_at


async def death_of(pidfd: int) -> None:
    """Wait until a process is dead."""
    loop = asyncio.get_running_loop()
    dead = asyncio.Event()
    loop.add_reader(pidfd, dead.set)
    try:
        await dead.wait()
    finally:
        loop.remove_reader(pidfd)
