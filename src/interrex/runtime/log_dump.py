"""Shows a durable log to a person: ``python -m interrex.runtime.log_dump FOLDER``.

Reads only, and reads damaged logs too: it says where the damage is and shows what comes before.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import assert_never

import msgspec

from interrex.core.storage import (
    AppendEntries,
    Entry,
    Record,
    SaveSnapshot,
    SetFact,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.runtime import log_format as form
from interrex.runtime.log_format import Batch, Header, Kind
from interrex.runtime.log_store import HALF_NAMES, MARK_NAME

_SHOWN = 120


def dump(folder: Path) -> Iterator[str]:
    """The lines that describe a log, mark first, then each half with its batches."""
    yield from _dump_mark(folder / MARK_NAME)
    for name in HALF_NAMES:
        yield from _dump_half(folder / name)


def _dump_mark(path: Path) -> Iterator[str]:
    data = _read(path)
    if data is None:
        yield f"{path.name}: missing"
        return
    for at in form.MARK_AT:
        mark = form.decode_mark(data[at : at + 64])
        text = "empty or damaged"
        if mark:
            text = f"log {mark.log:016x}, batch {mark.sequence}, index {mark.last_index}"
        yield f"{path.name} @{at}: {text}"


def _dump_half(path: Path) -> Iterator[str]:
    data = _read(path)
    if data is None:
        yield f"{path.name}: missing"
        return
    header = form.decode_header(data)
    if header is None:
        yield f"{path.name}: {'header damaged' if any(data[:64]) else 'never used'}"
        return
    retired = form.decode_retired(data[form.RETIRED_AT : form.RETIRED_AT + 64])
    use = "retired" if retired == header[:2] else "current"
    yield (
        f"{path.name}: log {header.log:016x}, generation {header.generation} ({use}), "
        f"{header.capacity} bytes reserved"
    )
    yield from _dump_batches(path.name, data, header)


def _dump_batches(name: str, data: bytes, header: Header) -> Iterator[str]:
    for slot in form.slots_in(data, header):
        kind = f"copy of {len(slot.copy)} bytes" if slot.copy else "claim"
        yield f"{name}: tail slot: batch {slot.sequence}, {kind}"
    content = form.read_half(data, header)
    for batch in content.batches:
        yield f"{name} @{batch.offset}: batch {batch.sequence}, crc {batch.crc:08x}"
        for line in _dump_body(batch):
            yield f"    {line}"
    if content.restored:
        yield f"{name}: the last batch is damaged here, shown from its tail slot"
    if content.damage:
        yield f"{name}: DAMAGE at {content.damage[0]}: {content.damage[1]}"


def _dump_body(batch: Batch) -> Iterator[str]:
    try:
        if batch.kind is Kind.BASE:
            stored = msgspec.msgpack.decode(batch.body, type=Stored)
            yield from (f"fact {key} = {_shown(value)}" for key, value in stored.facts.items())
            if stored.snapshot:
                yield _snapshot(stored.snapshot)
            yield from map(_entry, stored.entries)
            return
        for record in msgspec.msgpack.decode(batch.body, type=tuple[Record, ...]):
            yield from _dump_record(record)
    except msgspec.MsgspecError as error:
        yield f"makes no sense: {error}"


def _dump_record(record: Record) -> Iterator[str]:
    match record:
        case SetFact(key, value):
            yield f"fact {key} = {_shown(value)}"
        case AppendEntries(entries):
            yield from map(_entry, entries)
        case TruncateFrom(index):
            yield f"entries from {index} on dropped"
        case SaveSnapshot(snapshot, keep_after, discard_log):
            dropped = "all entries" if discard_log else f"entries up to {keep_after}"
            yield f"{_snapshot(snapshot)}, {dropped} dropped"
        case _:
            assert_never(record)


def _entry(entry: Entry) -> str:
    return f"entry {entry.index} of epoch {entry.epoch}: {_shown(entry.data)}"


def _snapshot(snapshot: Snapshot) -> str:
    size = len(snapshot.data)
    return f"snapshot at {snapshot.index} of epoch {snapshot.epoch}, {size} bytes"


def _shown(data: bytes) -> str:
    """As msgpack where it is that, else as bytes; shortened."""
    try:
        text = repr(msgspec.msgpack.decode(data))
    except (msgspec.MsgspecError, ValueError):
        text = repr(data)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(data)} bytes)"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m interrex.runtime.log_dump FOLDER")
    for shown in dump(Path(sys.argv[1])):
        sys.stdout.write(shown + "\n")
