"""The copies of how a cluster began: each worker keeps one, for when the file itself is lost."""

import itertools
from pathlib import Path

import msgspec
import pytest

from interrex.balancer.configuration import configuration
from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.routes import RouteTable
from interrex.core.spec import LOCAL_HOST, BalancerSpec, ClusterSpec, HostSpec, hosts_of
from interrex.runtime.founding import found_cluster
from interrex.runtime.genesis import (
    find_genesis,
    genesis_of_worker,
    is_damaged,
    new_genesis,
    read_genesis,
    write_genesis,
)
from interrex.runtime.haproxy_files import BalancerFiles
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


def test_no_flipped_bit_is_believed_and_a_copy_is_read_instead(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "shop")
    found_cluster(layout, spread(), HostName("a"))
    began = genesis_of_worker(layout, WorkerName("a-1"))
    written = layout.genesis.read_bytes()
    for place, bit in itertools.product(range(len(written)), range(8)):
        damaged = bytearray(written)
        damaged[place] ^= 1 << bit
        layout.genesis.write_bytes(damaged)
        assert is_damaged(layout.genesis)
        with pytest.raises(InterrexError, match="cannot be read"):
            read_genesis(layout.genesis)
        assert find_genesis(layout) == began


def test_neither_a_torn_file_nor_one_with_other_bytes_in_a_place_is_believed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "genesis.json"
    write_genesis(path, new_genesis(spread(), "c0ffee"))
    written = path.read_bytes()
    for place in range(len(written)):
        for damaged in (written[:place], written[:place] + b"\0" * (len(written) - place)):
            path.write_bytes(damaged)
            assert is_damaged(path)


def test_a_file_of_an_earlier_version_without_a_checksum_is_read(tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    genesis = new_genesis(spread(), "c0ffee")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(genesis), indent=1))
    assert read_genesis(path) == genesis
    assert not is_damaged(path)


def spread() -> ClusterSpec:
    """A file of two hosts: with ports and names that a flipped bit would change unseen."""
    hosts = tuple(
        HostSpec(name=HostName(name), address=f"10.0.0.{number}:7700", workers=1)
        for number, name in enumerate("ab", start=1)
    )
    return ClusterSpec(name="shop", hosts=hosts, ports=(22000, 22099))


@pytest.mark.parametrize(("spec", "kept"), [(ClusterSpec(name="shop"), False), (spread(), True)])
def test_a_cluster_of_one_host_begins_without_the_routes_of_an_earlier_one(
    tmp_path: Path, spec: ClusterSpec, kept: bool
) -> None:
    layout, host = Layout(tmp_path, "shop"), hosts_of(spec)[0].name
    balancer = BalancerFiles(layout.balancer(host, SlotName("balancer.0")))
    table = RouteTable(epoch=7, version=1)
    balancer.write(configuration(table, BalancerSpec(), SlotName("balancer.0")), 7, 1)
    assert found_cluster(layout, spec, host)
    assert (balancer.followed() == (7, 1)) is kept
