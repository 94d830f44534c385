"""Replica records: one file per slot in the host's folder, locked by whoever supervises it.

The record is rewritten *in place*, in one write of less than a page with a checksum, and the lock
is held on the record file itself: it survives the rewriting, needs no second file, and writing
needs no new disk block (a full disk does not stop a restart). A kill cannot tear a write within
one page of the page cache. The record is not synced: a crash of the machine, which alone could
tear or lose it, kills the processes that it speaks of as well. What a checksum refuses all the
same, or somebody deleted, is looked for in /proc, because the instance id in a replica's
environment holds what a record does.

The lock is flock(2): the kernel drops it when its holder dies. The descriptor is close-on-exec,
so no replica inherits it and keeps the lock alive.
"""

import fcntl
import os
import zlib
from pathlib import Path

import msgspec

from interrex.core.digest import digest
from interrex.core.errors import ensure
from interrex.core.ids import SlotName
from interrex.core.spec import LogFiles
from interrex.runtime.pidfd import ProcessIdentity

MAX_RECORD_BYTES = 4096


class CorruptRecord(Exception):  # noqa: N818
    """A record's checksum or shape is wrong."""


class ReplicaRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A slot's process as its supervisor noted it.

    ``process`` None is an *intent*: written before the spawn, so that a supervisor which dies
    between spawn and record leaves a child that can be found by ``instance``. ``written_at`` is
    the wall clock's, in seconds, for people only. How it is stopped is kept for whoever has to
    do so without its worker.
    """

    slot: SlotName
    incarnation: int
    generation: int
    epoch: int
    port: int
    instance: str
    log: str
    logs: LogFiles = LogFiles()
    process: ProcessIdentity | None = None
    written_at: float = 0.0
    stop_signal: str = "SIGTERM"
    stop_timeout: float = 10.0


class LockedRecord:
    """A slot's record, open and locked. Made by ``lock_record``; the lock falls at ``close``."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def read(self) -> ReplicaRecord | None:
        """The record, None where none was ever written.

        Raises:
            CorruptRecord: The checksum or the shape is wrong.
        """
        return _decode(os.pread(self._descriptor, MAX_RECORD_BYTES + 1, 0))

    def write(self, record: ReplicaRecord) -> None:
        """Replaces the record in place.

        Raises:
            OSError: The disk refused it.
        """
        text = _encode(record)
        ensure(len(text) <= MAX_RECORD_BYTES, f"the record of {record.slot} exceeds a page")
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def delete(self) -> None:
        """Removes the file while the lock is held; whoever waits with the old file notices."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Unlocks."""
        os.close(self._descriptor)


def lock_record(folder: Path, slot: SlotName) -> LockedRecord | None:
    """Takes a slot's record, made where it is missing; None when another process holds it.

    Raises:
        OSError: The folder cannot be written.
    """
    ensure("/" not in slot, f"a slot's name is a file's name: {slot}")
    path = folder / slot
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # Between open and flock its holder may have deleted it: then we locked a file without
        # a name, and somebody else may lock a new one.
        if os.fstat(descriptor).st_nlink:
            return LockedRecord(path, descriptor)
        os.close(descriptor)


def read_record(path: Path) -> ReplicaRecord | None:
    """A record for reading only, without its lock: for people's questions.

    Raises:
        CorruptRecord: The checksum or the shape is wrong; right after a write, ask again.
        FileNotFoundError: The slot has no record.
    """
    return _decode(path.read_bytes())


class Instances:
    """Makes and reads the instance ids of one host folder.

    ``web.2@HOST:INCARNATION.GENERATION:RANDOM``: all of the record that adoption needs and that
    the rest of the environment does not say, so that a lost record can be made again. HOST tells
    two clusters on one machine apart.
    """

    def __init__(self, state: Path) -> None:
        self._host = digest(os.fsencode(state.resolve()), 12)

    def new(self, slot: SlotName, incarnation: int, generation: int) -> str:
        """A fresh instance id."""
        return f"{self.prefix(slot)}{incarnation}.{generation}:{os.urandom(8).hex()}"

    def prefix(self, slot: SlotName) -> str:
        """What all instance ids of a slot start with."""
        return f"{slot}@{self._host}:"

    def counts(self, slot: SlotName, instance: str) -> tuple[int, int]:
        """The incarnation and the generation in an instance id of this slot."""
        numbers = instance.removeprefix(self.prefix(slot)).partition(":")[0]
        incarnation, _, generation = numbers.partition(".")
        return int(incarnation), int(generation)


def _encode(record: ReplicaRecord) -> bytes:
    body = msgspec.json.encode(record)
    return b"%s\n%08x\n" % (body, zlib.crc32(body))


def _decode(text: bytes) -> ReplicaRecord | None:
    if not text:
        return None
    body, separator, checksum = text.partition(b"\n")
    if not separator or checksum != b"%08x\n" % zlib.crc32(body):
        raise CorruptRecord("its checksum does not fit")
    try:
        return msgspec.json.decode(body, type=ReplicaRecord)
    except msgspec.DecodeError as error:
        raise CorruptRecord(str(error)) from error
