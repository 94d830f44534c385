"""Files that only the newest leadership writes; for programs of one machine or one shared disk."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from interrex.core.errors import InterrexError
from interrex.library.errors import StaleEpoch
from interrex.library.guards.epochs import MOST_EPOCH, whole_epoch
from interrex.runtime.disk_file import sync_folder


class EpochFile:
    """The newest epoch that was seen, in a small file that survives everybody.

    Args:
        path: made when it is first needed, in a folder that exists. Whoever holds a ``flock`` on it
            may compare and write; on network file systems that do not implement it, nothing holds.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    @contextmanager
    def admitted(self, epoch: int) -> Iterator[None]:
        """A scope in which nobody of another epoch is admitted; waits for who is in it.

        When its body begins, ``epoch`` is on disk as the newest.

        Raises:
            ValueError: the epoch is none; nothing was done.
            StaleEpoch: a newer one was seen; the body does not run.
            InterrexError: the file holds something else than an epoch.
            OSError: the file cannot be had, or not written; names it.
        """
        epoch = whole_epoch(epoch)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            newest = self._locked(descriptor, fcntl.LOCK_EX)
            if epoch < newest:
                raise StaleEpoch(epoch, newest)
            if epoch > newest:
                self._store(descriptor, epoch)
            yield
        finally:
            os.close(descriptor)

    def _store(self, descriptor: int, epoch: int) -> None:
        with _naming(self._path):
            # Padded and in place: one short write that is whole or not at all on a disk.
            os.pwrite(descriptor, b"%020d\n" % epoch, 0)
            os.fsync(descriptor)
            sync_folder(self._path.parent)  # it may be new, and a loss of power forget its name

    def admit(self, epoch: int) -> None:
        """As ``admitted``, for work that is done elsewhere: after it only newer ones are sure."""
        with self.admitted(epoch):
            return

    def newest(self) -> int:
        """The newest that was seen, 0 for none."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0
        try:
            return self._locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def _locked(self, descriptor: int, lock: int) -> int:
        """What it holds, once it is locked."""
        with _naming(self._path):
            fcntl.flock(descriptor, lock)
            text = os.pread(descriptor, 64, 0).strip()
        if text and not (text.isdigit() and int(text) <= MOST_EPOCH):
            raise InterrexError(f"{self._path} is to hold an epoch, and holds {text!r}: move it")
        return int(text or b"0")


class GuardedFile:
    """A file that is replaced as a whole, by the newest leadership only.

    Args:
        path: the file; the newest epoch lies beside it, in ``PATH.epoch``.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._epochs = EpochFile(self._path.with_name(self._path.name + ".epoch"))

    def write(self, data: bytes, epoch: int) -> None:
        """Replace the content: readers see the old one or the new one, whole, also after a crash.

        The file's permissions stay; a link is replaced by a file.

        Raises:
            ValueError: the epoch is none; the file is as it was.
            StaleEpoch: a newer leadership has written or been admitted; the file is as it was.
            OSError: it cannot be written; the file is as it was.
        """
        with self._epochs.admitted(epoch):
            new = self._path.with_name(self._path.name + ".new")
            try:
                self._replace_by(new, data)
            except BaseException:
                with suppress(OSError):
                    new.unlink()
                raise

    def _replace_by(self, new: Path, data: bytes) -> None:
        """Who was killed in the middle has left a file of this name: it is written over."""
        with _naming(self._path), new.open("wb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(self._path.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        sync_folder(self._path.parent)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An error of the disk says which file it is about."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
