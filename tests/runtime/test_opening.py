"""A worker's log when it starts: as it was left, lost, or never written at all."""

import shutil
from pathlib import Path

import msgspec
import pytest

from interrex.core.ids import WorkerName
from interrex.core.spec import LOCAL_HOST, ClusterSpec
from interrex.core.storage import SetFact, Stored
from interrex.runtime.founding import found_cluster
from interrex.runtime.genesis import Genesis, read_genesis
from interrex.runtime.identity import IDENTITY_NAME
from interrex.runtime.layout import Layout
from interrex.runtime.log_store import HALF_NAMES, MARK_NAME, LogStore
from interrex.runtime.opening import OpenedLog, disown, open_log

ME = WorkerName("worker-1")
VOTE = SetFact("vote", b"x")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A new cluster's, on one machine."""
    layout = Layout(tmp_path, "shop")
    found_cluster(layout, ClusterSpec(name="shop", workers=3), LOCAL_HOST)
    return layout


def genesis(layout: Layout) -> Genesis:
    return read_genesis(layout.genesis)


def opened(layout: Layout, *records: SetFact) -> OpenedLog:
    """Opens the log, writes these records, and closes it."""
    found = open_log(layout, genesis(layout), ME)
    if records:
        found.store.write(records)
    found.store.close()
    return found


def test_a_log_that_was_written_is_as_it_was_left(layout: Layout) -> None:
    assert opened(layout, VOTE).stored == Stored()
    found = opened(layout)
    assert (found.member, found.stored.facts, found.loss) == (1, {"vote": b"x"}, "")


@pytest.mark.parametrize("part", ["the whole log", "its identity", "half of it"])
def test_a_log_that_was_lost_unwritten_is_made_again_under_its_identity(
    layout: Layout, part: str
) -> None:
    opened(layout)
    _lose(layout, part)
    found = opened(layout, VOTE)
    assert found.member == 1
    assert found.first_members == genesis(layout).members
    assert found.stored == Stored()
    assert opened(layout).stored.facts == {"vote": b"x"}


@pytest.mark.parametrize("part", ["the whole log", "its identity", "half of it"])
def test_a_log_that_was_lost_written_comes_back_as_a_new_member(layout: Layout, part: str) -> None:
    opened(layout, VOTE)
    _lose(layout, part)
    found = opened(layout)
    assert found.member > 1 << 32
    assert found.first_members is None


@pytest.mark.parametrize("name", [IDENTITY_NAME, MARK_NAME, *HALF_NAMES])
def test_a_folder_in_a_files_place_is_a_lost_log(layout: Layout, name: str) -> None:
    opened(layout, VOTE)
    path = layout.store(ME) / name
    path.unlink()
    path.mkdir()
    found = opened(layout)
    assert found.first_members is None
    assert "a folder stands in its place" in found.loss
    assert opened(layout).member == found.member


def test_the_ticket_is_used_up_before_anything_is_written(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: LogStore, records: object) -> None:
        raise ConnectionAbortedError

    monkeypatch.setattr(LogStore, "write", dies)
    with pytest.raises(ConnectionAbortedError):
        opened(layout, VOTE)
    assert not layout.unwritten(ME).exists()


def test_a_ticket_beside_a_log_that_holds_something_counts_for_nothing(layout: Layout) -> None:
    opened(layout, VOTE)
    layout.unwritten(ME).touch()
    opened(layout)
    _lose(layout, "the whole log")
    assert opened(layout).member > 1 << 32


def test_who_was_told_that_its_log_is_lost_never_takes_the_old_identity_again(
    layout: Layout,
) -> None:
    opened(layout)
    disown(layout, ME)
    assert opened(layout).member > 1 << 32


def test_a_part_that_is_made_again_has_another_birthmark(layout: Layout) -> None:
    before = genesis(layout)
    shutil.rmtree(layout.home)
    found_cluster(layout, ClusterSpec(name="shop", workers=3), LOCAL_HOST)
    after = genesis(layout)
    assert after.birthmark != before.birthmark
    assert msgspec.structs.replace(after, birthmark=0, cluster_id="") == msgspec.structs.replace(
        before, birthmark=0, cluster_id=""
    )


def _lose(layout: Layout, part: str) -> None:
    folder = layout.store(ME)
    if part == "the whole log":
        shutil.rmtree(folder)
    elif part == "its identity":
        (folder / "identity.json").unlink()
    else:
        (folder / HALF_NAMES[0]).unlink()
