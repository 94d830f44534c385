"""Commands on a state folder that has no space left."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from interrex.config import load
from interrex.core.spec import LOCAL_HOST
from interrex.runtime.founding import found_cluster
from interrex.runtime.layout import Layout
from tests.cli.real_fleet import RealFleet


@pytest.fixture
def disk(fleet: RealFleet) -> Iterator[Path]:
    """The fleet's state folder is a small file system of its own (needs tools/as-root)."""
    folder = fleet.layout.root
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", folder], check=True)
    yield folder
    (folder / "filler").unlink(missing_ok=True)
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass
    with suppress(OSError), (folder / "filler").open("ab", buffering=0) as file:
        while file.write(b"x"):
            pass


def test_up_on_a_full_disk_says_so_and_leaves_nothing_running(fleet: RealFleet, disk: Path) -> None:
    fill(disk)
    done = fleet.run("up", fleet.file, "--detach")
    assert done.returncode == 1
    assert "no space" in done.stderr.lower()
    assert "\ninterrex: free some" in done.stderr
    assert str(Layout(disk, "shop").home) in done.stderr
    assert fleet.processes() == []
    (disk / "filler").unlink()
    fleet.up()


def test_a_fleet_on_a_full_disk_is_shown_and_taken_down(fleet: RealFleet, disk: Path) -> None:
    fleet.up()
    fill(disk)
    assert fleet.status()["supervised"]
    done = fleet.run("down")
    assert done.returncode == 0, done
    assert fleet.processes() == []


@pytest.mark.parametrize("words", [("down",), ("up", "shop.toml", "--detach")], ids=["down", "up"])
def test_a_read_only_state_folder_is_told(
    fleet: RealFleet, disk: Path, words: tuple[str, ...]
) -> None:
    found_cluster(fleet.layout, load(fleet.file), LOCAL_HOST)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = fleet.run(*words)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert done.returncode == 1
    assert f"{fleet.layout.home} cannot be written: Read-only file system" in done.stderr
    assert fleet.processes() == []


def test_a_terminals_end_is_not_the_fleets_also_when_it_only_starts(fleet: RealFleet) -> None:
    viewer = fleet.start("up", fleet.file)
    viewer.until("shop is new")
    viewer.signal(signal.SIGHUP)
    assert viewer.end() == -signal.SIGHUP
    fleet.wait_until(lambda: fleet.status()["services"]["web"]["ready"] == 2)
    assert fleet.ask() == 200
    assert all(os.getsid(pid) == pid for pid in fleet.worker_pids())
