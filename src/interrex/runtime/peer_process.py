"""The processes behind this host's peers: watched until they die, whatever their sockets do."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from functools import partial

import msgspec

from interrex.runtime.greeting import Hello
from interrex.runtime.lifeline import NO_LIFELINE, Watch, watch_lifeline
from interrex.runtime.peer_socket import Credentials
from interrex.runtime.pidfd import ProcessIdentity, is_dead, open_pidfd, send_signal
from interrex.runtime.procfs import boot_id, pid_namespace


class _Watched(msgspec.Struct):
    """A peer's process. ``told``: its death has been reported, or need not be."""

    pidfd: int
    hello: Hello
    lifeline: Watch | None = None
    told: bool = False

    @property
    def is_dying(self) -> bool:
        """Whether its lifeline has broken: its code runs no more."""
        return self.lifeline is not None and self.lifeline.is_broken


class PeerProcesses:
    """A pidfd and a lifeline per peer process: nothing else proves a death.

    Args:
        on_death: called on the loop, once per watched process, with the Hello it had said, as
            soon as it certainly runs none of its code again.
        on_end: called on the loop when it has ended, its locks and ports free.
    """

    def __init__(self, on_death: Callable[[Hello], None], on_end: Callable[[Hello], None]) -> None:
        self._on_death = on_death
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._watched: dict[ProcessIdentity, _Watched] = {}

    def watch(self, hello: Hello, pid: int, pidfd: int | None) -> bool:
        """Watches the process that said ``hello`` on a Unix socket.

        Args:
            hello: believed already.
            pid: of the socket's other end; another one than Hello's means that something stands
                in between, and the process is looked up by the identity it claims.
            pidfd: of the socket's other end, taken over; None where the kernel gives none.

        Returns:
            False when no proof of its death will come.
        """
        process = hello.process
        known = self._watched.get(process)
        if known or pid != hello.pid or (process.boot_id, process.pid_namespace) != _here():
            if pidfd is not None:
                os.close(pidfd)
            pidfd = None
        if known:
            known.hello = hello
            return True
        if pidfd is None:
            pidfd = open_pidfd(process)
        if pidfd is None:
            return False
        watched = self._watched[process] = _Watched(pidfd, hello)
        self._loop.add_reader(pidfd, self._ended, process)
        if hello.lifeline != NO_LIFELINE:
            broke = partial(self._broke_elsewhere, process)
            watched.lifeline = watch_lifeline(process.pid, hello.lifeline, broke)
        return True

    def is_dead(self, hello: Hello) -> bool:
        """Whether the process is proved dead at this moment."""
        watched = self._watched.get(hello.process)
        return watched is not None and (watched.is_dying or is_dead(watched.pidfd))

    def look(self) -> None:
        """Report the deaths that can be seen already, before the kernel tells of them."""
        for watched in [one for one in self._watched.values() if one.is_dying]:
            self._tell_death(watched)

    def signal(self, hello: Hello, number: int) -> bool:
        """Signals exactly the process that said ``hello``; False when it cannot be."""
        watched = self._watched.get(hello.process)
        return watched is not None and send_signal(watched.pidfd, number)

    def settle(self, hello: Hello) -> None:
        """Its death is known: ``on_death`` is not called for it any more."""
        watched = self._watched.get(hello.process)
        if watched is not None:
            watched.told = True

    def close(self) -> None:
        """Ends all watches."""
        for process in list(self._watched):
            self._forget(process)

    def _forget(self, process: ProcessIdentity) -> _Watched:
        watched = self._watched.pop(process)
        self._loop.remove_reader(watched.pidfd)
        os.close(watched.pidfd)
        return watched

    def _broke_elsewhere(self, process: ProcessIdentity) -> None:
        """On the waiting thread, which may outlive the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._broke, process)

    def _broke(self, process: ProcessIdentity) -> None:
        watched = self._watched.get(process)
        if watched is not None:
            self._tell_death(watched)

    def _ended(self, process: ProcessIdentity) -> None:
        watched = self._forget(process)
        self._tell_death(watched)
        self._on_end(watched.hello)

    def _tell_death(self, watched: _Watched) -> None:
        if not watched.told:
            watched.told = True
            self._on_death(watched.hello)


def _here() -> tuple[str, int]:
    return boot_id(), pid_namespace()


def is_trusted(credentials: Credentials) -> bool:
    """Whether the other end belongs to our own user, or to root."""
    return credentials.uid in {os.geteuid(), 0}
