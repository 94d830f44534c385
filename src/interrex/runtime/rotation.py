"""Rotates a log that its writer holds open with O_APPEND, without losing or doubling a line.

The head of the file is copied to a file of its own and then taken out of the log *in place*: the
writer goes on appending to the same open file and never knows. How it is taken out:

- FALLOC_FL_COLLAPSE_RANGE (ext4, xfs, f2fs) removes the blocks and moves the rest to the front;
- elsewhere (tmpfs, btrfs, zfs) FALLOC_FL_PUNCH_HOLE frees the blocks: the log's nominal size goes
  on growing, its space on disk does not, and readers skip the hole;
- a file system with neither is told of in the worker's log, once, and the file grows.

Both work in whole blocks, so a line may begin at the end of one file and end at the beginning of
the next: the files are one stream, cut anywhere. Rotated files are named by their place in it,
``web.2.log.00000000000016777216`` holding what was written from byte 16777216 on: they are never
renamed, sort by name, and tell a follower where it stands across rotations.

The copy is on disk before the head is taken out. A crash in between leaves the head in both
places: read twice, never lost. A rotation takes an exclusive flock on the log for renaming and
taking out, readers a shared one for each batch, so that no reader sees the moment between.
"""

import asyncio
import ctypes
import errno
import fcntl
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from interrex.core.ids import SlotName
from interrex.core.spec import LogFiles
from interrex.runtime.old_logs import prune_forgotten

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02
_COLLAPSE_RANGE = 0x08
_NOT_SUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_COPY_BYTES = 1 << 20
_CHECKS_BETWEEN_TRIES = 60
_DIGITS = 20

_log = logging.getLogger(__name__)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Rotated(NamedTuple):
    """A rotated file: its place in the stream, its length and its path."""

    start: int
    size: int
    path: Path

    @property
    def end(self) -> int:
        """The place of the byte after its last one."""
        return self.start + self.size


class Extent(NamedTuple):
    """What a log file itself holds: stream bytes from ``start`` on lie from ``offset`` on."""

    start: int
    offset: int
    size: int


class Rotator:
    """Rotates the logs that are over their size, in a thread; the loop only looks at sizes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._logs: dict[Path, LogFiles] = {}
        self._busy: set[Path] = set()
        self._resting: dict[Path, int] = {}
        self._thread: ThreadPoolExecutor | None = None

    def watch(self, path: Path, logs: LogFiles) -> None:
        """Keeps this log within its size from now on."""
        self._logs[path] = logs

    def unwatch(self, path: Path) -> None:
        """Leaves this log to others."""
        self._logs.pop(path, None)

    def check(self) -> None:
        """Starts rotating what has grown too big: call it about every second (3 us a log)."""
        for path, logs in self._logs.items():
            if _bytes_on_disk(path) > logs.max_bytes and path not in self._busy:
                rest = self._resting.get(path, 0)
                if rest:
                    self._resting[path] = rest - 1
                else:
                    self._start(path, logs)

    def prune(self, logs: Path, records: Path) -> None:
        """Starts deleting what slots that are gone for good left in a folder of logs."""
        pruning = self._loop.run_in_executor(
            self._own_thread(), prune_forgotten, logs, records, time.time()
        )
        pruning.add_done_callback(lambda done: self._pruned(logs, done))

    def _pruned(self, logs: Path, pruning: asyncio.Future[list[SlotName]]) -> None:
        error = None if pruning.cancelled() else pruning.exception()
        if isinstance(error, OSError):
            _log.warning("old files in %s cannot be deleted: %s", logs, error)
        elif error is not None:
            self._loop.call_exception_handler({"message": str(error), "exception": error})
        elif not pruning.cancelled() and (gone := pruning.result()):
            _log.info("deleted the output of %s, gone for long", ", ".join(gone))

    def close(self) -> None:
        """Starts no more; one under way ends on its own."""
        self._logs.clear()
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _start(self, path: Path, logs: LogFiles) -> None:
        self._busy.add(path)
        rotating = self._loop.run_in_executor(self._own_thread(), rotate, path, logs.keep)
        rotating.add_done_callback(lambda done: self._rotated(path, done))

    def _own_thread(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-rotation")
        return self._thread

    def _rotated(self, path: Path, rotating: asyncio.Future[bool]) -> None:
        self._busy.discard(path)
        error = None if rotating.cancelled() else rotating.exception()
        if isinstance(error, OSError):
            self._resting[path] = _CHECKS_BETWEEN_TRIES
            _log.warning("%s cannot be rotated and grows: %s", path, error)
        elif error is not None:
            self._loop.call_exception_handler({"message": str(error), "exception": error})


def rotate(path: Path, keep: int) -> bool:
    """Moves all of a log but its last block into a rotated file and prunes old ones. Blocks.

    Args:
        path: The log, which its writers hold open with O_APPEND.
        keep: How many rotated files are kept; with 0 what is rotated is dropped.

    Returns:
        False when there was nothing to move, or a reader was at it: try again.

    Raises:
        OSError: The disk is full, or its file system can neither collapse nor punch.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        extent = extent_of(descriptor, rotated_files(path))
        block = os.fstatvfs(descriptor).f_bsize
        # Neither call may reach the end of the file: at least a byte stays.
        length = (extent.size - 1) // block * block
        if length <= 0:
            return False
        stage = path.with_name(f"{path.name}.rotating")
        _copy(descriptor, extent.offset, length if keep else 0, stage)
        start = extent.start if keep else extent.start + length
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stage.unlink()
            return False
        rotated = path.with_name(f"{path.name}.{start:0{_DIGITS}d}")
        stage.rename(rotated)
        try:
            _sync_folder(path.parent)
            _take_out(descriptor, extent.offset + length)
        except OSError:
            rotated.unlink()  # the log still holds it
            raise
        for old in rotated_files(path)[: -max(keep, 1)]:
            old.path.unlink()
        return True
    finally:
        os.close(descriptor)


def rotated_files(path: Path) -> list[Rotated]:
    """A log's rotated files, oldest first."""
    prefix = f"{path.name}."
    found = []
    for name in os.listdir(path.parent):
        place = name.removeprefix(prefix)
        if name.startswith(prefix) and len(place) == _DIGITS and place.isdigit():
            file = path.with_name(name)
            try:
                found.append(Rotated(int(place), file.stat().st_size, file))
            except FileNotFoundError:
                continue  # pruned meanwhile: only without the log's lock
    return sorted(found)


def extent_of(descriptor: int, rotated: list[Rotated]) -> Extent:
    """Which part of the stream an open log holds itself: what follows the last rotated file, from
    its first data on. (Only whole blocks are punched, so the hole ends where the data begins.)"""
    size = os.fstat(descriptor).st_size
    offset = _first_data(descriptor, size)
    return Extent(rotated[-1].end if rotated else 0, offset, size - offset)


def _first_data(descriptor: int, size: int) -> int:
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole
            return size
        raise


def _copy(descriptor: int, offset: int, length: int, stage: Path) -> None:
    """Copies a part of an open file to a file of its own, and that onto the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    target = os.open(stage, flags, os.fstat(descriptor).st_mode & 0o777)
    try:
        end = offset + length
        while offset < end:
            data = os.pread(descriptor, min(_COPY_BYTES, end - offset), offset)
            if not data:
                raise OSError(errno.EAGAIN, "somebody truncated it meanwhile")
            view = memoryview(data)
            while view:
                view = view[os.write(target, view) :]
            offset += len(data)
        os.fsync(target)
    except OSError:
        stage.unlink()
        raise
    finally:
        os.close(target)


def _take_out(descriptor: int, end: int) -> None:
    """Takes a log's head out in place, and the hole before it."""
    modes = (_COLLAPSE_RANGE, _PUNCH_HOLE | _KEEP_SIZE)
    if not any(_fallocate(descriptor, mode, end) for mode in modes):
        raise OSError(
            errno.EOPNOTSUPP,
            "its file system can neither collapse nor punch files: "
            "put the state folder on ext4, xfs, btrfs or tmpfs",
        )


def _fallocate(descriptor: int, mode: int, end: int) -> bool:
    """Takes out what is before an offset; False where the file system does not know how."""
    while _libc.fallocate(descriptor, mode, 0, end) != 0:
        code = ctypes.get_errno()
        if code in _NOT_SUPPORTED:
            return False
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code))
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bytes_on_disk(path: Path) -> int:
    """What a log holds itself: its nominal size may count a hole."""
    try:
        return os.stat(path).st_blocks * 512
    except FileNotFoundError:
        return 0
