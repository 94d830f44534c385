"""``up`` is killed together with each other part of a fleet: that part is healed, nothing else."""

import os
import signal
from collections.abc import Callable

import msgspec

from interrex.worker.status import Status, is_ready
from tests.cli.real_fleet import RealFleet

PARTS: dict[str, Callable[[Status], str]] = {
    "leader": lambda status: str(status.leader),
    "worker": lambda status: next(w.name for w in status.workers if w.name != status.leader),
    "replica": lambda status: "web.1",
    "balancer": lambda status: "balancer.0",
}


def pids(status: Status) -> dict[str, int | None]:
    """Of all that runs, by name."""
    found: dict[str, int | None] = {worker.name: worker.pid for worker in status.workers}
    for service in status.services.values():
        found |= {replica.name: replica.pid for replica in service.replicas}
    return found | {balancer.name: balancer.pid for balancer in status.balancer}


def whole(fleet: RealFleet, without: int | None = None) -> Status:
    """What the fleet says of itself once everything runs, and this process is nothing of it."""
    found: list[Status] = []

    def is_whole() -> bool:
        found[:] = [msgspec.convert(fleet.status(), Status)]
        running = pids(found[0]).values()
        return is_ready(found[0]) and None not in running and without not in running

    fleet.wait_until(is_whole)
    return found[0]


def test_up_killed_together_with_another_part_costs_that_part_alone(fleet: RealFleet) -> None:
    """The first ``up`` is the one that started them all."""
    for part, chosen in PARTS.items():
        viewer = fleet.start("up", fleet.file)
        viewer.until("shop is ready")
        status = whole(fleet)
        before, name = pids(status), chosen(status)
        victim = before[name]
        assert victim is not None
        viewer.signal(signal.SIGKILL)
        os.kill(victim, signal.SIGKILL)
        assert viewer.end() == -signal.SIGKILL
        after = pids(whole(fleet, without=victim))
        assert after.keys() == before.keys()
        assert {one for one in before if after[one] != before[one]} == {name}, part
        assert fleet.ask() == 200
