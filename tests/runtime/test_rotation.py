"""Logs are rotated under their writers' hands, and read as one stream."""

import asyncio
import ctypes
import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interrex.core.spec import LogFiles
from interrex.runtime import log_reading, rotation
from interrex.runtime.log_reading import LogReader, follow_logs, read_logs
from interrex.runtime.rotation import Rotator, extent_of, rotate, rotated_files

MANY = 1000

WRITER = """
import os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
number = 0
while number < int(sys.argv[2]):
    # Lines of many lengths, several to a write, as programs do.
    text = b""
    for _ in range(number % 7 + 1):
        text += b"%d %s\\n" % (number, b"x" * (number * 31 % 150))
        number += 1
    os.write(log, text)
print("done", flush=True)
"""


@pytest.fixture(params=["disk", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A log on the disk (ext4 and xfs collapse) and one on a tmpfs (which only punches)."""
    if request.param == "disk":
        yield tmp_path / "web.2.log"
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "web.2.log"


class Writer:
    """Another process that appends numbered lines as fast as it can."""

    def __init__(self, log: Path, lines: int) -> None:
        log.touch()
        command = [sys.executable, "-c", WRITER, str(log), str(lines)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def running(self) -> bool:
        return self._process.poll() is None

    def join(self) -> None:
        assert self._process.communicate()[0] == b"done\n"


def numbers(lines: list[bytes]) -> list[int]:
    """The numbers of a writer's lines, each checked to be whole."""
    found = []
    for line in lines:
        number, _, filling = line.partition(b" ")
        assert filling == b"x" * (int(number) * 31 % 150), line
        found.append(int(number))
    return found


def append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)


def fill(log: Path, start: int, count: int) -> None:
    append(log, b"".join(b"line %08d\n" % number for number in range(start, start + count)))


def filled(start: int, count: int) -> list[bytes]:
    return [b"line %08d" % number for number in range(start, start + count)]


# Under a writer


def test_no_line_is_lost_or_doubled_over_many_rotations(log: Path) -> None:
    writer = Writer(log, 300_000)
    rotations = 0
    while writer.running():
        rotations += rotate(log, MANY)
    writer.join()
    rotations += rotate(log, MANY)
    assert rotations > 3
    assert len(rotated_files(log)) == rotations
    assert numbers(list(read_logs(log))) == list(range(300_000))


def test_what_is_kept_is_the_newest_without_a_gap(log: Path) -> None:
    writer = Writer(log, 100_000)
    while writer.running():
        rotate(log, 3)
    writer.join()
    assert len(rotated_files(log)) == 3
    found = numbers(list(read_logs(log))[1:])
    assert found == list(range(found[0], found[0] + len(found)))
    assert found[-1] >= 99_999


def test_a_follower_sees_every_line_once_through_rotations(log: Path) -> None:
    seen: list[bytes] = []
    writer = Writer(log, 200_000)

    def follow() -> None:
        for line in follow_logs(log, wait=lambda: len(seen) < 200_000):
            seen.append(line)

    follower = threading.Thread(target=follow)
    follower.start()
    while writer.running():
        rotate(log, MANY)
    writer.join()
    follower.join()
    assert numbers(seen) == list(range(200_000))


# One rotation


def test_a_rotated_log_takes_little_space_and_its_writer_goes_on_at_its_end(log: Path) -> None:
    with log.open("ab", buffering=0) as writer:
        writer.write(b"".join(line + b"\n" for line in filled(0, 10_000)))
        assert rotate(log, 4)
        assert log.stat().st_blocks * 512 <= 8192
        writer.write(b"".join(line + b"\n" for line in filled(10_000, 100)))
    assert list(read_logs(log)) == filled(0, 10_100)


def test_rotated_files_sort_by_name_and_name_their_place(log: Path) -> None:
    for number in range(12):
        fill(log, number * 1000, 1000)
        assert rotate(log, MANY)
    files = rotated_files(log)
    assert [file.path for file in files] == sorted(log.parent.glob("web.2.log.0*"))
    assert [file.start for file in files[1:]] == [file.end for file in files[:-1]]


def test_a_log_of_less_than_a_block_is_left_alone(log: Path) -> None:
    append(log, b"short\n")
    assert not rotate(log, 4)
    assert list(read_logs(log)) == [b"short"]


def test_without_any_to_keep_the_head_is_dropped_and_places_go_on(log: Path) -> None:
    fill(log, 0, 10_000)
    reader = LogReader(log)
    while reader.lines():
        pass
    assert rotate(log, 0)
    fill(log, 10_000, 10_000)
    assert rotate(log, 0)
    fill(log, 20_000, 10)
    assert [file.size for file in rotated_files(log)] == [0]
    assert list(read_logs(log))[-10:] == filled(20_000, 10)
    assert reader.lines()[-10:] == filled(20_000, 10)


def test_a_readers_lock_puts_the_rotation_off(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(log, 0, 1000)
    with log.open("rb") as reading:
        fcntl.flock(reading, fcntl.LOCK_SH)
        assert not rotate(log, 4)
    assert sorted(log.parent.iterdir()) == [log]
    assert rotate(log, 4)


def test_a_crash_before_the_head_is_taken_out_loses_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(_descriptor: int, _end: int) -> None:
        raise Crash

    fill(log, 0, 1000)
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "_take_out", crash)
        with pytest.raises(Crash):
            rotate(log, MANY)
    fill(log, 1000, 1000)
    assert set(read_logs(log)) >= set(filled(0, 2000))
    assert rotate(log, MANY)
    fill(log, 2000, 1000)
    assert rotate(log, MANY)
    assert set(read_logs(log)) >= set(filled(0, 3000))
    assert list(read_logs(log))[-2000:] == filled(1000, 2000)


def test_a_file_system_that_can_do_neither_is_told_and_nothing_is_lost(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> int:
        ctypes.set_errno(errno.EOPNOTSUPP)
        return -1

    fill(log, 0, 1000)
    monkeypatch.setattr(rotation._libc, "fallocate", refuse)
    with pytest.raises(OSError, match="ext4, xfs, btrfs or tmpfs"):
        rotate(log, MANY)
    assert list(read_logs(log)) == filled(0, 1000)


# Reading


@pytest.mark.parametrize("count", [0, 1, 2, 999, 30_000, 31_000, 31_001, 50_000])
@pytest.mark.parametrize("ending", [b"", b"unfinished"])
def test_the_last_lines_are_found_across_files(log: Path, count: int, ending: bytes) -> None:
    every = filled(0, 31_000)
    fill(log, 0, 30_000)
    rotate(log, MANY)
    fill(log, 30_000, 1000)
    if ending:
        append(log, ending)
        every.append(ending)
    assert list(read_logs(log, last=count)) == (every[-count:] if count else [])


def test_a_follower_skips_what_was_pruned_and_goes_on(log: Path) -> None:
    reader = LogReader(log)
    fill(log, 0, 1000)
    assert reader.lines() == filled(0, 1000)
    for number in range(1, 6):
        fill(log, number * 1000, 1000)
        rotate(log, 1)
    found = []
    while lines := reader.lines():
        found += lines
    assert 1000 <= len(found) <= 2500
    assert found[1:] == filled(6001 - len(found), len(found) - 1)


def test_a_follower_goes_on_after_somebody_emptied_the_log(log: Path) -> None:
    fill(log, 0, 10)
    reader = LogReader(log)
    reader.lines()
    os.truncate(log, 0)
    fill(log, 10, 5)
    assert reader.lines() == filled(10, 5)


def test_a_line_is_handed_out_when_its_end_is_written(log: Path) -> None:
    append(log, b"one\ntw")
    reader = LogReader(log)
    assert reader.lines() == [b"one"]
    assert reader.lines() == []
    append(log, b"o\n")
    assert reader.lines() == [b"two"]


def test_a_line_of_any_length_costs_its_length(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were each of 32,000 batches added to all before them, 256 GB would be copied."""
    monkeypatch.setattr(log_reading, "BATCH_BYTES", 512)
    log.write_bytes(b"x" * 16_000_000 + b"\nlast")
    assert [len(line) for line in read_logs(log)] == [16_000_000, 4]


def test_following_ends_when_waiting_says_so(log: Path) -> None:
    append(log, b"one\n")
    assert list(follow_logs(log, wait=lambda: False)) == [b"one"]
    assert list(follow_logs(log, wait=lambda: False, last=0)) == []


def test_a_missing_log_is_the_callers_matter(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_logs(tmp_path / "no.log"))


# On the loop


async def rotated(log: Path, rotator: Rotator, until: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not until():
            rotator.check()
            await asyncio.sleep(0)


async def test_the_rotator_rotates_what_is_too_big(log: Path) -> None:
    def small_again() -> bool:
        return log.stat().st_blocks * 512 <= 50_000 and len(rotated_files(log)) <= 2

    rotator = Rotator(asyncio.get_running_loop())
    rotator.watch(log, LogFiles(max_bytes=50_000, keep=2))
    rotator.check()  # there is no such file yet
    for number in range(5):
        fill(log, number * 10_000, 10_000)
        await rotated(log, rotator, small_again)
    rotator.unwatch(log)
    fill(log, 50_000, 10_000)
    rotator.check()
    rotator.close()
    assert len(rotated_files(log)) == 2
    assert list(read_logs(log))[-10_000:] == filled(50_000, 10_000)


def test_a_hole_is_told_from_data(log: Path) -> None:
    fill(log, 0, 1000)
    rotate(log, 1)
    with log.open("rb") as file:
        extent = extent_of(file.fileno(), rotated_files(log))
        assert log.read_bytes()[extent.offset :] == log.read_bytes().lstrip(b"\0")
    assert extent.start == rotated_files(log)[-1].end
