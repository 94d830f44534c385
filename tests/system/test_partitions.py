"""A fleet whose coordination service falls apart: each server in a network of its own, cut off in
one direction or in both."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from interrex.core.ids import ServiceName
from interrex.core.spec import COORDINATED
from tests.system.conftest import shop
from tests.system.machines import Machine, Service, service_on, switched
from tests.system.test_coordinated import scale

DIRECTIONS = [("input",), ("output",), ("input", "output")]


class Stand(NamedTuple):
    """A fleet on one machine, and the service that it elects by."""

    machine: Machine
    service: Service


@pytest.fixture(scope="module", params=COORDINATED)
def stand(worker_id: str, request: pytest.FixtureRequest) -> Iterator[Stand]:
    assert os.geteuid() == 0, "network namespaces: tools/as-root .venv/bin/pytest, or make test"
    with switched() as switch, service_on(switch, request.param) as service:
        spec = service.elected(shop(worker_id), session_s=3.0)
        machine = Machine("local", 1, switch, spec)
        try:
            machine.launch()
            machine.fleet.wait_ready()
            yield Stand(machine, service)
        finally:
            machine.end()


def test_servers_cut_off_one_by_one_cost_no_replica_and_no_state(stand: Stand) -> None:
    fleet = stand.machine.fleet
    before = fleet.replica_pids()
    for network, directions in zip(stand.service.networks, DIRECTIONS, strict=True):
        stand.service.wait_whole(stand.machine)
        network.cut(*directions)
        scale(fleet, 3)
        assert fleet.replica_pids() == before
        network.heal()
    fleet.wait_ready()
    assert fleet.replica_pids() == before


def test_the_server_that_leads_the_others_may_be_cut_off_in_either_direction(stand: Stand) -> None:
    fleet = stand.machine.fleet
    before = fleet.replica_pids()
    for direction in ("input", "output"):
        network = stand.service.networks[stand.service.wait_whole(stand.machine)]
        network.cut(direction)
        scale(fleet, 3)
        assert fleet.replica_pids() == before
        network.heal()
    fleet.wait_ready()
    assert fleet.replica_pids() == before


def test_a_fleet_that_is_cut_off_has_no_leader_and_goes_on_serving(stand: Stand) -> None:
    fleet = stand.machine.fleet
    before = fleet.replica_pids()
    exposed = fleet.spec.services[ServiceName("web")].expose
    assert exposed is not None
    for direction in ("input", "output"):
        stand.machine.cut(direction)
        fleet.wait_until(lambda: {status.leader for status in fleet.statuses()} == {None})
        assert fleet.replica_pids() == before
        assert stand.machine.get(exposed.port) == "200"
        stand.machine.heal()
        scale(fleet, 3)
        fleet.wait_ready()
        assert fleet.replica_pids() == before
