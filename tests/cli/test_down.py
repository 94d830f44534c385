"""``down`` with real workers: in order, without any of them, interrupted."""

import signal

from tests.cli.real_fleet import RealFleet

STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


def sockets(fleet: RealFleet) -> list[str]:
    return [str(path) for path in fleet.layout.home.rglob("*.sock")]


def test_down_leaves_nothing_but_the_state(fleet: RealFleet) -> None:
    fleet.up()
    done = fleet.run("down")
    assert done.returncode == 0, done
    assert done.stdout.startswith("asking worker-1, worker-2, worker-3 to stop everything in order")
    assert done.stdout.endswith(f"shop is down; its state stays in {fleet.layout.home}\n")
    assert fleet.processes() == []
    assert sockets(fleet) == []
    assert not fleet.layout.stopping.exists()
    assert fleet.run("status").stdout == "shop: stopped\nstart it with: interrex up FILE\n"
    assert fleet.run("down").stdout == "shop is not running\n"


def test_what_was_asked_for_is_still_asked_for_after_a_stop(fleet: RealFleet) -> None:
    fleet.up()
    assert fleet.run("scale", "web", "3").returncode == 0
    assert fleet.run("down").returncode == 0
    assert fleet.status()["services"]["web"]["desired"] == 3
    fleet.write(replicas=3)
    done = fleet.run("up", fleet.file, "--detach", "--timeout", "45s")
    assert (done.returncode, "applying" in done.stdout) == (0, False)
    assert fleet.status()["services"]["web"]["ready"] == 3


def test_down_needs_no_worker(fleet: RealFleet) -> None:
    fleet.up()
    fleet.kill_workers()
    done = fleet.run("down")
    assert done.returncode == 0, done
    assert done.stdout.count("which no worker held") == 4
    assert fleet.processes() == []
    assert sockets(fleet) == []


def test_hung_workers_are_killed_and_their_services_stopped(fleet: RealFleet) -> None:
    fleet.up()
    fleet.signal_workers(signal.SIGSTOP)
    pids = " ".join(map(str, fleet.worker_pids()))
    assert f"kill -9 {pids}" in fleet.run("status").stdout
    done = fleet.run("down")
    assert done.returncode == 0, done
    assert done.stdout.count("has not answered for 5 s: killed") == 3
    assert fleet.processes() == []


def test_what_runs_on_after_its_folder_was_removed_is_seen_stopped_and_begun_anew(
    fleet: RealFleet,
) -> None:
    fleet.up()
    fleet.layout.home.rename(fleet.layout.root / "removed")
    shown = fleet.run("status").stdout
    assert [line.split()[1] for line in shown.splitlines() if "worker-" in line] == ["silent"] * 3
    assert "shop: 2 replicas running, unsupervised" in shown
    assert "end what runs on with: interrex down --cluster shop" in shown
    assert "kill -9" not in shown
    done = fleet.run("down")
    assert done.returncode == 0, done
    assert "stopping web.1" in done.stdout
    assert fleet.processes() == []
    fleet.up()
    assert fleet.ask() == 200


def test_what_outlives_folder_and_workers_is_found_by_the_clusters_name(fleet: RealFleet) -> None:
    fleet.up()
    fleet.layout.home.rename(fleet.layout.root / "removed")
    for number in (signal.SIGSTOP, signal.SIGKILL):
        fleet.signal_workers(number)
    fleet.wait_until(lambda: not fleet.worker_pids())
    shown = fleet.run("status", "--cluster", "shop").stdout
    assert "shop: 2 replicas running, unsupervised" in shown
    assert "WORKER" not in shown
    again = fleet.run("up", fleet.file, "--detach")
    assert again.returncode == 1
    assert "go on with what runs: interrex up" in again.stderr
    done = fleet.run("down", "--cluster", "shop", "--purge", "--yes")
    assert done.returncode == 0, done
    assert fleet.processes() == []
    assert [path.name for path in fleet.layout.root.iterdir()] == ["removed"]


def test_an_interrupted_down_is_finished_by_the_next(fleet: RealFleet) -> None:
    fleet.up()
    fleet.kill_workers()
    fleet.layout.stopping.touch()  # all that a `down` killed at its very start leaves
    assert "a `down` is under way" in fleet.run("status").stdout
    done = fleet.run("down")
    assert done.returncode == 0, done
    assert fleet.processes() == []


def test_a_down_killed_in_the_middle_goes_on_and_can_be_finished(fleet: RealFleet) -> None:
    fleet.up()
    command = fleet.start("down")
    command.until("asking")
    command.kill()
    assert fleet.layout.stopping.exists()
    assert fleet.run("down").returncode == 0
    assert fleet.processes() == []
    assert fleet.layout.stopped.exists()


def test_up_after_a_down_that_was_interrupted_says_so_and_starts(fleet: RealFleet) -> None:
    fleet.up()
    command = fleet.start("down")
    command.until("asking")
    command.kill()
    done = fleet.run("up", fleet.file, "--detach", "--timeout", "45s")
    assert done.returncode == 0, done
    assert "an interrupted `down` has left shop half stopped; starting it again" in done.stderr
    assert not fleet.layout.stopping.exists()
    assert fleet.status()["services"]["web"]["ready"] == 2
    assert fleet.ask() == 200


def test_ctrl_c_in_a_down_says_how_to_finish(fleet: RealFleet) -> None:
    fleet.write(command=f'sh -c "{STUBBORN}"', service='env.PORT = "{port}"')
    fleet.up()
    fleet.kill_workers()
    command = fleet.start("down")
    command.until("stopping web.1")
    command.signal(signal.SIGINT)
    command.until("finish with: interrex down --cluster shop")
    assert command.end() == 130
    assert fleet.run("down").returncode == 0
    assert fleet.processes() == []


def test_purge_removes_everything(fleet: RealFleet) -> None:
    fleet.up()
    done = fleet.run("down", "--purge", "--yes")
    assert done.returncode == 0, done
    assert not fleet.layout.home.exists()
    assert fleet.processes() == []


def test_ctrl_c_while_workers_are_leaving_is_finished_by_another_down(fleet: RealFleet) -> None:
    fleet.write(command=f'sh -c "{STUBBORN}"', service='env.PORT = "{port}"')
    fleet.up()
    command = fleet.start("down")
    command.until("asking worker-1")
    command.signal(signal.SIGINT)
    command.until("finish with: interrex down --cluster shop")
    assert command.end() == 130
    assert "a `down` is under way" in fleet.run("status").stdout
    done = fleet.run("down")
    assert done.returncode == 0, done
    assert fleet.processes() == []
    assert fleet.layout.stopped.exists()
