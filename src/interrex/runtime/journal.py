"""Each worker's events, one JSON line each in a file of its own; merged on reading."""

import heapq
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.journal import Note

MAX_BYTES = 4 * 1024 * 1024
KEEP = 3
READ_AT_ONCE = 256 * 1024
"""How much (bytes) of a file a follower is given at a time."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the file. ``time`` is seconds since 1970 by the worker's own wall clock, ``by`` the
    worker that noted it."""

    time: float
    by: WorkerName
    kind: str
    text: str
    slot: SlotName | None = None
    worker: WorkerName | None = None
    host: HostName | None = None
    epoch: int | None = None


_decoder = msgspec.json.Decoder(Event)


class Journal:
    """Appends one worker's events; keeps a few older files.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, worker: WorkerName, host: HostName) -> None:
        self._path = path
        self._worker = worker
        self._host = host
        self._encoder = msgspec.json.Encoder()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        self.lost = 0
        """Events that could not be written (the disk was full)."""

    def write(self, note: Note, epoch: int) -> None:
        """Append one event. A full disk loses events, not the worker: they are counted."""
        event = Event(
            time=round(time.time(), 6),
            by=self._worker,
            kind=note.kind,
            text=note.text,
            slot=note.slot,
            worker=note.worker,
            host=note.host or self._host,
            epoch=note.epoch or epoch,
        )
        line = self._encoder.encode(event) + b"\n"
        try:
            self._size += os.write(self._file, line)
            if self._size > MAX_BYTES:
                self._rotate()
        except OSError:
            self.lost += 1

    def _rotate(self) -> None:
        for number in range(KEEP - 1, 0, -1):
            older = self._path.with_suffix(f".jsonl.{number}")
            if older.exists():
                older.rename(self._path.with_suffix(f".jsonl.{number + 1}"))
        self._path.rename(self._path.with_suffix(".jsonl.1"))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        opened = os.open(self._path, flags, 0o600)
        os.close(self._file)
        self._file, self._size = opened, 0

    def close(self) -> None:
        os.close(self._file)


def read_events(paths: list[Path]) -> Iterator[Event]:
    """The events of several workers' files, older ones included, merged by time.

    Lines that are no events (a torn last line) are passed over.
    """
    return heapq.merge(*(_read_all(path) for path in paths), key=lambda event: event.time)


def _read_all(path: Path) -> Iterator[Event]:
    for number in range(KEEP, 0, -1):
        yield from _read_file(path.with_suffix(f".jsonl.{number}"))
    yield from _read_file(path)


def _read_file(path: Path) -> Iterator[Event]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            event = parse_event(line)
            if event is not None:
                yield event


def parse_event(line: bytes) -> Event | None:
    """One line, None where it is not an event."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class EventTail:
    """New events of several workers' files since the last look, rotations included."""

    def __init__(self, paths: list[Path]) -> None:
        self._offsets = {path: _place(path) for path in paths}

    def read(self) -> list[Event]:
        """What was added since the last call, merged by time; of much, the first part."""
        events: list[Event] = []
        for path, (inode, offset) in self._offsets.items():
            now_inode, size = _place(path)
            if inode != now_inode:
                events += _lines_from(path.with_suffix(".jsonl.1"), offset, MAX_BYTES)[0]
                offset = 0
            if size > offset or inode != now_inode:
                found, offset = _lines_from(path, offset, READ_AT_ONCE)
                events += found
            self._offsets[path] = (now_inode, offset)
        return sorted(events, key=lambda event: event.time)


def _place(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size


def _lines_from(path: Path, offset: int, limit: int) -> tuple[list[Event], int]:
    """Whole lines from an offset on, of so many bytes, and the offset behind them."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(limit)
    except FileNotFoundError:
        return [], 0
    whole = data[: data.rfind(b"\n") + 1]
    events = [event for line in whole.splitlines() if (event := parse_event(line)) is not None]
    return events, offset + len(whole)
