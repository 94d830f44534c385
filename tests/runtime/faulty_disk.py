"""Disks that misbehave, behind the same interface as the real one."""

import errno
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from interrex.runtime.disk_file import DiskFile

SECTOR = 512


@dataclass
class Faults:
    """Which calls fail; shared by all files of a log.

    ``calls`` counts them by name, and by name and file (``sync log.0``).

    ``on_sync`` runs inside every sync, in the thread that called it.
    """

    failing: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    on_sync: Callable[[], object] | None = None

    def open(self, path: Path) -> DiskFile:
        return _FaultyFile(path, self)

    def check(self, call: str, path: Path) -> None:
        for key in (call, f"{call} {path.name}"):
            self.calls[key] = self.calls.get(key, 0) + 1
        if call in self.failing:
            number = self.failing[call]
            raise OSError(number, errno.errorcode[number])


class _FaultyFile(DiskFile):
    def __init__(self, path: Path, faults: Faults) -> None:
        super().__init__(path)
        self._faults = faults

    def read(self, offset: int, size: int) -> bytes:
        self._faults.check("read", self.path)
        return super().read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self._faults.check("write", self.path)
        super().write(offset, data)

    def reserve(self, size: int) -> None:
        self._faults.check("reserve", self.path)
        super().reserve(size)

    def sync(self) -> None:
        self._faults.check("sync", self.path)
        if self._faults.on_sync:
            self._faults.on_sync()
        super().sync()


class HeldSync:
    """Makes every sync wait until it is released."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.released = threading.Semaphore(0)

    def __call__(self) -> None:
        self.entered.release()
        assert self.released.acquire(timeout=60)


class PowerCut(Exception):  # noqa: N818
    """The machine is off."""


class MortalDisk:
    """A disk whose power is cut at the n-th call.

    The real files hold what is durable. What was written since the last sync is kept aside, and
    of that an arbitrary choice of sectors survives the cut, as on a disk that reorders.
    """

    def __init__(self, calls_to_live: int | None, rng: random.Random) -> None:
        self._left = calls_to_live
        self._rng = rng
        self._files: list[_MortalFile] = []

    def open(self, path: Path) -> DiskFile:
        file = _MortalFile(path, self)
        self._files.append(file)
        return file

    def spend(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            for file in self._files:
                file.lose_power(self._rng)
            raise PowerCut


class _MortalFile(DiskFile):
    def __init__(self, path: Path, disk: MortalDisk) -> None:
        super().__init__(path)
        self._disk = disk
        self._pending: list[tuple[int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        self._pending.append((offset, data))
        self._disk.spend()

    def sync(self) -> None:
        self._disk.spend()
        self.settle()

    def settle(self) -> None:
        for offset, data in self._pending:
            super().write(offset, data)
        self._pending.clear()

    def lose_power(self, rng: random.Random) -> None:
        """Nobody closes a machine's files when its power is cut, but this process goes on."""
        for offset, data in self._pending:
            at = 0
            while at < len(data):
                end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
                if rng.random() < 0.5:
                    super().write(offset + at, data[at:end])
                at = end
        self.close()
