"""Reads a rotated log as the one stream that it is; needs no event loop."""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from interrex.runtime.rotation import Extent, Rotated, extent_of, rotated_files

BATCH_BYTES = 256 * 1024


class LogReader:
    """A place in a log's stream, which rotations move past without harm.

    What was pruned before it was read is skipped. Not for several threads.
    """

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: The log; its rotated files are found beside it.
        """
        self._path = path
        self._place = 0
        self._partial: list[bytes] = []
        """Pieces of one line: joined once, so that a line of any length costs its length."""

    def lines(self) -> list[bytes]:
        """The next whole lines, without their ends; empty when there is none yet.

        Raises:
            FileNotFoundError: There is no such log.
        """
        while data := self._read():
            piece, *others = data.split(b"\n")
            self._partial.append(piece)
            if others:
                first = b"".join(self._partial)
                self._partial = [others.pop()]
                return [first, *others]
        return []

    def rest(self) -> bytes:
        """What was read of a line whose end has not been written yet."""
        return b"".join(self._partial)

    def to_last(self, count: int) -> None:
        """Goes to where the last ``count`` lines begin (fewer if the log has fewer)."""
        self._partial = []
        with _Opened(self._path) as log:
            place = log.end
            # The line end wanted is the one before the first wanted line; the last byte is
            # another one unless the last line is unfinished.
            missing = count + log.read_before(place).endswith(b"\n")
            while missing and place > log.begin:
                data = log.read_before(place)
                ends = data.count(b"\n")
                place -= len(data)
                if ends >= missing:
                    place += _nth_last(data, missing) + 1
                    missing = 0
                missing -= min(ends, missing)
            self._place = place

    def _read(self) -> bytes:
        with _Opened(self._path) as log:
            self._place = log.available(self._place)
            data = log.read(self._place, BATCH_BYTES)
            self._place += len(data)
            return data


def read_logs(path: Path, last: int | None = None) -> Iterator[bytes]:
    """A log's lines without their ends, rotated files first.

    Args:
        path: The log.
        last: Only this many, None for all.

    Raises:
        FileNotFoundError: There is no such log.
    """
    reader = LogReader(path)
    if last is not None:
        reader.to_last(last)
    while lines := reader.lines():
        yield from lines
    if reader.rest():
        yield reader.rest()


def follow_logs(path: Path, wait: Callable[[], bool], last: int | None = None) -> Iterator[bytes]:
    """A log's lines as they are written, through rotations.

    Args:
        path: The log.
        wait: Called when there is nothing new: waits a moment, and returns False to end.
        last: How many of the lines already there come first, None for all.

    Raises:
        FileNotFoundError: There is no such log.
    """
    reader = LogReader(path)
    if last is not None:
        reader.to_last(last)
    while True:
        lines = reader.lines()
        yield from lines
        if not lines and not wait():
            return


class _Opened:
    """A log and its rotated files at one moment: a shared lock keeps rotation off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._rotated: list[Rotated] = []
        self._extent = Extent(0, 0, 0)

    def __enter__(self) -> "_Opened":
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self._rotated = rotated_files(self._path)
        self._extent = extent_of(self._descriptor, self._rotated)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    @property
    def begin(self) -> int:
        """The oldest place that is still there."""
        return self._rotated[0].start if self._rotated else self._extent.start

    @property
    def end(self) -> int:
        """The place after the last byte."""
        return self._extent.start + self._extent.size

    def available(self, place: int) -> int:
        """This place, or the next one that was neither pruned nor truncated by somebody."""
        if place > self.end:
            return self._extent.start
        if place >= self._extent.start or any(f.start <= place < f.end for f in self._rotated):
            return place
        later = (file.start for file in self._rotated if file.start > place)
        return min(later, default=self._extent.start)

    def read(self, place: int, limit: int) -> bytes:
        """At most so many bytes from a place on; empty at the end."""
        for file in self._rotated:
            if file.start <= place < file.end:
                with file.path.open("rb") as rotated:
                    return os.pread(rotated.fileno(), limit, place - file.start)
        within = place - self._extent.start
        limit = min(limit, self._extent.size - within)
        return os.pread(self._descriptor, limit, self._extent.offset + within)

    def read_before(self, place: int) -> bytes:
        """The bytes right before a place; none before the first."""
        start = max(place - BATCH_BYTES, self.begin)
        data = b""
        while start + len(data) < place:
            data += self.read(start + len(data), place - start - len(data))
        return data


def _nth_last(data: bytes, count: int) -> int:
    place = len(data)
    for _ in range(count):
        place = data.rindex(b"\n", 0, place)
    return place
