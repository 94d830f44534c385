"""Disks: what a crash, a power loss, a full or failing or lying disk leaves."""

import pytest

from interrex.core.storage import (
    AppendEntries,
    Entry,
    Record,
    SaveSnapshot,
    SetFact,
    Snapshot,
    TruncateFrom,
)
from interrex.core.time import MS, S
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.disk import Contents, Disk, DiskBroken


class Writer:
    """A worker's process that notes what it is told."""

    def __init__(self, life: int = 1) -> None:
        self.life = life
        self.tokens: list[int] = []
        self.failures: list[str] = []
        self.full = 0

    def persisted(self, token: int) -> None:
        self.tokens.append(token)

    def disk_full(self) -> None:
        self.full += 1

    def disk_failed(self, reason: str) -> None:
        self.failures.append(reason)


class Place:
    """One disk with its writer."""

    def __init__(self, seed: int = 1) -> None:
        self.agenda = Agenda()
        self.written: list[tuple[int, int]] = []
        self.disk = Disk(self.agenda, Chance(seed), MS, self.note)
        self.writer = Writer()
        assert self.disk.open(self.writer) is not None

    def note(self, life: int, token: int, records: tuple[Record, ...]) -> None:
        self.written.append((life, token))

    def write(self, *tokens: int) -> None:
        for token in tokens:
            self.disk.submit(token, (SetFact("last", b"%d" % token),))

    def pass_time(self, duration: int) -> None:
        self.agenda.run_until(self.agenda.now + duration)

    def found(self) -> bytes | None:
        stored = self.disk.open(Writer(2))
        return stored.facts.get("last") if stored is not None else None


def test_what_waits_is_written_together_and_answered_once() -> None:
    place = Place()
    place.write(1, 2, 3)
    place.pass_time(S)
    assert place.writer.tokens == [1, 3]
    assert place.written == [(1, 1), (1, 3)]


def test_a_crash_leaves_the_batch_under_way_whole_or_not_at_all() -> None:
    outcomes = set()
    for seed in range(20):
        place = Place(seed)
        place.write(1)
        place.pass_time(S)
        place.write(2, 3)
        place.disk.process_died()
        outcomes.add(place.found())
        place.pass_time(S)
        assert place.writer.tokens == [1]
    assert outcomes == {b"1", b"2"}


def test_a_full_disk_is_tried_again_until_there_is_space() -> None:
    place = Place()
    place.disk.full = True
    place.write(1, 2)
    place.pass_time(2 * S)
    assert (place.writer.tokens, place.writer.full) == ([], 1)
    place.disk.full = False
    place.pass_time(S)
    assert place.writer.tokens == [2]


def test_a_failing_disk_ends_the_writer_and_cannot_be_opened() -> None:
    place = Place()
    place.disk.failing = True
    place.write(1)
    place.pass_time(S)
    assert place.writer.failures
    assert not place.writer.tokens
    with pytest.raises(DiskBroken):
        place.disk.open(Writer(2))


def test_a_damaged_log_is_put_aside_and_never_read() -> None:
    place = Place()
    place.write(1)
    place.pass_time(S)
    place.disk.damage = "a checksum does not fit"
    assert place.disk.open(Writer(2)) is None
    stored = place.disk.open(Writer(3))
    assert stored is not None
    assert not stored.facts


def test_a_lying_disk_loses_what_it_acknowledged_with_the_power_only() -> None:
    place = Place()
    place.write(1)
    place.pass_time(S)
    place.disk.lie()
    place.write(2)
    place.pass_time(S)
    place.disk.process_died()
    assert place.found() == b"2"
    assert place.disk.power_lost()
    assert place.found() == b"1"


def test_a_disk_that_lied_and_was_honest_in_time_loses_nothing() -> None:
    place = Place()
    place.disk.lie()
    place.write(1)
    place.pass_time(S)
    place.disk.be_honest()
    assert not place.disk.power_lost()
    assert place.found() == b"1"


def test_records_add_up_as_in_the_real_log() -> None:
    contents = Contents()
    entries = tuple(Entry(index, 1, b"x") for index in range(1, 7))
    contents.apply(AppendEntries(entries))
    contents.apply(TruncateFrom(5))
    assert [entry.index for entry in contents.entries] == [1, 2, 3, 4]
    contents.apply(SaveSnapshot(Snapshot(3, 1, b"s"), keep_after=2))
    assert [entry.index for entry in contents.entries] == [3, 4]
    contents.apply(SaveSnapshot(Snapshot(9, 2, b"t"), keep_after=9, discard_log=True))
    assert contents.stored().entries == ()
    assert contents.stored().snapshot == Snapshot(9, 2, b"t")
