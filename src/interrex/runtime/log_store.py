"""The durable log of one worker: what it voted, which epochs it saw, its entries, its snapshot.

One file of preallocated space, appended to in batches with one sync each, and its twin that
takes over when it is full (``log_format`` has the bytes and the crash rules). Why not sqlite:
docs/decisions/0022-the-log-is-a-file-of-our-own.md. A person reads a log with
``python -m interrex.runtime.log_dump FOLDER``.

What it guarantees, and to whom:
- ``write`` returned: the records survive a power loss, in order, whole;
- ``write`` raised or never returned: they are there whole or not at all;
- one damaged place, wherever it is, is restored or reported as ``StoreCorrupt``, never read;
- a log that was cut, emptied, removed or replaced by an older copy of itself is reported: its
  mark, in a file of its own, knows better. After a power loss (not after a crash of the process)
  the mark may lag by what the kernel had not written back, up to half a minute; it never leads.

It does not guard against a restored copy of the *whole* folder.
"""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from interrex.core.errors import InterrexError, InvariantViolation
from interrex.core.storage import Record, Stored
from interrex.runtime import log_format as form
from interrex.runtime.disk_file import (
    FULL,
    DiskFailed,
    DiskFile,
    DiskFull,
    StoreCorrupt,
    read_or_refuse,
    sync_folder,
)
from interrex.runtime.log_format import Header, Kind, Mark, TailSlot
from interrex.runtime.log_half import Half
from interrex.runtime.log_state import LogState

HALF_NAMES = ("log.0", "log.1")
MARK_NAME = "mark"
HALF_BYTES = 2 * 1024 * 1024

_encode = msgspec.msgpack.Encoder().encode
_decode_base = msgspec.msgpack.Decoder(Stored).decode
_decode_records = msgspec.msgpack.Decoder(tuple[Record, ...]).decode


class LogStore:
    """One worker's log in a folder of its own. The caller holds the worker's exclusive lock.

    Not for several threads at once: ``load`` first, then ``write`` from one thread.

    Args:
        folder: exists already.
        must_exist: the worker's identity says that there was a log, so a missing one was lost.
        open_file: how files are opened; tests put disk faults in here.
        half_bytes: the space reserved for each half, at least.
    """

    def __init__(
        self,
        folder: Path,
        *,
        must_exist: bool = False,
        open_file: Callable[[Path], DiskFile] = DiskFile,
        half_bytes: int = HALF_BYTES,
    ) -> None:
        self._folder = folder
        self._must_exist = must_exist
        self._open_file = open_file
        self._half_bytes = max(half_bytes, form.BATCHES_AT + 4096)
        self._halves: list[Half] = []
        self._current: Half
        self._state = LogState(Stored())
        self._sequence = 0
        self._offset = form.BATCHES_AT
        self._crc = 0
        self._failed: DiskFailed | None = None
        self._mark_file: DiskFile | None = None
        self.repaired: str | None = None
        """What ``load`` restored from its second place, for the worker's journal."""

    @property
    def sequence(self) -> int:
        """The number of the last stored batch."""
        return self._sequence

    @property
    def last_index(self) -> int:
        """The index of the last stored entry, or of the snapshot it was dropped for."""
        return self._state.last_index

    def load(self) -> Stored:
        """Reads the log, creates it when there has never been one. To be called once.

        Raises:
            StoreCorrupt: something that was acknowledged is missing or changed.
            DiskFull: there is no space to create the log.
            DiskFailed: the disk cannot be read or synced.
        """
        try:
            stored = self._load()
        except IsADirectoryError as error:
            self.close()
            path = Path(str(error.filename))
            raise StoreCorrupt(path, "whole file", "a folder stands in its place") from error
        except OSError as error:
            self.close()
            if error.errno in FULL:
                raise DiskFull(self._folder, 2 * self._half_bytes) from error
            raise DiskFailed(self._folder, "opening the log", str(error)) from error
        except InterrexError:
            self.close()
            raise
        return stored

    def _load(self) -> Stored:
        mark = self._open_mark()
        existed = [(self._folder / name).exists() for name in HALF_NAMES]
        for name in HALF_NAMES:
            self._halves.append(Half.open(self._folder / name, self._open_file))
        current = self._find_current(existed, mark)
        if current is None:
            self._create()
        else:
            assert mark is not None
            self._read_current(current, mark)
        return self._state.stored()

    def _open_mark(self) -> Mark | None:
        path = self._folder / MARK_NAME
        existed = path.exists()
        self._mark_file = self._open_file(path)
        if not existed:
            return None
        data = read_or_refuse(self._mark_file, 0, form.MARK_BYTES)
        marks = [mark for at in form.MARK_AT if (mark := form.decode_mark(data[at : at + 64]))]
        if not marks and any(data):
            raise StoreCorrupt(path, "byte 0", "both copies of the mark are damaged")
        return max(marks, default=None)

    def _find_current(self, existed: Sequence[bool], mark: Mark | None) -> Half | None:
        """The half with the newest state; None when no log was ever completed here."""
        formatted = [half for half in self._halves if half.header]
        if not formatted:
            self._refuse_a_lost_log(existed, mark)
            return None
        newest = max(formatted, key=lambda half: half.generation)
        other = self._other(newest)
        if newest.retired:
            raise StoreCorrupt(other.path, "header", "the log's newer half is damaged or missing")
        if mark is None:
            path = self._folder / MARK_NAME
            raise StoreCorrupt(path, "whole file", "the mark of an existing log is missing")
        if any(half.header and half.header.log != mark.log for half in formatted):
            raise StoreCorrupt(newest.path, "header", "it belongs to another log than its mark")
        return newest

    def _other(self, half: Half) -> Half:
        return self._halves[1 - self._halves.index(half)]

    def _refuse_a_lost_log(self, existed: Sequence[bool], mark: Mark | None) -> None:
        completed = mark is not None and mark.generation > 0
        if not (self._must_exist or completed):
            return
        path = self._halves[0].path
        text = "the header of the log is damaged" if any(existed) else "the log is missing"
        raise StoreCorrupt(path, "whole file" if not any(existed) else "header", text)

    def _create(self) -> None:
        """Makes an empty log. A crash in here leaves a mark of generation 0: not completed."""
        assert self._mark_file is not None
        log = int.from_bytes(os.urandom(8), "little")
        self._mark_file.reserve(form.MARK_BYTES)
        self._mark_file.write(form.MARK_AT[1], form.encode_mark(Mark(log, 0, 0, 0)))
        self._mark_file.sync()
        for half in self._halves:
            half.file.reserve(self._half_bytes)
        self._halves[1].file.sync()
        self._current = self._halves[0]
        empty = _encode(self._state.stored())
        self._format(self._current, Header(log, 1, 0, self._half_bytes), empty)
        sync_folder(self._folder)
        self._write_mark()
        self._mark_file.sync()

    def _read_current(self, half: Half, mark: Mark) -> None:
        assert half.header is not None
        data = read_or_refuse(half.file, 0, half.file.size())
        content = form.read_half(data, half.header)
        if content.damage:
            raise StoreCorrupt(half.path, *content.damage)
        last = content.batches[-1]
        if last.sequence < mark.sequence:
            text = f"batch {mark.sequence} was acknowledged, the log ends with {last.sequence}"
            raise StoreCorrupt(half.path, f"byte {last.end}", text)
        self._replay(half.path, content.batches)
        if content.restored:
            half.file.write(last.offset, content.restored)
            self.repaired = f"{half.path}: batch {last.sequence} was restored from its tail slot"
        if all(slot.sequence != last.sequence for slot in form.slots_in(data, half.header)):
            # The next batch may tear the other slot.
            slot = TailSlot(*half.key, last.sequence, last.crc, b"")
            half.file.write(form.SLOT_AT[last.sequence % 2], form.encode_slot(slot))
        self._current = half
        self._sequence, self._offset, self._crc = last.sequence, last.end, last.crc
        # What a predecessor wrote but did not live to sync is acted upon from now on.
        half.file.sync()
        other = self._other(half)
        if other.header and not other.retired:
            other.retire()
        with suppress(OSError):  # no space for the other half now; it is asked for when needed
            other.file.reserve(self._half_bytes)
        self._write_mark()
        assert self._mark_file is not None
        self._mark_file.sync()

    def _replay(self, path: Path, batches: Sequence[form.Batch]) -> None:
        for batch in batches:
            try:
                if batch.kind is Kind.BASE:
                    self._state = LogState(_decode_base(batch.body))
                else:
                    records = _decode_records(batch.body)
                    self._state.check(records)
                    self._state.apply(records)
            except (msgspec.MsgspecError, InvariantViolation) as error:
                text = f"batch {batch.sequence} is intact but makes no sense: {error}"
                raise StoreCorrupt(path, f"byte {batch.offset}", text) from error

    def write(self, records: Sequence[Record]) -> None:
        """Stores the records in order, all or none, and returns when they are on the disk.

        Raises:
            DiskFull: nothing was stored; the same call may be repeated when there is space.
            DiskFailed: what is on disk is unknown; the node must stop. So does every later call.
            InvariantViolation: the records do not fit the log; nothing was stored.
        """
        if self._failed:
            raise self._failed
        if not records:
            return
        self._state.check(records)
        body = _encode(tuple(records))
        try:
            if self._offset + form.BATCH_OVERHEAD + len(body) <= self._current.capacity:
                self._append(body)
                self._state.apply(records)
            else:
                self._switch_halves(records)
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull(self._current.path, len(body)) from error
            raise self._fail("writing", error) from error
        try:
            self._write_mark()
        except OSError as error:
            raise self._fail("writing the mark", error) from error

    def _append(self, body: bytes) -> None:
        half = self._current
        sequence = self._sequence + 1
        data, crc = form.encode_batch(Kind.RECORDS, sequence, body, self._crc)
        copied = len(data) <= form.MAX_SLOT_COPY
        slot = TailSlot(*half.key, sequence, crc, data if copied else b"")
        half.file.write(self._offset, data)
        if not copied:
            self._sync(half)
        half.file.write(form.SLOT_AT[sequence % 2], form.encode_slot(slot))
        self._sync(half)
        self._sequence, self._offset, self._crc = sequence, self._offset + len(data), crc

    def _switch_halves(self, records: Sequence[Record]) -> None:
        """Stores records by writing the state with them into the other half; goes on there.

        So a snapshot that makes the log small again finds room even on a full disk. Until the
        header is written nothing has happened; from then on an error is fatal, since the next
        start would take this half for the newest.
        """
        state = LogState(self._state.stored())
        state.apply(records)
        base = _encode(state.stored())
        old, new = self._current, self._other(self._current)
        needed = form.BATCHES_AT + form.BATCH_OVERHEAD + len(base)
        capacity = _reserve(new.file, needed, needed + len(base))
        log, generation = old.key
        self._format(new, Header(log, generation + 1, self._sequence + 1, capacity), base)
        try:
            old.retire()
        except OSError as error:
            raise self._fail("retiring the old half", error) from error
        self._current = new
        self._state = state

    def _format(self, half: Half, header: Header, body: bytes) -> None:
        seed = form.seed(header.log, header.generation)
        base, crc = form.encode_batch(Kind.BASE, header.base_sequence, body, seed)
        half.file.write(form.BATCHES_AT, base)
        slot = TailSlot(header.log, header.generation, header.base_sequence, crc, b"")
        for at in form.SLOT_AT:
            half.file.write(at, form.encode_slot(slot))
        self._sync(half)
        try:
            half.write_header(header)
        except OSError as error:
            raise self._fail("writing a header", error) from error
        self._sequence, self._crc = header.base_sequence, crc
        self._offset = form.BATCHES_AT + len(base)

    def _sync(self, half: Half) -> None:
        try:
            half.file.sync()
        except OSError as error:
            raise self._fail("syncing", error) from error

    def _fail(self, doing: str, error: OSError) -> DiskFailed:
        cause = errno.errorcode.get(error.errno or 0, str(error))
        self._failed = DiskFailed(self._current.path, doing, cause)
        return self._failed

    def _write_mark(self) -> None:
        """Notes what is durable by now. Not synced: it may lag behind the log, never lead it."""
        assert self._mark_file is not None
        log, generation = self._current.key
        mark = Mark(log, self._sequence, self._state.last_index, generation)
        self._mark_file.write(form.MARK_AT[self._sequence % 2], form.encode_mark(mark))

    def close(self) -> None:
        """Closes the files. Everything acknowledged is on disk already, the mark perhaps not."""
        if self._mark_file and not self._failed:
            with suppress(OSError):
                self._mark_file.sync()
        for half in self._halves:
            half.file.close()
        if self._mark_file:
            self._mark_file.close()
        self._halves, self._mark_file = [], None


def _reserve(file: DiskFile, needed: int, wanted: int) -> int:
    """Makes room for ``wanted`` bytes, or at least for ``needed``; returns the file's size.

    Where there is room already the disk is not asked: it may be full.
    """
    if file.size() < wanted:
        try:
            file.reserve(wanted)
        except OSError as error:
            if error.errno not in FULL:
                raise
            if file.size() < needed:
                file.reserve(needed)
    return file.size()


def quarantine(folder: Path, *more: str) -> list[Path]:
    """Moves a log that must not vote aside, so that an empty one can take its place.

    Args:
        folder: the log's folder; no ``LogStore`` is open on it.
        more: names of other files in it that go with the log, such as the identity.

    Returns:
        The new paths: ``<name>.corrupt-<n>`` with the first ``n`` that is free.
    """
    names = [name for name in (*HALF_NAMES, MARK_NAME, *more) if (folder / name).exists()]
    number = 1
    while any((folder / f"{name}.corrupt-{number}").exists() for name in names):
        number += 1
    moved = [(folder / name).rename(folder / f"{name}.corrupt-{number}") for name in names]
    sync_folder(folder)
    return moved
