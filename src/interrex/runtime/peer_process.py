"""The processes behind this host's peers: watched until they die, whatever their sockets do."""

import asyncio
import os
from collections.abc import Callable

from interrex.runtime.greeting import Hello
from interrex.runtime.peer_socket import Credentials
from interrex.runtime.pidfd import ProcessIdentity, is_dead, open_pidfd, send_signal
from interrex.runtime.procfs import boot_id, pid_namespace


class PeerProcesses:
    """A pidfd per peer process. A pidfd that fires is the only proof of death there is.

    Args:
        on_death: called on the loop, once per watched process, with the Hello it had said.
    """

    def __init__(self, on_death: Callable[[Hello], None]) -> None:
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._watched: dict[ProcessIdentity, tuple[int, Hello]] = {}

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
            pidfd = known[0] if known else None
        if pidfd is None:
            pidfd = open_pidfd(process)
        if pidfd is None:
            return False
        self._watched[process] = (pidfd, hello)
        if not known:
            self._loop.add_reader(pidfd, self._fired, process)
        return True

    def is_dead(self, hello: Hello) -> bool:
        """Whether the process is proved dead at this moment."""
        watched = self._watched.get(hello.process)
        return watched is not None and is_dead(watched[0])

    def signal(self, hello: Hello, number: int) -> bool:
        """Signals exactly the process that said ``hello``; False when it cannot be."""
        watched = self._watched.get(hello.process)
        return watched is not None and send_signal(watched[0], number)

    def forget(self, hello: Hello) -> None:
        """Ends a watch; its death is not reported any more."""
        watched = self._watched.pop(hello.process, None)
        if watched:
            self._loop.remove_reader(watched[0])
            os.close(watched[0])

    def close(self) -> None:
        """Ends all watches."""
        for _, hello in list(self._watched.values()):
            self.forget(hello)

    def _fired(self, process: ProcessIdentity) -> None:
        _, hello = self._watched[process]
        self.forget(hello)
        self._on_death(hello)


def _here() -> tuple[str, int]:
    return boot_id(), pid_namespace()


def is_trusted(credentials: Credentials) -> bool:
    """Whether the other end belongs to our own user, or to root."""
    return credentials.uid in {os.geteuid(), 0}
