"""A real fleet that elects by Paxos: its leader dies again and again, its logs are lost."""

import os
import shutil
import signal
from collections.abc import Iterator

import msgspec
import pytest

from bench.fleet import Fleet
from interrex.core.ids import ChangeId, ServiceName
from interrex.core.state import Scale
from interrex.runtime.questions import ChangeBody
from tests.system.conftest import shop
from tests.system.test_damage import all_vote, member_of
from tests.system.test_deaths import assert_each_slot_runs_once, wait_without


@pytest.fixture
def fleet(worker_id: str) -> Iterator[Fleet]:
    """A fleet that is ready; everything it started ends with the test."""
    spec = msgspec.structs.replace(shop(worker_id), election="paxos")
    with Fleet(spec) as running:
        running.wait_ready()
        yield running


def test_each_dead_leader_is_succeeded_in_a_later_round_and_started_again(fleet: Fleet) -> None:
    before = fleet.replica_pids()
    epochs = []
    for _ in range(3):
        status = fleet.status(fleet.leader())
        assert status is not None
        epochs.append(status.epoch)
        victim = fleet.pid_of(fleet.leader())
        os.kill(victim, signal.SIGKILL)
        wait_without(fleet, {victim})
    assert epochs == sorted(set(epochs))
    assert fleet.replica_pids() == before
    assert_each_slot_runs_once(fleet)


def test_an_acknowledged_change_survives_the_death_of_all_workers(fleet: Fleet) -> None:
    body = ChangeBody(ChangeId("scale-1"), (Scale(ServiceName("web"), 2),))
    outcome = fleet.ask(fleet.leader(), "POST", "/v1/changes", body)
    assert outcome["ok"]
    victims = {fleet.pid_of(name) for name in fleet.workers}
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    fleet.wait_until(lambda: fleet.launch_one(fleet.workers[2]))
    wait_without(fleet, victims)
    status = fleet.status()
    assert status is not None
    assert status.services[ServiceName("web")].desired == 2


def test_a_worker_that_lost_its_log_is_let_in_as_a_new_member(fleet: Fleet) -> None:
    worker = next(name for name in fleet.workers if name != fleet.leader())
    before, replicas, pid = member_of(fleet, worker), fleet.replica_pids(), fleet.pid_of(worker)
    fleet.layout.stopping.touch()
    os.kill(pid, signal.SIGKILL)
    fleet.wait_until(lambda: not fleet.lock_is_held(worker))
    shutil.rmtree(fleet.layout.store(worker))
    fleet.layout.stopping.unlink()
    wait_without(fleet, {pid})
    fleet.wait_until(lambda: all_vote(fleet))
    assert member_of(fleet, worker) != before
    victim = fleet.pid_of(fleet.leader())
    os.kill(victim, signal.SIGKILL)
    wait_without(fleet, {victim})
    assert fleet.replica_pids() == replicas
    assert_each_slot_runs_once(fleet)
