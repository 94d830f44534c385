"""A fleet whose genesis.json was removed under it is found, healed and taken down all the same."""

import os
import signal

import pytest

from tests.cli.real_fleet import NAMES, RealFleet

UP = ("up", "shop.toml", "--detach", "--timeout", "45s")


def kill_one_worker(fleet: RealFleet) -> int:
    victim = int(fleet.layout.worker_lock(NAMES[0]).read_text())
    os.kill(victim, signal.SIGKILL)
    return victim


def all_workers_live(fleet: RealFleet, without: int) -> bool:
    pids = fleet.worker_pids()
    return len(pids) == len(NAMES) and without not in pids


def test_it_is_found_by_what_runs_and_heals_and_up_restores_the_file(fleet: RealFleet) -> None:
    fleet.up()
    began, replicas = fleet.layout.genesis.read_bytes(), fleet.replicas()
    fleet.layout.genesis.unlink()
    assert fleet.status()["supervised"]
    assert "replica.ready" in fleet.run("events").stdout
    victim = kill_one_worker(fleet)
    fleet.wait_until(lambda: all_workers_live(fleet, victim))
    done = fleet.run(*UP)
    assert done.returncode == 0, done
    assert "genesis.json was lost: restored from a worker's copy" in done.stderr
    assert "shop is running" in done.stdout
    assert fleet.layout.genesis.read_bytes() == began
    assert fleet.replicas() == replicas


@pytest.mark.timeout(600)
def test_a_damaged_one_is_restored_too(fleet: RealFleet) -> None:
    fleet.up()
    began, replicas = fleet.layout.genesis.read_bytes(), fleet.replicas()
    for damage in (b"", b"\xff\x00", b'{"spec": "\xff"}', b"{}"):
        fleet.layout.genesis.write_bytes(damage)
        fleet.kill_workers()
        done = fleet.run(*UP)
        assert done.returncode == 0, done
        assert "genesis.json was damaged: restored from a worker's copy" in done.stderr
        assert fleet.layout.genesis.read_bytes() == began
        assert fleet.replicas() == replicas


def test_it_is_taken_down_and_comes_back_as_it_was(fleet: RealFleet) -> None:
    fleet.up()
    assert fleet.run("scale", "web", "3").returncode == 0
    fleet.layout.genesis.unlink()
    fleet.kill_workers()
    assert not fleet.status()["supervised"]
    assert fleet.run("down").returncode == 0
    assert fleet.processes() == []
    done = fleet.run(*UP)
    assert "starting shop again" in done.stdout, done
    assert "restored" in done.stderr


@pytest.mark.parametrize("workers_live", [True, False], ids=["supervised", "unsupervised"])
def test_without_any_copy_up_says_what_is_lost_and_status_and_down_work(
    fleet: RealFleet, workers_live: bool
) -> None:
    fleet.up()
    replicas = fleet.replicas()
    fleet.layout.genesis.unlink()
    for name in NAMES:
        fleet.layout.genesis_copy(name).unlink()
    if not workers_live:
        fleet.kill_workers()
    status = fleet.status()
    assert status["supervised"] is workers_live
    assert {one["name"]: one["pid"] for one in status["services"]["web"]["replicas"]} == replicas
    done = fleet.run(*UP)
    assert done.returncode == 1
    assert "genesis.json is lost with every copy of it" in done.stderr
    assert fleet.replicas() == replicas
    assert fleet.run("down").returncode == 0
    assert fleet.processes() == []
