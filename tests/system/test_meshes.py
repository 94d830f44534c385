"""Hosts that reach only some of the others: the simulator's scenarios ``partial-mesh``,
``one-reaches-a-quorum``, ``chain`` and ``isolated-comes-back``, by real workers and packet filters.
"""

import os
import secrets
from collections.abc import Iterator

import pytest

from interrex.core.ids import ChangeId
from interrex.core.spec import COORDINATED, ELECTIONS
from interrex.core.state import Scale
from interrex.runtime.questions import ChangeBody
from tests.system.machines import Machine, all_ready, machines
from tests.system.reigns import Reigns
from tests.system.test_hosts import WEB, electing, leader_of, running_on, spread_shop, workers_seen

Hosts = dict[str, Machine]
WITH_TERMS = [election for election in ELECTIONS if election != "bully"]
"""Bully's highest worker leads in each part: what it promises is in ``test_bully``. By a service
it is who reaches that who leads, whomever else it hears: ``test_partitions``."""
ELECTION_TIMEOUT_S = 1.0
"""Nobody else is elected because the machine stands still for a moment."""
LOST_HOST_S = 60.0
"""Nothing is started elsewhere meanwhile: replicas have to be the same processes in the end."""


@pytest.fixture(scope="module", params=WITH_TERMS)
def five(worker_id: str, request: pytest.FixtureRequest) -> Iterator[Hosts]:
    yield from of_hosts(5, worker_id, request.param)


@pytest.fixture(params=[*WITH_TERMS, *COORDINATED])
def three(worker_id: str, request: pytest.FixtureRequest) -> Iterator[Hosts]:
    yield from of_hosts(3, worker_id, request.param)


def of_hosts(count: int, worker_id: str, election: str) -> Iterator[Hosts]:
    assert os.geteuid() == 0, "network namespaces: tools/as-root .venv/bin/pytest, or make test"
    with machines(
        electing(spread_shop(worker_id), election),
        election if election in COORDINATED else "",
        count=count,
        lost_host_s=LOST_HOST_S,
        election_timeout_s=ELECTION_TIMEOUT_S,
    ) as made:
        yield made


def test_of_a_partial_mesh_a_well_connected_one_leads(five: Hosts) -> None:
    old = leader_of(five)
    first, second, third, last = (machine for machine in five.values() if machine is not old)
    before, reigns = processes_of(five), reigns_of(five)
    only_these_meet(
        five, (first, second), (second, third), (first, third), (old, first), (third, last)
    )
    inner = [first, second, third]
    first.fleet.wait_until(lambda: any(leads(one, *inner) for one in inner))
    heal(five)
    assert processes_of(five) == before
    assert 1 <= len(reigns.since()) <= 2, reigns.since()


def test_the_only_one_that_reaches_a_quorum_leads_though_it_still_hears_the_leader(
    five: Hosts,
) -> None:
    old = leader_of(five)
    hub, *others = (machine for machine in five.values() if machine is not old)
    before, reigns = processes_of(five), reigns_of(five)
    only_these_meet(five, *((hub, other) for other in (old, *others)))
    hub.fleet.wait_until(lambda: leads(hub, *five.values()))
    heal(five)
    assert leader_of(five) is hub
    assert processes_of(five) == before
    assert 1 <= len(reigns.since()) <= 2, reigns.since()


def test_one_that_was_cut_off_comes_back_and_disturbs_nobody(five: Hosts) -> None:
    leader = leader_of(five)
    alone, *others = (machine for machine in five.values() if machine is not leader)
    before, epochs, reigns = processes_of(five), epochs_of(five), reigns_of(five)
    alone.cut()
    alone.fleet.wait_until(lambda: has_no_leader(alone) and len(lost_by(alone)) == 4)
    leader.fleet.wait_until(lambda: leads(leader, *others))
    heal(five)
    assert leader_of(five) is leader
    assert processes_of(five) == before
    assert epochs_of(five) == epochs
    assert reigns.since() == []


def test_in_a_chain_of_three_nobody_is_elected_again_and_again(three: Hosts) -> None:
    old = leader_of(three)
    middle, end = (machine for machine in three.values() if machine is not old)
    before, reigns = processes_of(three), reigns_of(three)
    only_these_meet(three, (old, middle), (middle, end))
    end.fleet.wait_until(lambda: old.name in lost_by(end) and end.name in lost_by(old))
    middle.fleet.wait_until(lambda: leads(middle) or leads(old, middle) or leads(end, middle))
    heal(three)
    assert processes_of(three) == before
    assert len(reigns.since()) <= 2, reigns.since()


def only_these_meet(hosts: Hosts, *pairs: tuple[Machine, Machine]) -> None:
    """Cut every other pair off from each other, in each direction by a filter of its own."""
    met = {frozenset(machine.name for machine in pair) for pair in pairs}
    for machine in hosts.values():
        strangers = [
            other
            for other in hosts.values()
            if other is not machine and frozenset((machine.name, other.name)) not in met
        ]
        if strangers:
            machine.cut("input", off=strangers)


def heal(hosts: Hosts) -> None:
    """Let everybody meet again, and wait until all are one fleet."""
    for machine in hosts.values():
        machine.heal()
    hosts["a"].fleet.wait_until(lambda: all_ready(hosts.values()))
    leader_of(hosts)


def processes_of(hosts: Hosts) -> dict[str, int | None]:
    """The processes of all slots, and of all workers."""
    found = replicas_of(hosts)
    for machine in hosts.values():
        found |= {name: machine.fleet.pid_of(name) for name in machine.fleet.workers}
    return found


def replicas_of(hosts: Hosts) -> dict[str, int | None]:
    """The processes of all slots, as the workers of their hosts see them."""
    return {slot: pid for machine in hosts.values() for slot, pid in running_on(machine).items()}


def reigns_of(hosts: Hosts) -> Reigns:
    return Reigns([machine.fleet for machine in hosts.values()])


def leads(leader: Machine, *followers: Machine) -> bool:
    """Whether all of them say so, and it gets a change acknowledged."""
    (name,) = leader.fleet.workers
    statuses = [machine.status() for machine in (leader, *followers)]
    if any(status is None or status.leader != name for status in statuses):
        return False
    body = ChangeBody(ChangeId(secrets.token_hex(16)), (Scale(WEB, 6),))
    return bool(leader.fleet.ask(name, "POST", "/v1/changes", body)["ok"])


def lost_by(machine: Machine) -> set[str]:
    """The hosts that it has no connection with."""
    return {worker.host for worker in workers_seen(machine) if worker.state == "lost"}


def has_no_leader(machine: Machine) -> bool:
    status = machine.status()
    return status is not None and status.leader is None


def epochs_of(hosts: Hosts) -> set[int]:
    statuses = [machine.status() for machine in hosts.values()]
    return {status.epoch for status in statuses if status is not None}
