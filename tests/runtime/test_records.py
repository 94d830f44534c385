"""Replica records: locked, rewritten in place, checked."""

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from interrex.core.ids import SlotName
from interrex.runtime.records import (
    CorruptRecord,
    Instances,
    ReplicaRecord,
    lock_record,
    read_record,
)

SLOT = SlotName("web.2")
RECORD = ReplicaRecord(
    slot=SLOT, incarnation=1, generation=2, epoch=3, port=4, instance="i", log="/l"
)


def test_a_record_can_be_locked_once(tmp_path: Path) -> None:
    first = lock_record(tmp_path, SLOT)
    assert first is not None
    assert lock_record(tmp_path, SLOT) is None
    first.close()
    second = lock_record(tmp_path, SLOT)
    assert second is not None
    second.close()


def test_the_lock_survives_rewriting_and_a_shorter_record_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    locked = lock_record(tmp_path, SLOT)
    assert locked is not None
    assert locked.read() is None
    locked.write(msgspec.structs.replace(RECORD, log="/long" * 100))
    locked.write(RECORD)
    assert lock_record(tmp_path, SLOT) is None
    assert locked.read() == read_record(tmp_path / SLOT) == RECORD
    locked.close()


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    locked = lock_record(tmp_path, SLOT)
    assert locked is not None
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    locked.close()
    again = lock_record(tmp_path, SLOT)
    assert again is not None
    again.close()
    child.communicate()


def test_a_deleted_records_lock_is_not_taken_for_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened by name, then deleted by its holder, then locked: the file has no name any more."""
    holder = lock_record(tmp_path, SLOT)
    assert holder is not None
    real_open = os.open

    def open_then_lose(path: Path, flags: int, mode: int) -> int:
        monkeypatch.setattr(os, "open", real_open)
        descriptor = real_open(path, flags, mode)
        holder.delete()
        holder.close()
        return descriptor

    monkeypatch.setattr(os, "open", open_then_lose)
    late = lock_record(tmp_path, SLOT)
    assert late is not None
    late.write(RECORD)
    assert read_record(tmp_path / SLOT) == RECORD
    late.close()


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_a_flipped_bit_is_noticed(tmp_path: Path, place: int) -> None:
    locked = lock_record(tmp_path, SLOT)
    assert locked is not None
    locked.write(RECORD)
    text = bytearray((tmp_path / SLOT).read_bytes())
    text[place % len(text)] ^= 0x10
    (tmp_path / SLOT).write_bytes(text)
    with pytest.raises(CorruptRecord):
        locked.read()
    locked.close()


@pytest.mark.parametrize("kept", [1, 50, -1])
def test_a_torn_record_is_noticed(tmp_path: Path, kept: int) -> None:
    locked = lock_record(tmp_path, SLOT)
    assert locked is not None
    locked.write(RECORD)
    (tmp_path / SLOT).write_bytes((tmp_path / SLOT).read_bytes()[:kept])
    with pytest.raises(CorruptRecord):
        locked.read()
    locked.close()


def test_an_instance_id_tells_its_slot_its_counts_and_its_host(tmp_path: Path) -> None:
    here, there = Instances(tmp_path), Instances(tmp_path / "other")
    instance = here.new(SLOT, 5, 7)
    assert instance != here.new(SLOT, 5, 7)
    assert instance.startswith(here.prefix(SLOT))
    assert not instance.startswith(there.prefix(SLOT))
    assert not here.new(SlotName("web.22"), 5, 7).startswith(here.prefix(SLOT))
    assert here.counts(SLOT, instance) == (5, 7)
