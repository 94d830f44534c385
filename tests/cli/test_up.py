"""``up`` with real workers: founding, attaching, watching, and coming back."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from interrex.cli.dismissed import WHAT_NEXT
from interrex.config import load
from interrex.core.ids import WorkerName
from interrex.core.spec import LOCAL_HOST
from interrex.runtime.founding import found_cluster
from tests.cli.real_fleet import RealFleet


def test_up_returns_when_everything_is_ready(fleet: RealFleet) -> None:
    done = fleet.run("up", fleet.file, "--detach", "--timeout", "45s")
    assert done.returncode == 0, done
    assert done.stderr == ""
    assert done.stdout == (
        "shop is new: starting worker-1, worker-2, worker-3\n"
        f"shop is ready: 3 workers, 2 replicas; web on 127.0.0.1:{fleet.port}\n"
    )
    assert fleet.ask() == 200
    assert fleet.status()["services"]["web"]["ready"] == 2
    fleet.wait_until(lambda: states(fleet) == {"leading", "following"})
    fleet.wait_until(lambda: fleet.run("status").stdout.startswith(f"shop: {leader(fleet)} leads"))


def states(fleet: RealFleet) -> set[str]:
    return {worker["state"] for worker in fleet.status()["workers"]}


def leader(fleet: RealFleet) -> str | None:
    found: str | None = fleet.status()["leader"]
    return found


def test_up_says_what_is_missing_when_its_time_is_over(fleet: RealFleet) -> None:
    fleet.write(command="false --port {port}")
    done = fleet.run("up", fleet.file, "--detach", "--timeout", "300ms")
    assert done.returncode == 1
    assert "shop is not ready after 0.3 s; it goes on trying. Missing:\n  " in done.stdout
    fleet.wait_until(lambda: len(fleet.worker_pids()) == 3)


def test_two_ups_at_once_start_one_fleet(fleet: RealFleet) -> None:
    both = [fleet.start("up", fleet.file, "--detach", "--timeout", "45s") for _ in range(2)]
    for program in both:
        program.until("shop is ready")
        assert program.end() == 0
    assert sorted("is new" in "".join(program.lines) for program in both) == [False, True]
    assert len(fleet.worker_pids()) == 3


def test_up_starts_no_worker_that_was_taken_from_the_file(fleet: RealFleet) -> None:
    fleet.up()
    fleet.write(cluster="workers = 4")
    assert fleet.run("apply", fleet.file).returncode == 0
    fleet.wait_until(lambda: len(fleet.worker_pids()) == 4)
    fleet.write()
    assert fleet.run("apply", fleet.file).returncode == 0
    fleet.wait_until(lambda: len(fleet.worker_pids()) == 3)
    done = fleet.run("up", fleet.file, "--detach", "--timeout", "45s")
    assert done.stdout.startswith("shop is running\n"), done
    assert fleet.layout.worker(WorkerName("worker-4")).is_dir()


def test_a_running_fleet_is_told_what_its_file_would_change(fleet: RealFleet) -> None:
    fleet.up()
    before = fleet.members()
    fleet.write(replicas=3)
    done = fleet.run("up", fleet.file, "--detach")
    assert done.returncode == 0
    assert f"interrex apply {fleet.file} would change:\n  web: replicas 2 -> 3" in done.stdout
    assert fleet.status()["services"]["web"]["desired"] == 2
    assert fleet.members() == before


def test_a_file_that_changed_while_the_fleet_was_down_is_applied(fleet: RealFleet) -> None:
    fleet.up()
    assert fleet.run("down").returncode == 0
    fleet.write(replicas=3, cluster="timing.heartbeat = 0.04")
    done = fleet.run("up", fleet.file, "--detach", "--timeout", "45s")
    assert done.returncode == 0, done
    assert "applying" in done.stdout
    assert "web: replicas 2 -> 3" in done.stdout
    assert "timing.heartbeat 60ms -> 40ms" in done.stdout
    assert fleet.status()["services"]["web"]["ready"] == 3
    assert "nothing to change" in fleet.run("apply", fleet.file).stdout


def test_services_without_workers_are_adopted_by_the_next_up(fleet: RealFleet) -> None:
    fleet.up()
    before = fleet.replica_pids()
    fleet.kill_workers()
    assert fleet.ask() == 200
    status = fleet.status()
    assert (status["supervised"], status["leader"]) == (False, None)
    assert {one["state"] for one in status["services"]["web"]["replicas"]} == {"unsupervised"}
    assert "unsupervised; no worker answers" in fleet.run("status").stdout
    fleet.up()
    assert fleet.replica_pids() == before


def test_the_viewers_end_is_not_the_fleets(fleet: RealFleet) -> None:
    fleet.up()
    before = fleet.members()
    for number in (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM):
        viewer = fleet.start("up", fleet.file)
        viewer.until("shop is ready")
        viewer.signal(number)
        viewer.end()
        assert fleet.members() == before
        assert fleet.ask() == 200


def test_the_viewer_tells_what_happens(fleet: RealFleet) -> None:
    viewer = fleet.start("up", fleet.file)
    viewer.until("shop is ready")
    victim = fleet.status()["services"]["web"]["replicas"][0]
    os.kill(victim["pid"], signal.SIGKILL)
    # By which signal is known only to the worker that started it, and it may have been handed on.
    assert f"{victim['name']} " in viewer.until("replica.exited")
    assert f"{victim['name']} " in viewer.until("replica.ready")


def test_ctrl_c_brings_the_fleet_down_after_saying_so(fleet: RealFleet) -> None:
    viewer = fleet.start("up", fleet.file)
    viewer.until("shop is ready")
    viewer.signal(signal.SIGINT)
    viewer.until("bringing shop down in 2 s; Ctrl-C again leaves it running")
    viewer.until("shop is down")
    assert viewer.end() == 130
    assert fleet.processes() == []


def test_a_second_ctrl_c_leaves_the_fleet_running(fleet: RealFleet) -> None:
    viewer = fleet.start("up", fleet.file)
    viewer.until("shop is ready")
    before = fleet.members()
    viewer.signal(signal.SIGINT)
    viewer.until("bringing shop down")
    viewer.signal(signal.SIGINT)
    viewer.until(f"goes on running. Watch it again with: interrex up {fleet.file}")
    assert viewer.end() == 130
    assert fleet.members() == before


def test_the_viewer_ends_when_the_fleet_is_brought_down_elsewhere(fleet: RealFleet) -> None:
    viewer = fleet.start("up", fleet.file)
    viewer.until("shop is ready")
    assert fleet.run("down").returncode == 0
    viewer.until("shop was brought down")
    assert viewer.end() == 0


def test_the_viewer_says_when_every_worker_has_died(fleet: RealFleet) -> None:
    viewer = fleet.start("up", fleet.file)
    viewer.until("shop is ready")
    fleet.kill_workers()
    viewer.until("every worker of shop here has died; 4 processes run on, unsupervised")
    assert viewer.end() == 1


def test_the_guard_starts_the_workers_again_when_all_have_died(fleet: RealFleet) -> None:
    guard = fleet.start("up", fleet.file, "--guard")
    guard.until("shop is new")
    fleet.wait_until(lambda: len(fleet.replica_pids()) == 4)
    before = fleet.replica_pids()
    for _ in range(2):
        fleet.kill_workers()
        guard.until("every worker has died: starting them again")
        fleet.wait_until(lambda: fleet.status()["supervised"])
    fleet.wait_until(lambda: fleet.replica_pids() == before)
    assert fleet.run("down").returncode == 0
    guard.until("shop was brought down")
    assert guard.end() == 0
    assert fleet.processes() == []


def test_where_all_workers_were_dismissed_status_says_what_to_do_until_the_next_up(
    fleet: RealFleet,
) -> None:
    fleet.up()
    assert fleet.run("down").returncode == 0
    marks = [fleet.layout.dismissed(name) for name in fleet.layout.worker_names()]
    for mark in marks[1:]:
        mark.touch()
    assert fleet.run("status").stdout.endswith("start it with: interrex up FILE\n")
    marks[0].touch()
    assert fleet.run("status").stdout == f"shop: stopped\n{WHAT_NEXT}\n"
    fleet.up()
    assert not any(mark.exists() for mark in marks)


def test_workers_inherit_nothing_of_the_command(fleet: RealFleet) -> None:
    """Neither its open pipes, nor modules that lie in its folder, nor that folder itself."""
    (fleet.root / "signal.py").write_text("raise SystemExit('not the library')\n")
    reading, writing = os.pipe()
    command = ["-P", "-m", "interrex", "up", str(fleet.file), "--detach", "--timeout", "45s"]
    done = subprocess.run(
        [sys.executable, *command, "--state", str(fleet.layout.root)],
        cwd=fleet.root,
        pass_fds=[writing],
        capture_output=True,
        timeout=60,
    )
    os.close(writing)
    assert done.returncode == 0, done
    assert os.read(reading, 1) == b""  # nobody holds the other end
    os.close(reading)
    folders = {os.readlink(f"/proc/{pid}/cwd") for pid in fleet.worker_pids()}
    assert folders == {str(fleet.layout.home)}


def test_a_port_that_a_stranger_holds_is_refused(fleet: RealFleet) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", fleet.port))
        stranger.listen()
        done = fleet.run("up", fleet.file, "--detach")
    assert done.returncode == 1
    assert f"web cannot be exposed on 127.0.0.1:{fleet.port}: Address already in use" in done.stderr
    assert not fleet.layout.genesis.exists()
    assert fleet.processes() == []


@pytest.mark.parametrize("open_files", [16, 64])
def test_too_few_descriptors_are_refused(fleet: RealFleet, open_files: int) -> None:
    for words in (["--detach"], []):
        done = fleet.run("up", fleet.file, *words, open_files=open_files)
        assert done.returncode == 1
        said = done.stderr.splitlines()
        assert len(said) == 2
        assert f"too few file descriptors: {open_files} are allowed" in said[0]
        assert "raise the limit first: ulimit -n 4096" in said[1]
        assert done.stdout == ""
        assert not fleet.layout.genesis.exists()
        assert fleet.processes() == []


def test_a_founding_that_was_interrupted_is_done_again(fleet: RealFleet) -> None:
    found_cluster(fleet.layout, load(fleet.file), LOCAL_HOST)
    fleet.layout.genesis.unlink()
    done = fleet.run("up", fleet.file, "--detach", "--timeout", "45s")
    assert done.returncode == 0, done
    assert "shop is new" in done.stdout


def test_up_that_waits_for_a_fleet_that_is_brought_down_says_so(fleet: RealFleet) -> None:
    fleet.write(service='health.exec = "false"')
    waiting = fleet.start("up", fleet.file, "--detach", "--timeout", "50s")
    waiting.until("shop is new")
    fleet.wait_until(lambda: fleet.run("status").stdout.count("web.") > 0)
    assert fleet.run("down").returncode == 0
    waiting.until("shop was brought down while it was starting")
    assert waiting.end() == 1
