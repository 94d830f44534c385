"""The bytes of the durable log: pure functions, no I/O.

A log is two *halves* (``log.0``, ``log.1``), of which one is current, and a ``mark``. A half::

    0       header    magic, log id, generation, sequence of its base, its capacity, crc
    4096    retired   the same id and generation, once the other half has taken over
    8192    tail slot for even sequences   } the newest batch once more, or, when it is
    40960   tail slot for odd sequences    } larger than a slot, a claim that it is stored
    73728   batches, one after the other

A batch is what one ``write`` stored: length, crc, sequence, kind, then msgpack. The crc covers
all of it and goes on from the crc before, so neither a changed batch nor one left over from an
earlier use of the half fits into the chain. The log id, drawn once, keeps files of two logs apart.
The first batch of a half is its *base*: the whole state after the batch of the same sequence, the
first that did not fit into the half before and so is stored here.

The crash rules (``read_half`` follows them):
- a batch and its tail slot are written together and synced once: both are there once it has been
  acknowledged. If one of them is damaged later, the other still proves and restores it;
- a batch larger than a slot is synced first, its slot claims it after that;
- so a batch that is missing in both places was never acknowledged, and is dropped in silence;
- every other difference is corruption.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

HEADER_AT = 0
RETIRED_AT = 4096
SLOT_AT = (8192, 40960)
SLOT_BYTES = 32768
BATCHES_AT = 73728
MARK_AT = (0, 4096)
MARK_BYTES = 8192

_HEADER = struct.Struct("<8sQQQQ")
_RETIRED = struct.Struct("<8sQQ")
_BATCH = struct.Struct("<IIQI")  # length of the body, crc, sequence, kind
_SLOT = struct.Struct("<8sQQQII")  # magic, log, generation, sequence, crc, bytes copied
_MARK = struct.Struct("<8sQQQQ")
_CRC = struct.Struct("<I")

_HEADER_MAGIC = b"ixlog\x00\x00\x01"
_RETIRED_MAGIC = b"ixdone\x00\x01"
_SLOT_MAGIC = b"ixtail\x00\x01"
_MARK_MAGIC = b"ixmark\x00\x01"

BATCH_OVERHEAD = _BATCH.size
MAX_SLOT_COPY = SLOT_BYTES - _SLOT.size - _CRC.size


class Kind(IntEnum):
    """What a batch's body is: records as they were handed in, or the whole state."""

    RECORDS = 0
    BASE = 1


class Header(NamedTuple):
    log: int
    generation: int
    base_sequence: int
    capacity: int


class Retired(NamedTuple):
    log: int
    generation: int


class Batch(NamedTuple):
    """A batch that was read: where it starts and ends, and the crc the next one goes on from."""

    offset: int
    end: int
    sequence: int
    kind: Kind
    body: bytes
    crc: int


class TailSlot(NamedTuple):
    """``copy`` is empty when the slot only claims that the batch is stored."""

    log: int
    generation: int
    sequence: int
    crc: int
    copy: bytes


class Mark(NamedTuple):
    """What was acknowledged at least: the last batch, the last index, the half's generation."""

    log: int
    sequence: int
    last_index: int
    generation: int


def seed(log: int, generation: int) -> int:
    """The crc that the first batch of a half goes on from."""
    return zlib.crc32(struct.pack("<QQ", log, generation))


def _sealed(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


def _unsealed(form: struct.Struct, magic: bytes, data: bytes) -> tuple[int, ...] | None:
    end = form.size + _CRC.size
    if len(data) < end or data[: len(magic)] != magic:
        return None
    if _CRC.unpack_from(data, form.size)[0] != zlib.crc32(data[: form.size]):
        return None
    return form.unpack_from(data)[1:]


def encode_header(header: Header) -> bytes:
    return _sealed(_HEADER.pack(_HEADER_MAGIC, *header))


def decode_header(data: bytes) -> Header | None:
    """None when the bytes are no intact header."""
    fields = _unsealed(_HEADER, _HEADER_MAGIC, data)
    return Header(*fields) if fields else None


def encode_retired(retired: Retired) -> bytes:
    return _sealed(_RETIRED.pack(_RETIRED_MAGIC, *retired))


def decode_retired(data: bytes) -> Retired | None:
    """None when the bytes are no intact note that a half was retired."""
    fields = _unsealed(_RETIRED, _RETIRED_MAGIC, data)
    return Retired(*fields) if fields else None


def encode_mark(mark: Mark) -> bytes:
    return _sealed(_MARK.pack(_MARK_MAGIC, *mark))


def decode_mark(data: bytes) -> Mark | None:
    """None when the bytes are no intact mark."""
    fields = _unsealed(_MARK, _MARK_MAGIC, data)
    return Mark(*fields) if fields else None


def _batch_crc(length: int, sequence: int, kind: int, body: bytes, previous: int) -> int:
    return zlib.crc32(body, zlib.crc32(_BATCH.pack(length, 0, sequence, kind), previous))


def encode_batch(kind: Kind, sequence: int, body: bytes, previous_crc: int) -> tuple[bytes, int]:
    """The batch's bytes and the crc that the next one goes on from."""
    crc = _batch_crc(len(body), sequence, kind, body, previous_crc)
    return _BATCH.pack(len(body), crc, sequence, kind) + body, crc


def decode_batch(data: bytes, offset: int, sequence: int, previous_crc: int) -> Batch | None:
    """The batch at ``offset`` if it is intact, has this sequence and fits into the chain."""
    start = offset + _BATCH.size
    if start > len(data):
        return None
    length, crc, found, kind = _BATCH.unpack_from(data, offset)
    end = start + length
    if found != sequence or end > len(data) or kind > Kind.BASE:
        return None
    body = data[start:end]
    if crc != _batch_crc(length, found, kind, body, previous_crc):
        return None
    return Batch(offset, end, sequence, Kind(kind), body, crc)


def encode_slot(slot: TailSlot) -> bytes:
    head = _SLOT.pack(_SLOT_MAGIC, *slot[:-1], len(slot.copy))
    return _sealed(head + slot.copy)


def decode_slot(data: bytes) -> TailSlot | None:
    """None when the bytes are no intact tail slot."""
    if len(data) < _SLOT.size or data[: len(_SLOT_MAGIC)] != _SLOT_MAGIC:
        return None
    _, log, generation, sequence, crc, length = _SLOT.unpack_from(data)
    end = _SLOT.size + length
    if len(data) < end + _CRC.size or _CRC.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
        return None
    return TailSlot(log, generation, sequence, crc, data[_SLOT.size : end])


class HalfContent(NamedTuple):
    """A half's intact batches, base first.

    ``restored`` is empty, or the bytes of the last batch where they come from its tail slot and
    have to be written at its offset. ``damage`` is None, or where and what is wrong.
    """

    batches: list[Batch]
    restored: bytes = b""
    damage: tuple[str, str] | None = None


def batches_in(data: bytes, header: Header) -> Iterator[Batch]:
    """The intact batches of a half, up to the first that is not."""
    offset, sequence, crc = BATCHES_AT, header.base_sequence, seed(header.log, header.generation)
    while (batch := decode_batch(data, offset, sequence, crc)) is not None:
        yield batch
        offset, sequence, crc = batch.end, sequence + 1, batch.crc


def slots_in(data: bytes, header: Header) -> list[TailSlot]:
    """The intact tail slots that belong to the half's present use."""
    found = (decode_slot(data[at : at + SLOT_BYTES]) for at in SLOT_AT)
    return [slot for slot in found if slot and slot[:2] == header[:2]]


def read_half(data: bytes, header: Header) -> HalfContent:
    """Reads a half by the crash rules above."""
    batches = list(batches_in(data, header))
    if len(data) < header.capacity:
        text = f"the file is {len(data)} bytes long, it had {header.capacity}"
        return HalfContent(batches, damage=("end of file", text))
    if not batches or batches[0].kind is not Kind.BASE:
        return HalfContent(batches, damage=(f"byte {BATCHES_AT}", "the first batch is damaged"))
    slots = slots_in(data, header)
    if not slots:
        return HalfContent(batches, damage=(f"byte {SLOT_AT[0]}", "both tail slots are damaged"))
    last = batches[-1]
    newest = max(slots, key=lambda slot: slot.sequence)
    if newest.sequence <= last.sequence:
        return HalfContent(batches)
    if newest.sequence == last.sequence + 1 and newest.copy:
        copy = decode_batch(newest.copy, 0, newest.sequence, last.crc)
        if copy is not None:
            moved = copy._replace(offset=last.end, end=last.end + len(newest.copy))
            return HalfContent([*batches, moved], restored=newest.copy)
    text = f"batch {last.sequence + 1} is damaged or missing, {newest.sequence} was acknowledged"
    return HalfContent(batches, damage=(f"byte {last.end}", text))
