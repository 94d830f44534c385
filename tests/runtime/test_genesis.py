"""The copies of how a cluster began: each worker keeps one, for when the file itself is lost."""

import shutil
from pathlib import Path

import pytest

from interrex.core.ids import WorkerName
from interrex.core.spec import LOCAL_HOST, ClusterSpec
from interrex.runtime.founding import found_cluster
from interrex.runtime.genesis import (
    find_genesis,
    genesis_of_worker,
    new_genesis,
    read_genesis,
    write_genesis,
)
from interrex.runtime.layout import Layout
from interrex.runtime.opening import create_log

ME = WorkerName("worker-1")


@pytest.mark.parametrize("damage", [None, b"", b"torn", b"{}", b"\xff\xfe"])
def test_a_worker_makes_its_lost_or_damaged_copy_again(
    tmp_path: Path, damage: bytes | None
) -> None:
    layout = Layout(tmp_path, "shop")
    found_cluster(layout, ClusterSpec(name="shop", workers=3), LOCAL_HOST)
    began = genesis_of_worker(layout, ME)
    copy = layout.genesis_copy(ME)
    copy.unlink()
    if damage is not None:
        copy.write_bytes(damage)
    assert genesis_of_worker(layout, ME) == began
    assert read_genesis(copy) == began
    layout.genesis.unlink()
    assert find_genesis(layout) == began


@pytest.mark.parametrize("part", ['"cluster_id"', '"name"', '"1"'])
def test_a_flipped_bit_that_can_be_read_is_outvoted_by_the_copies(
    tmp_path: Path, part: str
) -> None:
    layout = Layout(tmp_path, "shop")
    found_cluster(layout, ClusterSpec(name="shop", workers=3), LOCAL_HOST)
    began = read_genesis(layout.genesis)
    for worker in layout.worker_names():
        genesis_of_worker(layout, worker)
    text = layout.genesis.read_text()
    place = text.index('"', text.index(":", text.index(part))) + 1
    layout.genesis.write_text(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])
    assert read_genesis(layout.genesis) != began
    assert genesis_of_worker(layout, ME) == began
    assert read_genesis(layout.genesis_copy(ME)) == began


def test_a_cluster_that_was_begun_anew_is_not_outvoted_by_older_copies(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "shop")
    spec = ClusterSpec(name="shop", workers=3)
    found_cluster(layout, spec, LOCAL_HOST)
    for worker in layout.worker_names():
        genesis_of_worker(layout, worker)
    shutil.rmtree(layout.store(ME))
    anew = new_genesis(spec, "another")
    write_genesis(layout.genesis, anew)
    create_log(layout, anew, ME)
    assert genesis_of_worker(layout, ME) == anew
