"""Commands to a fleet that runs."""

import os
import signal

from interrex.core.ids import SlotName
from tests.cli.real_fleet import NAMES, RealFleet


def ready(fleet: RealFleet, replicas: int) -> bool:
    web = fleet.status()["services"]["web"]
    return bool(web["ready"] == web["desired"] == len(web["replicas"]) == replicas)


def test_a_running_fleet_is_scaled_applied_to_and_restarted(fleet: RealFleet) -> None:
    fleet.up()
    assert "web: 2 -> 3 replicas" in fleet.run("scale", "web", "3").stdout
    fleet.wait_until(lambda: ready(fleet, 3))
    assert "web: replicas 3 -> 2 (stops 1)" in fleet.run("apply", fleet.file).stdout
    fleet.wait_until(lambda: ready(fleet, 2))
    before = fleet.replicas()
    assert "restarting web.1" in fleet.run("restart", "web.1").stdout
    fleet.wait_until(
        lambda: ready(fleet, 2) and fleet.replicas()["web.1"] not in (None, before["web.1"])
    )
    assert fleet.replicas()["web.0"] == before["web.0"]


def test_leadership_moves_where_it_is_asked_to(fleet: RealFleet) -> None:
    fleet.up()
    status = fleet.status()
    other = next(one["name"] for one in status["workers"] if one["name"] != status["leader"])
    done = fleet.run("step-down", "--to", other)
    assert done.returncode == 0, done
    assert done.stdout.startswith(f"{other} leads now, epoch ")
    fleet.wait_until(lambda: fleet.status()["leader"] == other)


def test_status_asks_the_next_worker_when_one_hangs(fleet: RealFleet) -> None:
    fleet.write(silent_worker_s=2)
    fleet.up()
    os.kill(int(fleet.layout.worker_lock(NAMES[0]).read_text()), signal.SIGSTOP)
    status = fleet.status()
    assert status["supervised"]
    fleet.wait_until(lambda: fleet.status()["source"] == "worker-1")  # killed and replaced


def test_events_are_followed(fleet: RealFleet) -> None:
    fleet.up()
    follower = fleet.start("events", "-f", "web")
    follower.until("replica.ready")
    os.kill(fleet.status()["services"]["web"]["replicas"][0]["pid"], signal.SIGKILL)
    follower.until("was killed by SIGKILL")
    follower.signal(signal.SIGINT)
    assert follower.end() == 130


def test_logs_are_followed_also_of_replicas_to_come(fleet: RealFleet) -> None:
    talking = "while :; do echo $PORT; sleep 0.05; done"
    fleet.write(command=f"sh -c '{talking}'", service='env.PORT = "{port}"')
    fleet.up()
    follower = fleet.start("logs", "web", "-f")
    follower.until("web.0 | ")
    follower.until("web.1 | ")
    assert fleet.run("scale", "web", "3").returncode == 0
    follower.until("web.2 | ")
    assert fleet.run("logs", SlotName("web.2"), "-n", "1").stdout.strip().isdecimal()


def test_a_worker_that_was_taken_away_is_not_started_after_all_have_died(fleet: RealFleet) -> None:
    fleet.up()
    for workers in ("workers = 2", "workers = 3"):
        fleet.write(cluster=workers)
        assert fleet.run("apply", fleet.file).returncode == 0
        names = [f"worker-{number}" for number in range(1, int(workers[-1]) + 1)]
        fleet.wait_until(lambda names=names: at_work(fleet) == names)  # type: ignore[misc]
        fleet.kill_workers()
        done = fleet.run("up", fleet.file, "--detach")
        assert done.returncode == 0, done
        assert f"starting shop again: {', '.join(names)}\n" in done.stdout


def at_work(fleet: RealFleet) -> list[str]:
    """The workers that are named by the fleet, once those that live are they."""
    workers = fleet.status()["workers"]
    pids = sorted(one["pid"] or 0 for one in workers)
    return [one["name"] for one in workers] if pids == fleet.worker_pids() else []
