"""What a worker holds of one slot, and what it still owes the children it gave up."""

import asyncio
import logging
import os

import msgspec

from interrex.runtime.pidfd import reap
from interrex.runtime.records import LockedRecord, ReplicaRecord

_log = logging.getLogger(__name__)


class HeldSlot(msgspec.Struct):
    """A slot whose record we hold the lock of.

    ``pidfd`` names its main process, alive or dead, until that is swept. ``child`` tells whether
    it is, or was, our own child; ``exited`` that its death has been told.
    """

    lock: LockedRecord
    record: ReplicaRecord | None = None
    pidfd: int | None = None
    child: bool = False
    exited: bool = False
    tasks: set[asyncio.Task[None]] = msgspec.field(default_factory=set)
    """Searches and sweeps under way: they end with the hold."""

    @property
    def alive(self) -> bool:
        """Whether it has a process whose death has not been told yet."""
        return self.pidfd is not None and not self.exited

    @property
    def pid(self) -> int:
        """Of the main process; only for a slot that has a pidfd."""
        assert self.record is not None
        assert self.record.process is not None
        return self.record.process.pid

    def note(self, record: ReplicaRecord) -> None:
        """Completes the record. Not being able to is no loss while the intent stands: the next
        claim finds the process by its instance id."""
        self.record = record
        try:
            self.lock.write(record)
        except OSError as error:
            _log.error("the record of %s could not be completed: %s", record.slot, error)

    def drop_pidfd(self) -> None:
        """Lets go of the main process."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


class ReleasedChildren:
    """Replicas that another worker supervises now but that only we, their parent, can reap."""

    def __init__(self, loop: asyncio.AbstractEventLoop, children: set[int]) -> None:
        self._loop = loop
        self._children = children
        self._pidfds: dict[int, int] = {}

    def keep(self, pid: int, pidfd: int) -> None:
        """Takes over a live process's pidfd: watched if it is our child, closed if not."""
        if pid not in self._children:
            os.close(pidfd)
            return
        self._pidfds[pid] = pidfd
        self._loop.add_reader(pidfd, self._reap, pid)

    def take_back(self, pid: int) -> None:
        """Somebody else watches this one again."""
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)

    def close(self) -> None:
        """Leaves them to whoever reaps our orphans."""
        for pid in list(self._pidfds):
            self.take_back(pid)

    def _reap(self, pid: int) -> None:
        reap(self._pidfds[pid])
        self._children.discard(pid)
        self.take_back(pid)
