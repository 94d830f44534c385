"""The only calls through which the durable log touches the disk, and what can go wrong there.

Tests put their faults in here (a full disk, a failing or slow sync, a torn write) by handing
``LogStore`` another ``open_file``.
"""

import errno
import os
from pathlib import Path

from interrex.core.errors import InterrexError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class StoreCorrupt(InterrexError):  # noqa: N818
    """What lies on disk is not what was acknowledged: this worker must not vote with it.

    Attributes:
        path: the file.
        where: the place in it, for people.
        what: what is wrong there.
    """

    def __init__(self, path: Path, where: str, what: str) -> None:
        super().__init__(
            f"{path}: {what} ({where}). This log must not vote any more: "
            "it is moved aside and the worker joins again under a new member id."
        )
        self.path = path
        self.where = where
        self.what = what


class DiskFull(InterrexError):  # noqa: N818
    """A write found no space. Nothing was acknowledged, nothing is lost; it may be tried again."""

    def __init__(self, path: Path, wanted_bytes: int) -> None:
        super().__init__(
            f"{path}: no space for {wanted_bytes} more bytes. "
            "Votes and changes wait until space is freed on this disk."
        )
        self.path = path
        self.wanted_bytes = wanted_bytes


class DiskFailed(InterrexError):  # noqa: N818
    """The disk refused a write or a sync: what it holds is unknown, so the node must stop.

    Trying again would pretend: after a failed sync the kernel may have dropped the pages and
    would report success.
    """

    def __init__(self, path: Path, doing: str, cause: str) -> None:
        super().__init__(
            f"{path}: {doing} failed ({cause}). The worker stops, since it cannot know "
            "what is on disk; check the disk, then start it again."
        )
        self.path = path


class DiskFile:
    """One open file, read and written at offsets. Every method raises plain ``OSError``.

    Args:
        path: opened read-write, created with mode 0600 when missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def size(self) -> int:
        """The file's length in bytes."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer only at the end of the file."""
        parts = []
        while size > 0:
            part = os.pread(self._fd, size, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Writes all of ``data`` at ``offset``; durable only after ``sync``."""
        written = os.pwrite(self._fd, data, offset)
        while written < len(data):
            written += os.pwrite(self._fd, data[written:], offset + written)

    def reserve(self, size: int) -> None:
        """Makes the file at least ``size`` bytes long, with the space for them taken."""
        os.posix_fallocate(self._fd, 0, size)

    def sync(self) -> None:
        """Returns once everything written is on the disk itself."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def read_or_refuse(file: DiskFile, offset: int, size: int) -> bytes:
    """Reads a log's file; a place the disk cannot read any more is a damaged place.

    Raises:
        StoreCorrupt: the disk reports an error for this place.
    """
    try:
        return file.read(offset, size)
    except OSError as error:
        raise StoreCorrupt(file.path, f"byte {offset}", f"cannot be read: {error}") from error


def sync_folder(folder: Path) -> None:
    """Makes the creation, renaming or removal of files in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
