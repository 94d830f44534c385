"""The durable log on a disk that works, or says that it does not."""

import errno
import random
from pathlib import Path

import pytest

from interrex.core.errors import InvariantViolation
from interrex.core.storage import (
    AppendEntries,
    Entry,
    SaveSnapshot,
    SetFact,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.runtime.disk_file import DiskFailed, DiskFull
from interrex.runtime.log_dump import dump
from interrex.runtime.log_format import MAX_SLOT_COPY, SLOT_AT
from interrex.runtime.log_store import LogStore, quarantine
from tests.runtime.faulty_disk import Faults
from tests.runtime.log_samples import SMALL_HALF, Model, append, reload, small_store, vote


def test_a_new_log_is_empty_and_stays_so(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    assert store.load() == Stored()
    store.close()
    assert reload(tmp_path) == Stored()


def test_what_was_written_is_found_again(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.load()
    store.write([vote(1), append(1, b"one"), append(2, b"two")])
    store.write([TruncateFrom(2), append(2, b"other", epoch=2), vote(2)])
    assert (store.sequence, store.last_index) == (2, 2)
    store.close()
    entries = (Entry(1, 1, b"one"), Entry(2, 2, b"other"))
    assert reload(tmp_path) == Stored({"vote": b"2"}, None, entries)


def test_a_snapshot_replaces_the_entries_it_covers(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.load()
    store.write([append(index) for index in range(1, 11)])
    store.write([SaveSnapshot(Snapshot(8, 1, b"s"), keep_after=6)])
    assert store.last_index == 10
    store.write([append(11)])
    store.close()
    stored = reload(tmp_path)
    assert stored.snapshot == Snapshot(8, 1, b"s")
    assert [entry.index for entry in stored.entries] == [7, 8, 9, 10, 11]


def test_a_snapshot_beyond_the_log_leaves_no_gap(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.load()
    store.write([append(1), append(2)])
    store.write([SaveSnapshot(Snapshot(9, 3, b"s"), keep_after=0, discard_log=True)])
    store.write([append(10)])
    store.close()
    stored = reload(tmp_path)
    assert [entry.index for entry in stored.entries] == [10]


def test_only_a_snapshot_that_replaces_everything_may_go_back(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.load()
    store.write([SaveSnapshot(Snapshot(9, 3, b"s"), keep_after=9, discard_log=True)])
    with pytest.raises(InvariantViolation, match="snapshot 4 after 9"):
        store.write([SaveSnapshot(Snapshot(4, 5, b"t"), keep_after=4)])
    store.write([SaveSnapshot(Snapshot(4, 5, b"t"), keep_after=4, discard_log=True), append(5)])
    store.close()
    stored = reload(tmp_path)
    assert stored.snapshot == Snapshot(4, 5, b"t")
    assert [entry.index for entry in stored.entries] == [5]


@pytest.mark.parametrize("seed", range(8))
def test_any_records_add_up_to_what_the_model_says(tmp_path: Path, seed: int) -> None:
    rng, model = random.Random(seed), Model()
    store = small_store(tmp_path)
    store.load()
    for _ in range(120):
        batch = []
        for _ in range(rng.choice([1, 1, 2, 5])):
            batch.append(model.draw(rng))
            model.add(batch[-1])
        store.write(batch)
        if rng.random() < 0.05:
            store.close()
            store = small_store(tmp_path)
            assert store.load() == model.stored()
    assert store.last_index == model.last
    store.close()
    assert reload(tmp_path) == model.stored()


def test_a_batch_larger_than_a_tail_slot_or_than_a_half_is_stored_too(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    store.load()
    sizes = [MAX_SLOT_COPY + 1, 3 * SMALL_HALF, 10]
    for index, size in enumerate(sizes, start=1):
        store.write([append(index, b"z" * size)])
    store.close()
    assert [len(entry.data) for entry in reload(tmp_path).entries] == sizes


def test_two_power_cuts_that_tear_a_tail_slot_each_harm_nothing(tmp_path: Path) -> None:
    """The batch of the first one had reached the disk; the second tears the other slot."""
    store = small_store(tmp_path)
    store.load()
    for term in (1, 2):
        store.write([vote(term)])
        sequence = store.sequence
        store.close()
        with (tmp_path / "log.0").open("r+b") as half:
            half.seek(SLOT_AT[sequence % 2])
            half.write(b"torn")
        store = small_store(tmp_path)
        assert store.load() == Stored({"vote": b"%d" % term})
    store.close()


def test_writing_nothing_costs_nothing(tmp_path: Path) -> None:
    faults = Faults()
    store = LogStore(tmp_path, open_file=faults.open)
    store.load()
    before = dict(faults.calls)
    store.write([])
    assert faults.calls == before
    store.close()


def test_a_batch_costs_one_sync(tmp_path: Path) -> None:
    faults = Faults()
    store = LogStore(tmp_path, open_file=faults.open)
    store.load()
    before = faults.calls["sync"]
    store.write([vote(1), append(1, b"x" * 500)])
    assert faults.calls["sync"] == before + 1
    store.close()


def test_what_a_predecessor_wrote_but_did_not_sync_is_synced_before_it_is_believed(
    tmp_path: Path,
) -> None:
    faults = Faults()
    first = LogStore(tmp_path, open_file=faults.open)
    first.load()
    first.close()
    faults.calls.clear()
    store = LogStore(tmp_path, open_file=faults.open)
    store.load()
    assert faults.calls["sync log.0"] == 1
    store.close()


@pytest.mark.parametrize("records", [[append(3)], [append(1), append(1)], [TruncateFrom(0)]])
def test_records_that_do_not_fit_are_refused_whole(
    tmp_path: Path, records: list[AppendEntries]
) -> None:
    store = LogStore(tmp_path)
    store.load()
    with pytest.raises(InvariantViolation):
        store.write([vote(9), *records])
    store.write([vote(1)])
    store.close()
    assert reload(tmp_path) == Stored({"vote": b"1"})


def test_what_a_snapshot_has_settled_cannot_be_cut(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.load()
    store.write([append(1), append(2), SaveSnapshot(Snapshot(2, 1, b""), keep_after=0)])
    with pytest.raises(InvariantViolation, match="cut at 2"):
        store.write([TruncateFrom(2)])
    store.close()


@pytest.mark.parametrize("call", ["write", "reserve"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_loses_nothing_and_the_log_goes_on_when_there_is_space(
    tmp_path: Path, call: str, number: int
) -> None:
    faults = Faults()
    store = LogStore(tmp_path, open_file=faults.open, half_bytes=SMALL_HALF)
    store.load()
    store.write([vote(1)])
    big = append(1, b"x" * SMALL_HALF)  # needs a larger half
    faults.failing[call] = number
    with pytest.raises(DiskFull, match=r"no space for \d+ more bytes"):
        store.write([vote(2), big])
    assert reload(tmp_path) == Stored({"vote": b"1"})
    faults.failing.clear()
    store.write([vote(3)])
    store.write([big])
    store.close()
    stored = reload(tmp_path)
    assert (stored.facts, len(stored.entries)) == ({"vote": b"3"}, 1)


def test_votes_fit_into_the_space_that_was_reserved(tmp_path: Path) -> None:
    faults = Faults()
    store = LogStore(tmp_path, open_file=faults.open, half_bytes=SMALL_HALF)
    store.load()
    faults.failing["reserve"] = errno.ENOSPC
    for term in range(1, 2000):
        store.write([vote(term)])
    store.close()
    assert reload(tmp_path) == Stored({"vote": b"1999"})


def fill(store: LogStore) -> None:
    while True:
        store.write([append(store.last_index + 1, b"x" * 500)])


def test_a_snapshot_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    faults = Faults()
    store = LogStore(tmp_path, open_file=faults.open, half_bytes=SMALL_HALF)
    store.load()
    faults.failing["reserve"] = errno.ENOSPC
    with pytest.raises(DiskFull):
        fill(store)
    last = store.last_index
    store.write([SaveSnapshot(Snapshot(last, 1, b"s" * 1000), keep_after=last)])
    for index in range(last + 1, last + 6):
        store.write([append(index, b"x" * 500)])
    store.close()
    stored = reload(tmp_path)
    assert stored.snapshot
    assert (stored.snapshot.index, len(stored.entries)) == (last, 5)


def test_a_log_is_opened_on_a_full_disk_though_its_spare_half_is_gone(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    store.load()
    store.write([vote(1)])
    store.close()
    (tmp_path / "log.1").unlink()
    faults = Faults(failing={"reserve": errno.ENOSPC})
    store = LogStore(tmp_path, open_file=faults.open, half_bytes=SMALL_HALF)
    assert store.load() == Stored({"vote": b"1"})
    store.write([vote(2)])
    store.close()
    assert reload(tmp_path) == Stored({"vote": b"2"})


def test_a_disk_too_full_for_a_new_log_is_tried_again(tmp_path: Path) -> None:
    faults = Faults(failing={"reserve": errno.ENOSPC})
    with pytest.raises(DiskFull):
        LogStore(tmp_path, open_file=faults.open).load()
    faults.failing.clear()
    store = LogStore(tmp_path, open_file=faults.open)
    assert store.load() == Stored()
    store.close()


@pytest.mark.parametrize("call", ["write", "sync"])
def test_after_a_failed_write_or_sync_nothing_is_ever_acknowledged_again(
    tmp_path: Path, call: str
) -> None:
    faults = Faults()
    store = LogStore(tmp_path, open_file=faults.open)
    store.load()
    faults.failing[call] = errno.EIO
    with pytest.raises(DiskFailed, match="EIO"):
        store.write([vote(1)])
    faults.failing.clear()
    with pytest.raises(DiskFailed):
        store.write([vote(2)])
    store.close()


def test_a_sync_that_reports_a_full_disk_is_a_failure_too(tmp_path: Path) -> None:
    faults = Faults()
    store = LogStore(tmp_path, open_file=faults.open)
    store.load()
    faults.failing["sync"] = errno.ENOSPC
    with pytest.raises(DiskFailed):
        store.write([vote(1)])
    store.close()


def test_quarantine_moves_everything_aside_and_numbers_it(tmp_path: Path) -> None:
    for number in (1, 2):
        store = LogStore(tmp_path)
        store.load()
        store.close()
        (tmp_path / "identity.json").write_text("{}")
        moved = quarantine(tmp_path, "identity.json")
        names = ("identity.json", "log.0", "log.1", "mark")
        assert sorted(path.name for path in moved) == [f"{n}.corrupt-{number}" for n in names]
    store = LogStore(tmp_path)
    assert store.load() == Stored()
    store.close()


def test_a_person_can_read_a_log(tmp_path: Path) -> None:
    store = small_store(tmp_path)
    store.load()
    store.write([SetFact("vote", b"\x07"), append(1, b"\x93\x01\x02\x03")])
    store.write([append(2, b"z" * 9000), SaveSnapshot(Snapshot(1, 1, b"s"), 1)])
    store.close()
    text = "\n".join(dump(tmp_path))
    assert "fact vote = 7" in text
    assert "entry 1 of epoch 1: [1, 2, 3]" in text
    assert "batch 2" in text
    assert "(current)" in text
    assert "snapshot at 1" in text
    assert "DAMAGE" not in text
