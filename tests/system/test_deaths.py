"""Every part of a real fleet is killed, alone and in pairs: it heals, and nothing is started twice.

``up`` is not among the parts here: it is a viewer, and ``tests/cli/test_viewer_deaths.py`` kills
it together with each of them.
"""

import contextlib
import os
import signal
from collections.abc import Callable

import msgspec
import pytest

from bench.fleet import Fleet
from interrex.core.ids import WorkerName
from interrex.runtime.procfs import all_pids, instance_of
from interrex.runtime.questions import Leadership
from tests.system.conftest import EVERY_ELECTION, Electing, shop

pytestmark = EVERY_ELECTION


def leader(fleet: Fleet) -> int:
    return fleet.pid_of(fleet.leader())


def worker(fleet: Fleet) -> int:
    return fleet.pid_of(next(name for name in fleet.workers if name != fleet.leader()))


def replica(fleet: Fleet) -> int:
    return known(fleet, lambda: fleet.replica_pids()["web.1"])


def balancer(fleet: Fleet) -> int:
    def pid() -> int | None:
        status = fleet.status()
        return None if status is None else status.balancer[0].pid

    return known(fleet, pid)


def known(fleet: Fleet, pid: Callable[[], int | None]) -> int:
    """Once the worker that is asked knows it: reports come anew with each connection."""
    found: list[int | None] = []

    def is_known() -> bool:
        found[:] = [pid()]
        return found != [None]

    fleet.wait_until(is_known)
    (one,) = found
    assert one is not None
    return one


PARTS: dict[str, Callable[[Fleet], int]] = {
    "leader": leader,
    "worker": worker,
    "replica": replica,
    "balancer": balancer,
}
ALONE = [(name, name) for name in PARTS]
APART = [
    [("leader", "worker"), ("replica", "balancer")],
    [("leader", "replica"), ("worker", "balancer")],
    [("leader", "balancer"), ("worker", "replica")],
]
"""The pairs; of those in one fleet, killed one after the other, none has a part in common."""


@pytest.mark.parametrize("pairs", [ALONE, *APART], ids=lambda pairs: "+".join(pairs[0]))
def test_any_two_parts_killed_together_are_healed(
    fleet: Fleet, pairs: list[tuple[str, str]]
) -> None:
    for first, second in pairs:
        before = fleet.replica_pids()
        victims = {PARTS[first](fleet), PARTS[second](fleet)}
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        wait_without(fleet, victims)
        assert replaced(fleet, before) == ({"web.1"} if "replica" in (first, second) else set())
        assert_each_slot_runs_once(fleet)


def replaced(fleet: Fleet, before: dict[str, int | None]) -> set[str]:
    """The slots whose process is another now."""
    after = fleet.replica_pids()
    assert after.keys() == before.keys()
    return {slot for slot in before if before[slot] != after[slot]}


def test_each_dead_leader_is_succeeded_in_a_later_epoch(fleet: Fleet) -> None:
    """By proof: no session runs out within this test's patience."""
    before = fleet.replica_pids()
    epochs = []
    for _ in range(2):
        epochs.append(epoch_of(fleet))
        victim = leader(fleet)
        os.kill(victim, signal.SIGKILL)
        wait_without(fleet, {victim})
    epochs.append(epoch_of(fleet))
    assert epochs == sorted(set(epochs))
    assert fleet.replica_pids() == before


def test_the_leader_hands_over_to_whom_it_is_asked_for(fleet: Fleet) -> None:
    before, epoch = fleet.replica_pids(), epoch_of(fleet)
    first = fleet.leader()
    heir = next(name for name in fleet.workers if name != first)
    asked = {"successor": heir}
    assert fleet.ask(first, "POST", "/v1/step-down", asked)["ok"]

    def heir_leads() -> bool:
        leader = fleet.leader()
        if leader not in (first, heir):  # who does not stand in a service's line yet is passed over
            fleet.ask(leader, "POST", "/v1/step-down", asked)
        return leader == heir

    fleet.wait_until(heir_leads)
    assert epoch_of(fleet) > epoch
    assert fleet.replica_pids() == before


def epoch_of(fleet: Fleet) -> int:
    status = fleet.status(fleet.leader())
    assert status is not None
    return status.epoch


def test_all_workers_killed_together_come_back_with_any_one_of_them(fleet: Fleet) -> None:
    before = fleet.replica_pids()
    victims = {fleet.pid_of(name) for name in fleet.workers}
    kill_together(victims)
    fleet.wait_until(lambda: fleet.launch_one(fleet.workers[1]))
    wait_without(fleet, victims)
    assert fleet.replica_pids() == before
    assert_each_slot_runs_once(fleet)


def test_workers_restarted_one_after_the_other_keep_every_process(fleet: Fleet) -> None:
    before = all_served_by(fleet)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for name in fleet.workers:
            victim = fleet.pid_of(name)
            os.kill(victim, number)
            wait_without(fleet, {victim})
            assert all_served_by(fleet) == before
    assert_each_slot_runs_once(fleet)


def all_served_by(fleet: Fleet) -> dict[str, int | None]:
    """The pids of all replicas and balancers."""
    status = fleet.status()
    assert status is not None
    return fleet.replica_pids() | {balancer.name: balancer.pid for balancer in status.balancer}


def test_three_of_five_workers_die_each_as_soon_as_it_leads_and_all_at_once(
    worker_id: str, election: str, electing: Electing
) -> None:
    spec = msgspec.structs.replace(electing(shop(worker_id), election), workers=5)
    with Fleet(spec) as fleet:
        fleet.wait_ready()
        before = fleet.replica_pids()
        wait_without(fleet, kill_leader_and_heirs(fleet))
        assert fleet.replica_pids() == before
        first = fleet.leader()
        others = [name for name in fleet.workers if name != first]
        together = {fleet.pid_of(name) for name in (first, *others[:2])}
        kill_together(together)
        wait_without(fleet, together)
        assert fleet.replica_pids() == before
        assert_each_slot_runs_once(fleet)


def kill_leader_and_heirs(fleet: Fleet) -> set[int]:
    """Kill who leads, and two that lead after it the moment that is known; their pids."""
    led = Leadership(leader=fleet.leader(), epoch=epoch_of(fleet))
    dead, names = set(), set()
    for remaining in (2, 1, 0):
        dead.add(fleet.pid_of(led.leader))
        names.add(led.leader)
        os.kill(fleet.pid_of(led.leader), signal.SIGKILL)
        if remaining:
            asked = next(name for name in fleet.workers if name not in names)
            led = leader_above(fleet, asked, led.epoch)
    return dead


def leader_above(fleet: Fleet, asked: WorkerName, epoch: int) -> Leadership:
    """Who leads in a later epoch, as soon as this worker knows."""
    with contextlib.closing(fleet.connect(asked, timeout_s=60)) as connection:
        connection.request("GET", f"/v1/leader?above={epoch}")
        return msgspec.json.decode(connection.getresponse().read(), type=Leadership)


def test_a_stopped_part_is_killed_and_replaced(fleet: Fleet) -> None:
    for part in PARTS:
        before = fleet.replica_pids()
        victim = PARTS[part](fleet)
        os.kill(victim, signal.SIGSTOP)
        wait_without(fleet, {victim})
        assert replaced(fleet, before) == ({"web.1"} if part == "replica" else set())
        assert_each_slot_runs_once(fleet)


def kill_together(workers: set[int]) -> None:
    """So that none of them starts another one anew before it dies too."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in workers:
            os.kill(pid, number)


def wait_without(fleet: Fleet, dead: set[int]) -> None:
    """Until the fleet is whole again, with none of these processes in it."""

    def healed() -> bool:
        statuses = fleet.statuses()
        known = {worker.pid for status in statuses for worker in status.workers}
        known |= {balancer.pid for status in statuses for balancer in status.balancer}
        known |= set(fleet.replica_pids().values()) if statuses else set()
        return not known & dead and fleet.is_ready()

    fleet.wait_until(healed)


def assert_each_slot_runs_once(fleet: Fleet) -> None:
    """By the processes themselves, not by what the workers say of them."""
    programs = str(fleet.spec.services["web"].command[0])  # type: ignore[index]
    running: dict[str, list[int]] = {}
    for pid in all_pids():
        instance = instance_of(pid)
        if instance is None or not fleet.owns(instance):
            continue
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if programs.encode() in file.read():
                running.setdefault(instance.partition("@")[0], []).append(pid)
    assert {slot: len(pids) for slot, pids in running.items()} == {
        "web.0": 1,
        "web.1": 1,
        "web.2": 1,
    }
