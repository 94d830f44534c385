"""Files that only the newest epoch writes, and the file that keeps it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from interrex.core.errors import InterrexError
from interrex.library.errors import StaleEpoch
from interrex.library.guards.files import EpochFile, GuardedFile


def test_a_file_is_written_by_the_newest_epoch_only(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    guarded = GuardedFile(path)
    guarded.write(b"one", 7)
    guarded.write(b"two", 7)
    GuardedFile(path).write(b"three", 9)
    with pytest.raises(StaleEpoch, match="epoch 8 is refused: 9"):
        guarded.write(b"four", 8)
    assert path.read_bytes() == b"three"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["plan", "plan.epoch"]


def test_a_file_that_could_not_be_written_is_as_it_was_and_the_epoch_counts(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    guarded = GuardedFile(path)
    guarded.write(b"one", 7)
    (tmp_path / "plan.new").mkdir()
    with pytest.raises(IsADirectoryError, match="plan"):
        guarded.write(b"two", 8)
    assert path.read_bytes() == b"one"
    with pytest.raises(StaleEpoch):
        guarded.write(b"three", 7)


def test_a_full_disk_is_told_by_name_and_what_was_begun_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        guarded = GuardedFile(folder / "plan")
        guarded.write(b"one", 7)
        for epoch in (7, 8):
            with pytest.raises(OSError, match=r"No space left on device: '.*/plan'"):
                guarded.write(bytes(2**17), epoch)
        assert sorted(one.name for one in folder.iterdir()) == ["plan", "plan.epoch"]
        assert (folder / "plan").read_bytes() == b"one"
        guarded.write(b"two", 8)
        with suppress(OSError):
            (folder / "filler").write_bytes(bytes(2**17))
        with pytest.raises(OSError, match=r"No space left on device: '.*/other'"):
            EpochFile(folder / "other").admit(1)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_writer_that_was_killed_leaves_nothing_that_stays_and_permissions_are_kept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    (tmp_path / "plan.new").write_bytes(b"half of what a killed wri")
    GuardedFile(path).write(b"one", 7)
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["plan", "plan.epoch"]


HOLD = """\
import sys
from interrex.library.guards.files import EpochFile
with EpochFile(sys.argv[1]).admitted(5):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_who_is_admitted_is_waited_for_and_who_dies_is_not(tmp_path: Path) -> None:
    path = tmp_path / "epoch"
    with Popen([sys.executable, "-c", HOLD, str(path)], stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        later = [sys.executable, "-c", HOLD.replace("5", "6"), str(path)]
        with Popen(later, stdin=PIPE, stdout=PIPE) as waiting:
            assert waiting.stdout is not None
            os.set_blocking(waiting.stdout.fileno(), False)
            assert not waiting.stdout.read()
            os.set_blocking(waiting.stdout.fileno(), True)
            holder.send_signal(signal.SIGKILL)
            assert waiting.stdout.readline() == b"in\n"
            waiting.kill()
    with pytest.raises(StaleEpoch):
        EpochFile(path).admit(5)
    assert EpochFile(path).newest() == 6


def test_a_file_of_something_else_is_not_taken_for_an_epoch(tmp_path: Path) -> None:
    path = tmp_path / "epoch"
    assert EpochFile(path).newest() == 0
    for other in ("hello", f"{2**63}"):
        path.write_text(other)
        with pytest.raises(InterrexError, match=other):
            EpochFile(path).admit(1)
