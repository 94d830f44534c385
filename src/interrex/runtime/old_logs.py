"""Deletes the output of slots that are stopped for good, a while after their last word.

A slot that is only down keeps its record, and so its output, however long it is down. Whoever
deletes holds the lock on the slot's record, so that nobody can start the slot meanwhile and write
into a file that is just being deleted.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from interrex.core.ids import SlotName
from interrex.runtime.records import CorruptRecord, LockedRecord, lock_record

KEPT_S = 7 * 24 * 3600
"""How long (seconds) the output of a slot that is gone is kept after its last line."""

_LOG_FILE = re.compile(r"(.+\.\d+)\.log(\.\d{20}|\.rotating)?")


def prune_forgotten(logs: Path, records: Path, now: float) -> list[SlotName]:
    """Deletes all log files of each slot that nobody knows any more and that is long silent.

    Args:
        logs: The host's folder of log files.
        records: The host's folder of replica records.
        now: The wall clock's seconds, as the files' own times are.

    Returns:
        The slots whose output was deleted.
    """
    return [
        slot
        for slot, files in sorted(_files_of_slots(logs).items())
        if now - max(_changed_at(files), default=now) > KEPT_S and _delete(slot, files, records)
    ]


def _files_of_slots(logs: Path) -> dict[SlotName, list[Path]]:
    found: dict[SlotName, list[Path]] = {}
    for path in logs.iterdir():
        match = _LOG_FILE.fullmatch(path.name)
        if match is not None:
            found.setdefault(SlotName(match[1]), []).append(path)
    return found


def _changed_at(files: list[Path]) -> Iterator[float]:
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # rotated away
            yield path.stat().st_mtime


def _delete(slot: SlotName, files: list[Path], records: Path) -> bool:
    lock = lock_record(records, slot)
    if lock is None:
        return False
    try:
        if not _is_unknown(lock):
            return False
        for path in files:
            path.unlink(missing_ok=True)
        lock.delete()
    finally:
        lock.close()
    return True


def _is_unknown(lock: LockedRecord) -> bool:
    try:
        return lock.read() is None
    except CorruptRecord:
        return False
