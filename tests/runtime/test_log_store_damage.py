"""Damage to a log's files: every loss of what was acknowledged is found, whatever lost it."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from interrex.runtime import log_format as form
from interrex.runtime.disk_file import StoreCorrupt
from interrex.runtime.log_dump import dump
from interrex.runtime.log_format import MAX_SLOT_COPY
from interrex.runtime.log_store import HALF_NAMES, MARK_NAME, LogStore
from tests.runtime.log_samples import append, reload, small_store, vote


def fill(folder: Path, batches: int, first: int = 1, size: int = 400) -> None:
    """Writes batches of a vote and an entry each."""
    store = small_store(folder)
    store.load()
    for index in range(first, first + batches):
        store.write([vote(index), append(index, random.Random(index).randbytes(size))])
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log that has changed halves twice, so that every kind of place is in use."""
    folder = tmp_path / "log"
    folder.mkdir()
    fill(folder, 40)
    return folder


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << (offset % 8)
    path.write_bytes(data)


def test_one_flipped_bit_anywhere_is_found_or_has_no_effect(folder: Path) -> None:
    expected = reload(folder)
    originals = {path: path.read_bytes() for path in folder.iterdir()}
    rng, found = random.Random(1), set()
    for path, data in sorted(originals.items()):
        used = [offset for offset, byte in enumerate(data) if byte]
        for offset in rng.sample(used, min(len(used), 300)):
            flip(path, offset)
            try:
                assert reload(folder) == expected
            except StoreCorrupt as error:
                found.add(error.path)
            for each, original in originals.items():
                each.write_bytes(original)
    assert found == {current_half(folder)}


def current_half(folder: Path) -> Path:
    def generation(path: Path) -> int:
        header = form.decode_header(path.read_bytes())
        return header.generation if header else 0

    return max((folder / name for name in HALF_NAMES), key=generation)


def last_batch(path: Path) -> form.Batch:
    data = path.read_bytes()
    header = form.decode_header(data)
    assert header
    return list(form.batches_in(data, header))[-1]


def test_the_newest_batch_is_restored_from_its_tail_slot(folder: Path) -> None:
    expected, half = reload(folder), current_half(folder)
    flip(half, last_batch(half).end - 1)
    store = small_store(folder)
    assert store.load() == expected
    assert store.repaired is not None
    assert "restored" in store.repaired
    store.close()
    assert reload(folder) == expected


def test_the_newest_batch_damaged_in_both_places_is_missed_by_the_mark(folder: Path) -> None:
    half = current_half(folder)
    batch = last_batch(half)
    flip(half, batch.end - 1)
    flip(half, form.SLOT_AT[batch.sequence % 2] + 60)
    with pytest.raises(StoreCorrupt, match=f"batch {batch.sequence} was acknowledged"):
        reload(folder)


def test_a_damaged_large_batch_is_missed_by_the_slot_that_claims_it(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.load()
    store.write([append(1, b"z" * (MAX_SLOT_COPY + 1))])
    store.close()
    half = current_half(tmp_path)
    flip(half, last_batch(half).end - 1)
    (tmp_path / MARK_NAME).write_bytes((tmp_path / MARK_NAME).read_bytes()[:4096] + bytes(4096))
    with pytest.raises(StoreCorrupt, match="batch 1 is damaged or missing"):
        reload(tmp_path)


def test_damage_says_what_and_where(folder: Path) -> None:
    half = current_half(folder)
    flip(half, form.BATCHES_AT + 40)
    with pytest.raises(StoreCorrupt, match="must not vote") as caught:
        reload(folder)
    assert caught.value.path == half
    assert str(form.BATCHES_AT) in caught.value.where
    assert any("DAMAGE" in line for line in dump(folder))


def _cut(folder: Path) -> None:
    half = current_half(folder)
    half.write_bytes(half.read_bytes()[: last_batch(half).offset])


def _cut_to_nothing(folder: Path) -> None:
    current_half(folder).write_bytes(b"")


def _zero(folder: Path) -> None:
    half = current_half(folder)
    half.write_bytes(bytes(half.stat().st_size))


def _remove_current(folder: Path) -> None:
    current_half(folder).unlink()


def _remove_both(folder: Path) -> None:
    for name in HALF_NAMES:
        (folder / name).unlink()


def _remove_mark(folder: Path) -> None:
    (folder / MARK_NAME).unlink()


def _zero_mark(folder: Path) -> None:
    (folder / MARK_NAME).write_bytes(bytes(form.MARK_BYTES))


def _remove_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _swap_halves(folder: Path) -> None:
    """Harmless to the bytes, but nobody who does that can be trusted; found or read right."""
    first, second = (folder / name for name in HALF_NAMES)
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _cut_to_nothing,
        _zero,
        _remove_current,
        _remove_both,
        _remove_mark,
        _zero_mark,
        _remove_all,
    ],
)
def test_a_lost_file_or_a_lost_part_of_one_is_found(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder)
    with pytest.raises(StoreCorrupt):
        reload(folder)


def test_halves_that_changed_places_are_read_all_the_same(folder: Path) -> None:
    expected = reload(folder)
    _swap_halves(folder)
    assert reload(folder) == expected


@pytest.mark.parametrize("more", [1, 5, 15, 40])
def test_an_older_copy_of_the_log_is_found(tmp_path: Path, more: int) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    fill(folder, 3)
    copies = {name: (folder / name).read_bytes() for name in HALF_NAMES}
    fill(folder, more, first=4)
    for name, data in copies.items():
        (folder / name).write_bytes(data)
    with pytest.raises(StoreCorrupt, match="was acknowledged"):
        reload(folder)


def test_another_workers_log_is_found(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    fill(other, 60)
    for name in HALF_NAMES:
        shutil.copy(other / name, folder / name)
    with pytest.raises(StoreCorrupt, match="another log"):
        reload(folder)


def _let_the_mark_lag(folder: Path) -> None:
    """As after a power loss: the kernel had not written it back."""
    header = form.decode_header(current_half(folder).read_bytes())
    assert header
    mark = form.encode_mark(form.Mark(header.log, 1, 1, 1))
    (folder / MARK_NAME).write_bytes(mark.ljust(form.MARK_BYTES, b"\0"))


@pytest.mark.parametrize("damage", [_zero, _remove_current])
def test_a_lost_half_is_missed_by_the_retired_one(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    _let_the_mark_lag(folder)
    damage(folder)
    with pytest.raises(StoreCorrupt, match="newer half"):
        reload(folder)


def test_a_batch_of_another_log_does_not_fit_into_the_chain(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        fill(folder, 3)
    mine, theirs = (current_half(folder).read_bytes() for folder in folders)
    header = form.decode_header(mine)
    assert header
    second = list(form.batches_in(mine, header))[2]
    mixed = mine[: second.offset] + theirs[second.offset : second.end] + mine[second.end :]
    current_half(folders[0]).write_bytes(mixed)
    with pytest.raises(StoreCorrupt, match="batch 2 is damaged"):
        reload(folders[0])


def test_a_log_that_never_was_is_lost_only_if_an_identity_says_it_was(tmp_path: Path) -> None:
    with pytest.raises(StoreCorrupt, match="the log is missing"):
        LogStore(tmp_path, must_exist=True).load()


def test_an_intact_batch_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    store.load()
    store.close()
    half = tmp_path / HALF_NAMES[0]
    data = half.read_bytes()
    header = form.decode_header(data)
    assert header
    base = next(form.batches_in(data, header))
    batch, _ = form.encode_batch(form.Kind.RECORDS, 1, b"\x91\xc0", base.crc)
    half.write_bytes(data[: base.end] + batch + data[base.end + len(batch) :])
    with pytest.raises(StoreCorrupt, match="makes no sense"):
        reload(tmp_path)
