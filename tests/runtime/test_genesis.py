"""The copies of how a cluster began: each worker keeps one, for when the file itself is lost."""

from pathlib import Path

import pytest

from interrex.core.ids import WorkerName
from interrex.core.spec import LOCAL_HOST, ClusterSpec
from interrex.runtime.founding import found_cluster
from interrex.runtime.genesis import find_genesis, genesis_of_worker, read_genesis
from interrex.runtime.layout import Layout

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
