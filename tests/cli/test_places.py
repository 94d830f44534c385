"""Which cluster is meant."""

import os
from pathlib import Path

import pytest

from interrex.cli import places
from interrex.cli.exits import CommandError, Exit
from interrex.cli.places import clusters_in, find_cluster
from interrex.core.ids import WorkerName
from tests.cli.conftest import found


def test_the_only_cluster_is_meant(state: Path) -> None:
    found(state, "shop")
    assert find_cluster(state, None).cluster == "shop"


def test_the_only_running_cluster_is_meant(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found(state, "shop")
    found(state, "bank")
    monkeypatch.setattr(places, "running_clusters", lambda root: ["bank"])
    assert find_cluster(state, None).cluster == "bank"


def test_several_running_clusters_are_listed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found(state, "shop")
    found(state, "bank")
    monkeypatch.setattr(places, "running_clusters", lambda root: ["bank", "shop"])
    with pytest.raises(CommandError, match=r"several clusters are running: bank, shop") as caught:
        find_cluster(state, None)
    assert caught.value.code is Exit.NO_CLUSTER


def test_several_clusters_of_which_none_runs_are_listed(state: Path) -> None:
    found(state, "shop")
    found(state, "bank")
    with pytest.raises(CommandError, match=r"no cluster is running in .*; there are: bank, shop"):
        find_cluster(state, None)


def test_a_cluster_is_found_by_its_name(state: Path) -> None:
    found(state, "shop")
    found(state, "bank")
    assert find_cluster(state, "shop").home == state / "shop"


def test_a_wrong_name_is_answered_with_the_nearest(state: Path) -> None:
    found(state, "shop")
    with pytest.raises(CommandError, match=r"no cluster shp in .*; did you mean shop\?") as caught:
        find_cluster(state, "shp")
    assert caught.value.code is Exit.NO_CLUSTER


@pytest.mark.parametrize("name", ["..", "../shop", "/", "", "shop/workers"])
def test_a_name_that_is_a_path_finds_nothing(state: Path, name: str) -> None:
    found(state, "shop")
    with pytest.raises(CommandError, match="there is no cluster"):
        find_cluster(state, name)


def test_an_empty_or_missing_state_folder_is_said_to_hold_nothing(state: Path) -> None:
    for folder in (state, state / "missing"):
        with pytest.raises(CommandError, match="start one with: interrex up FILE"):
            find_cluster(folder, None)


def test_a_half_founded_cluster_is_none_yet(state: Path) -> None:
    layout = found(state, "shop")
    layout.genesis.unlink()
    assert clusters_in(state) == []


def test_a_cluster_whose_genesis_is_lost_is_found_by_a_workers_copy(state: Path) -> None:
    layout = found(state, "shop")
    layout.genesis.rename(layout.genesis_copy(WorkerName("worker-1")))
    assert find_cluster(state, None).cluster == "shop"


def test_a_cluster_whose_genesis_is_lost_is_found_by_its_workers(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(state, "shop").genesis.unlink()
    monkeypatch.setattr(places, "running_clusters", lambda root: ["shop"])
    assert find_cluster(state, None).cluster == "shop"


@pytest.mark.parametrize("name", [None, "shop"])
def test_somebody_elses_cluster_is_said_to_be_that(
    state: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    found(state, "shop").genesis.unlink()  # as if it could not be seen
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "access", lambda path, mode, effective_ids: False)
    monkeypatch.setattr(places, "clusters_in", lambda root: [])
    with pytest.raises(CommandError, match=r"belongs to uid \d+, and you are uid 4711"):
        find_cluster(state, name)
