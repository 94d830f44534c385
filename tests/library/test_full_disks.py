"""Members of an embedded election whose state directory's disk has no space left."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

import interrex
from interrex.elections.embedding import EMBEDDED
from interrex.library.errors import BadState
from tests.library.members import Places, Turns, leads_before

SMALL = "16m"
"""Room for one member's directory, in which it reserves 4 MiB, and for more to be filled."""


@pytest.fixture(params=EMBEDDED)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    for size in (65536, 1):
        with suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
            while file.write(bytes(size)):
                pass


def urls(places: Places, disk: Path, tmp_path: Path) -> dict[str, str]:
    """Of three members by identity: of the first the disk is the small one."""
    folders = {"a": disk / "a", "b": tmp_path / "b", "c": tmp_path / "c"}
    return {
        name: places.url(place, f"&state={folder}")
        for place, (name, folder) in enumerate(folders.items())
    }


async def test_a_member_that_runs_needs_no_more_space_to_vote_or_to_lead(
    scheme: str, disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        a, b, c = [
            await stack.enter_async_context(interrex.election(url, identity=name))
            for name, url in urls(Places(scheme), disk, tmp_path).items()
        ]
        for one in (a, b, c):
            turns.stand(one)
        await turns.next()
        fill(disk)
        epochs = [
            await leads_before(leader, *others)
            for leader, *others in ((b, a, c), (a, b, c), (c, a, b), (a, b, c))
        ]
        assert epochs == sorted(set(epochs))
        assert "no space" not in caplog.text.lower()
        turns.stop_all()


async def test_a_member_that_finds_no_space_to_begin_with_says_so_and_begins_once_there_is(
    scheme: str, disk: Path, tmp_path: Path
) -> None:
    of = urls(Places(scheme), disk, tmp_path)
    fill(disk)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        for name in "bc":
            turns.stand(await stack.enter_async_context(interrex.election(of[name], identity=name)))
        with pytest.raises(BadState, match=r"state directory cannot be used: .*[Nn]o space"):
            async with interrex.election(of["a"], identity="a") as a, a.lead():
                raise AssertionError("it leads")
        (disk / "filler").unlink()
        again = await stack.enter_async_context(interrex.election(of["a"], identity="a"))
        turns.stand(again)
        assert (await turns.next()).identity in "abc"
        turns.stop_all()
