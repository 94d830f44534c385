"""Fleets that lost so many logs that nobody can lead: told, and begun anew with what runs."""

import re
import shutil

import pytest

from interrex.core.ids import WorkerName
from interrex.library import blocking
from tests.cli.real_fleet import NAMES, RealFleet

UP = ("up", "shop.toml", "--detach", "--timeout", "45s")


def lose_logs(fleet: RealFleet, *workers: WorkerName) -> None:
    """Every worker is dead, and these have no log any more."""
    fleet.kill_workers()
    for worker in workers:
        shutil.rmtree(fleet.layout.store(worker))


def highest_epoch(fleet: RealFleet) -> int:
    return int(fleet.status()["epoch"])


def test_a_cluster_of_one_worker_that_lost_its_log_is_begun_anew(fleet: RealFleet) -> None:
    fleet.write(cluster="workers = 1")
    fleet.up()
    replicas, epoch = fleet.replica_pids(), highest_epoch(fleet)
    lose_logs(fleet, NAMES[0])
    done = fleet.run(*UP)
    assert done.returncode == 1
    assert "the log of worker-1 cannot be read any more" in done.stderr
    assert "interrex up shop.toml --anew" in done.stderr
    assert "go on with what runs" in fleet.run("status").stdout
    assert fleet.replica_pids() == replicas, fleet.story()
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 0, done
    assert "running and kept: balancer.0, balancer.1, web.0, web.1" in done.stderr
    assert fleet.replica_pids() == replicas, fleet.story()
    assert highest_epoch(fleet) > epoch
    assert fleet.ask() == 200
    assert fleet.run("restart", "web").returncode == 0
    assert fleet.run("scale", "web", "3").returncode == 0
    fleet.wait_until(lambda: fleet.status()["services"]["web"]["ready"] == 3)


@pytest.mark.parametrize("election", ["raft", "paxos"])
def test_a_programs_epoch_rises_where_no_log_is_left_that_tells_the_last(
    fleet: RealFleet, election: str
) -> None:
    """Guards that have seen the last one would refuse every program of the new beginning."""
    url = f"interrex:///shop/billing?state={fleet.layout.root}"

    def epoch_of_a_turn(number: int) -> int:
        with blocking.election(url, identity=f"{number}") as it, it.lead() as leadership:
            return leadership.epoch

    fleet.write(cluster=f'workers = 1\nelection = "{election}"')
    fleet.up()
    epochs = [
        epoch_of_a_turn(number) for number in range(3)
    ]  # more changes than a new beginning has
    for number in (3, 4):
        lose_logs(fleet, NAMES[0])
        assert fleet.run(*UP, "--anew").returncode == 0, fleet.story()
        epochs.append(epoch_of_a_turn(number))
    assert epochs == sorted(set(epochs))


def test_a_worker_that_found_its_log_lost_while_it_ran_says_what_to_do(fleet: RealFleet) -> None:
    fleet.write(cluster="workers = 1")
    fleet.up()
    replicas = fleet.replica_pids()
    fleet.kill_workers()
    for path in fleet.layout.store(NAMES[0]).glob("log.*"):
        path.write_bytes(path.read_bytes()[:4096].ljust(path.stat().st_size, b"\x55"))
    watched = fleet.start("up", "shop.toml")
    watched.until("starting shop again")
    watched.until("--anew")
    assert watched.end() == 1
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 0, done
    assert fleet.replica_pids() == replicas, fleet.story()


def test_with_a_minority_of_the_logs_what_they_tell_is_kept(fleet: RealFleet) -> None:
    fleet.up()
    assert fleet.run("scale", "web", "3").returncode == 0
    fleet.wait_until(lambda: fleet.status()["services"]["web"]["ready"] == 3)
    replicas = fleet.replica_pids()
    lose_logs(fleet, *NAMES[1:])
    done = fleet.run(*UP)
    assert "the logs of worker-2, worker-3 cannot be read any more" in done.stderr
    fleet.write(replicas=3)
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 0, done
    assert "applying" not in done.stdout
    assert fleet.replica_pids() == replicas, fleet.story()
    fleet.wait_until(lambda: all(worker["votes"] for worker in fleet.status()["workers"]))


def test_with_a_majority_of_the_logs_nothing_is_begun_anew(fleet: RealFleet) -> None:
    fleet.up()
    pids = fleet.members()
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 1
    assert "has lost nothing that it could not go on without" in done.stderr
    assert fleet.members() == pids
    lose_logs(fleet, NAMES[1])
    assert fleet.run(*UP).returncode == 0
    fleet.wait_until(lambda: all(worker["votes"] for worker in fleet.status()["workers"]))


@pytest.mark.parametrize(
    ("election", "words"),
    [
        (
            '{ etcd = "http://127.0.0.1:1" }',
            'what etcd has lost .*none runs here: see docs/etcd.md, "has lost data"',
        ),
        ('{ zookeeper = "127.0.0.1:1" }', 'none runs here: see docs/zookeeper.md, "has lost data"'),
        ('"bully"', "only a cluster of one host and the election raft or paxos can"),
    ],
)
def test_what_has_its_state_elsewhere_or_merges_it_is_not_begun_anew_and_says_what_to_do(
    fleet: RealFleet, election: str, words: str
) -> None:
    fleet.write(cluster=f"election = {election}")
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 1
    assert re.search(words, done.stderr, re.DOTALL), done.stderr
    assert not fleet.layout.genesis.exists()


@pytest.mark.parametrize("workers_live", [True, False], ids=["supervised", "unsupervised"])
def test_without_any_genesis_a_fleet_goes_on_with_what_runs(
    fleet: RealFleet, workers_live: bool
) -> None:
    fleet.up()
    replicas = fleet.replica_pids()
    fleet.layout.genesis.unlink()
    for name in NAMES:
        fleet.layout.genesis_copy(name).unlink()
    if not workers_live:
        fleet.kill_workers()
    assert "interrex up shop.toml --anew" in fleet.run(*UP).stderr
    done = fleet.run(*UP, "--anew")
    assert done.returncode == 0, done
    assert fleet.replica_pids() == replicas, fleet.story()


def test_where_nothing_is_begun_anew_a_lost_genesis_does_not_name_it(fleet: RealFleet) -> None:
    fleet.write(cluster='election = "bully"')
    fleet.up()
    pids = fleet.members()
    fleet.layout.genesis.unlink()
    for name in NAMES:
        fleet.layout.genesis_copy(name).unlink()
    said = fleet.run(*UP).stderr
    assert "restore the file from a backup, or take it down: interrex down --cluster shop" in said
    assert "--anew" not in said
    assert fleet.run(*UP, "--anew").returncode == 1
    assert fleet.members() == pids
