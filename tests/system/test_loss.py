"""A fifth of all packets that three hosts get is lost, from each other and from a coordination
service: ``bad-mail`` of the simulator, by real workers, whose mail TCP repeats and keeps in order.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator

import pytest

from interrex.core.spec import COORDINATED, Timing
from tests.system.machines import Machine, all_ready, machines
from tests.system.test_coordinated import scale
from tests.system.test_hosts import ONE_SIDE_LEADS, electing, leader_of, spread_shop
from tests.system.test_meshes import LOST_HOST_S, reigns_of, replicas_of

Hosts = dict[str, Machine]
LOST_PERCENT = 20


@pytest.fixture(params=ONE_SIDE_LEADS)
def hosts(worker_id: str, request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """Bully without a quorum takes silence for absence: it may lead in parts, and merge."""
    assert os.geteuid() == 0, "network namespaces: tools/as-root .venv/bin/pytest, or make test"
    election = request.param
    spec = electing(spread_shop(worker_id), election)
    service = election if election in COORDINATED else ""
    with machines(spec, service, lost_host_s=LOST_HOST_S) as made:
        yield made


def test_where_packets_are_lost_changes_are_acknowledged_and_a_dead_leader_is_replaced(
    hosts: Hosts,
) -> None:
    """Whole time-outs pass between a packet and its repetition, so there are elections; but no more
    than a leader that stands still again and again may cost, one in two time-outs."""
    before, reigns, began = replicas_of(hosts), reigns_of(hosts), time.monotonic()
    for machine in hosts.values():
        machine.cut("input", percent=LOST_PERCENT)
    each_gets_changes_acknowledged(hosts.values())
    dead = kill_the_leader(hosts)
    each_gets_changes_acknowledged(machine for machine in hosts.values() if machine is not dead)
    dead.launch()
    dead.fleet.wait_until(lambda: dead.status() is not None)
    each_gets_changes_acknowledged(hosts.values())
    timeouts = (time.monotonic() - began) / Timing().election_timeout
    for machine in hosts.values():
        machine.heal()
    dead.fleet.wait_until(lambda: all_ready(hosts.values()))
    leader_of(hosts)
    assert replicas_of(hosts) == before
    assert 1 <= len(reigns.since()) <= 1 + timeouts / 2, reigns.since()


def each_gets_changes_acknowledged(machines: Iterable[Machine]) -> None:
    for machine in machines:
        for _ in range(4):
            scale(machine.fleet, 6)


def kill_the_leader(hosts: Hosts) -> Machine:
    dead = leader_of(hosts)
    os.kill(dead.fleet.pid_of(dead.fleet.workers[0]), signal.SIGKILL)
    dead.fleet.wait_until(lambda: not dead.fleet.lock_is_held(dead.fleet.workers[0]))
    return dead
