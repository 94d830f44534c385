"""Real fleets that elect by Bully: on one machine, and on three that fall apart and merge."""

import os
import signal
from collections.abc import Iterator

import msgspec
import pytest

from bench.fleet import Fleet
from interrex.core.ids import WorkerName
from interrex.core.spec import Bully
from interrex.runtime.journal import read_events
from tests.system.conftest import shop
from tests.system.machines import Machine, all_ready, machines
from tests.system.test_hosts import WEB, leader_of, others_agree, replicas_on, spread_shop

Hosts = dict[str, Machine]
HIGHEST = WorkerName("worker-3")


@pytest.fixture(params=[False, True], ids=["without a quorum", "with a quorum"])
def one_machine(worker_id: str, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    options = Bully(quorum=request.param)
    spec = msgspec.structs.replace(shop(worker_id), election="bully", bully=options)
    with Fleet(spec) as running:
        running.wait_ready()
        yield running


def led_by(fleet: Fleet, worker: WorkerName) -> bool:
    return fleet.is_ready() and {status.leader for status in fleet.statuses()} == {worker}


def own_pid(fleet: Fleet) -> int | None:
    """The highest worker's process, as it says itself."""
    status = fleet.status(HIGHEST)
    known = {worker.name: worker.pid for worker in status.workers} if status is not None else {}
    return known.get(HIGHEST)


def test_a_killed_leader_is_replaced_and_takes_the_lead_back(one_machine: Fleet) -> None:
    fleet = one_machine
    fleet.wait_until(lambda: led_by(fleet, HIGHEST))
    before, pids = fleet.status(), fleet.replica_pids()
    fleet.layout.stopping.touch()  # nobody is started before it was seen who follows
    os.kill(fleet.pid_of(HIGHEST), signal.SIGKILL)
    fleet.wait_until(
        lambda: {status.leader for status in fleet.statuses()} == {WorkerName("worker-2")}
    )
    fleet.layout.stopping.unlink()
    fleet.wait_until(lambda: led_by(fleet, HIGHEST))
    after = fleet.status()
    assert before is not None
    assert after is not None
    assert after.epoch > before.epoch
    assert fleet.replica_pids() == pids


def test_whom_an_operator_named_leads_on(one_machine: Fleet) -> None:
    fleet = one_machine
    fleet.wait_until(lambda: led_by(fleet, HIGHEST))
    named = WorkerName("worker-1")
    fleet.ask(HIGHEST, "POST", "/v1/step-down", {"successor": named})
    fleet.wait_until(lambda: led_by(fleet, named))
    killed = fleet.pid_of(HIGHEST)
    os.kill(killed, signal.SIGKILL)
    fleet.wait_until(lambda: own_pid(fleet) not in (None, killed) and led_by(fleet, named))


@pytest.fixture
def hosts(worker_id: str) -> Iterator[Hosts]:
    assert os.geteuid() == 0, "network namespaces: tools/as-root .venv/bin/pytest, or make test"
    with machines(msgspec.structs.replace(spread_shop(worker_id), election="bully")) as made:
        yield made


def test_both_sides_of_a_cut_lead_and_serve_and_what_one_did_is_reported(hosts: Hosts) -> None:
    lone = leader_of(hosts)
    others = [machine for machine in hosts.values() if machine is not lone]
    port = lone.fleet.spec.services[WEB].expose
    assert port is not None
    lone.cut()
    others[0].fleet.wait_until(lambda: others_agree(hosts, without=lone))
    lone.fleet.wait_until(lambda: len(replicas_on(lone, lone)) == 6)
    others[0].fleet.wait_until(
        lambda: sum(len(replicas_on(machine, others[0])) for machine in others) == 6
    )
    sides = [lone.status(), others[0].status()]
    assert len({status.leader for status in sides if status is not None}) == 2
    assert lone.get(port.port) == others[0].get(port.port) == "200"
    lone.heal()
    lone.fleet.wait_until(lambda: all_ready(hosts.values()))
    assert leader_of(hosts) is lone
    assert any("leader-" in text for text in _losses(hosts))


def _losses(hosts: Hosts) -> list[str]:
    paths = [
        machine.fleet.layout.events(worker)
        for machine in hosts.values()
        for worker in machine.fleet.workers
    ]
    return [event.text for event in read_events(paths) if event.kind == "changes.lost"]
