"""Three hosts in network namespaces, cut off from each other in each direction."""

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from interrex.cli.watching import guard_workers
from interrex.core.ids import ChangeId, HostName, ServiceName, WorkerName
from interrex.core.spec import COORDINATED, ELECTIONS, Bully, ClusterSpec
from interrex.core.state import ApplySpec
from interrex.runtime.questions import ChangeBody
from interrex.worker.status import Status, WorkerStatus
from tests.system.conftest import EVERY_ELECTION, shop
from tests.system.machines import Machine, all_ready, machines, newcomer

WEB = ServiceName("web")
STEP_DOWN = "/v1/step-down"
BULLY_WITH_QUORUM = "bully with a quorum"
Hosts = dict[str, Machine]


def spread_shop(worker_id: str) -> ClusterSpec:
    spec = shop(worker_id, replicas=6)
    web = spec.services[WEB]
    command = (*web.command, "--address", "{address}")
    changed = msgspec.structs.replace(web, command=command)
    return msgspec.structs.replace(spec, services={WEB: changed})


def electing(spec: ClusterSpec, election: str) -> ClusterSpec:
    """The spec, of hosts that elect by this; by a service they learn it where that runs."""
    if election == BULLY_WITH_QUORUM:
        return msgspec.structs.replace(spec, election="bully", bully=Bully(quorum=True))
    return msgspec.structs.replace(spec, election=election) if election in ELECTIONS else spec


@pytest.fixture
def election() -> str:
    """What the hosts elect by, where a test does not say so."""
    return "raft"


@pytest.fixture
def hosts(worker_id: str, election: str) -> Iterator[Hosts]:
    assert os.geteuid() == 0, "network namespaces: tools/as-root .venv/bin/pytest, or make test"
    spec = electing(spread_shop(worker_id), election)
    with machines(spec, election if election in COORDINATED else "") as made:
        yield made


def leader_of(hosts: Hosts) -> Machine:
    """The host that leads, once all agree on it."""
    seen: set[WorkerName | None] = set()

    def agreed() -> bool:
        nonlocal seen
        seen = {status.leader for m in hosts.values() if (status := m.status()) is not None}
        return len(seen) == 1 and seen != {None}

    hosts["a"].fleet.wait_until(agreed)
    (leader,) = seen
    assert leader is not None
    return hosts[leader.partition("-")[0]]


def leads(hosts: Hosts, heir: Machine) -> bool:
    """Whether a host does, which is seen to."""
    leader = leader_of(hosts)
    if leader is not heir:  # by Bully it may just be taking over by itself
        successor = {"successor": heir.fleet.workers[0]}
        leader.fleet.ask(leader.fleet.workers[0], "POST", STEP_DOWN, successor)
    return leader is heir


def others_agree(hosts: Hosts, without: Machine) -> bool:
    statuses = [m.status() for m in hosts.values() if m is not without]
    leaders = {status.leader for status in statuses if status is not None}
    return len(leaders) == 1 and leaders.isdisjoint({None, f"{without.name}-1"})


def replicas_on(machine: Machine, seen_by: Machine) -> list[str]:
    status = seen_by.status()
    assert status is not None
    found = status.services[WEB].replicas
    return [r.name for r in found if r.host == machine.name and r.state == "ready"]


def test_a_service_is_spread_over_hosts_and_served_on_each(hosts: Hosts) -> None:
    port = hosts["a"].fleet.spec.services[WEB].expose
    assert port is not None
    for machine in hosts.values():
        assert len(replicas_on(machine, machine)) == 2
        assert machine.get(port.port) == "200"


WITHOUT_BULLY = [election for election in (*ELECTIONS, *COORDINATED) if election != "bully"]
ONE_SIDE_LEADS = [*WITHOUT_BULLY, BULLY_WITH_QUORUM]
"""Without a quorum, Bully lets both sides of a cut lead: test_bully has what it promises."""


DIRECTIONS = [("input", "output"), ("output",), ("input",)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("election", ONE_SIDE_LEADS)
def test_a_leader_cut_off_in_any_direction_is_replaced_and_its_replicas_are_started_elsewhere(
    hosts: Hosts,
) -> None:
    for directions in DIRECTIONS:
        cut_off_the_leader(hosts, directions)


def cut_off_the_leader(hosts: Hosts, directions: tuple[str, ...]) -> None:
    old = leader_of(hosts)
    other = next(machine for machine in hosts.values() if machine is not old)
    port = other.fleet.spec.services[WEB].expose
    assert port is not None
    old.cut(*directions)
    other.fleet.wait_until(lambda: others_agree(hosts, without=old))
    stale = old.status()
    other.fleet.wait_until(
        lambda: sum(len(replicas_on(m, other)) for m in hosts.values() if m is not old) == 6
    )
    assert other.get(port.port) == "200"
    assert old.get(port.port) == "200"
    assert stale is not None
    old.heal()
    other.fleet.wait_until(lambda: all_ready(hosts.values()))
    status = other.status()
    assert status is not None
    assert status.services[WEB].ready == 6


@EVERY_ELECTION
def test_a_host_whose_disk_was_lost_joins_again_and_the_others_keep_their_state(
    hosts: Hosts,
) -> None:
    lost = next(machine for machine in hosts.values() if machine is not leader_of(hosts))
    other = leader_of(hosts)
    before = other.status()
    lost.forget_everything()
    other.fleet.wait_until(lambda: all_ready(hosts.values()))
    other.fleet.wait_until(lambda: everybody_votes(other))
    after = other.status()
    assert before is not None
    assert after is not None
    kept = {r.name: r.pid for r in before.services[WEB].replicas if r.host != lost.name}
    assert {r.name: r.pid for r in after.services[WEB].replicas if r.name in kept} == kept


@EVERY_ELECTION
def test_a_host_joins_and_leaves_as_the_file_that_is_applied_says(hosts: Hosts) -> None:
    a = hosts["a"]
    before = running_on(a)
    with newcomer(hosts) as new:
        new.fleet.wait_until(lambda: is_not_named_yet(new))
        goes_on_waiting(new)
        assert all(status is not None and len(status.workers) == 3 for status in statuses(hosts))
        apply(a, new.fleet.spec)
        everybody = [*hosts.values(), new]
        a.fleet.wait_until(lambda: all_ready(everybody))
        a.fleet.wait_until(lambda: all(map(everybody_votes, everybody)))
        apply(new, scaled(new.fleet.spec, 8))
        a.fleet.wait_until(lambda: all_ready(everybody) and bool(replicas_on(new, seen_by=a)))
        apply(a, scaled(a.fleet.spec, 8))
        wait_until_left(new, list(hosts.values()))
    assert before.items() <= running_on(a).items(), a.fleet.logs()


@EVERY_ELECTION
def test_a_founder_that_is_taken_from_the_file_leaves_and_nothing_else_is_touched(
    hosts: Hosts,
) -> None:
    """The first one: the others stand elsewhere in the file from then on."""
    gone, *kept = hosts.values()
    before = [running_on(machine) for machine in kept]
    spec = kept[0].fleet.spec
    apply(kept[0], msgspec.structs.replace(spec, hosts=spec.hosts[1:]))
    wait_until_left(gone, kept)
    for machine, those in zip(kept, before, strict=True):
        assert those.items() <= running_on(machine).items()


def test_what_systemd_runs_starts_no_host_again_that_was_left(hosts: Hosts) -> None:
    """It did, for ever: each time its worker ended because nobody asks for it. After a reboot it is
    started once, and told; and it is taken up again as the file says."""
    a, b, left = hosts.values()
    spec, worker = a.fleet.spec, left.fleet.workers[0]
    ends, starts = guarded(left)
    apply(a, msgspec.structs.replace(spec, hosts=spec.hosts[:2]))
    a.fleet.wait_until(ends)
    wait_until_left(left, [a, b])
    left.launch()
    ends, again = guarded(left)
    a.fleet.wait_until(ends)
    assert not left.fleet.lock_is_held(worker)
    assert starts == again == []
    apply(a, spec)
    left.launch()
    a.fleet.wait_until(lambda: all_ready(hosts.values()))
    assert not left.fleet.layout.dismissed(worker).exists()


def guarded(machine: Machine) -> tuple[Callable[[], bool], list[float]]:
    """Guard a host as `interrex up FILE --guard` does.

    Returns:
        Whether that has come to its end, and when it has started the workers again.
    """
    starts: list[float] = []

    def launch() -> None:
        starts.append(time.monotonic())
        machine.launch()

    arguments = (machine.fleet.layout, machine.name, launch)
    guard = threading.Thread(target=guard_workers, args=arguments, daemon=True)
    guard.start()
    return lambda: not guard.is_alive(), starts


@pytest.mark.parametrize("election", ONE_SIDE_LEADS)
def test_a_host_that_is_lost_keeps_no_other_from_being_left_and_leaves_once_it_is_back(
    hosts: Hosts,
) -> None:
    """Cut off, its balancers go on by what they know; and of three votes one is missing. Who leads
    is the one that is left."""
    a, left, lost = hosts.values()
    a.fleet.wait_until(lambda: leads(hosts, left))
    lost.cut("input", "output")
    spec = a.fleet.spec
    apply(a, msgspec.structs.replace(spec, hosts=spec.hosts[:1]))
    a.fleet.wait_until(lambda: not left.fleet.lock_is_held(left.fleet.workers[0]))
    a.fleet.wait_until(lambda: len(replicas_on(a, a)) == 6)
    status = a.status()
    assert status is not None
    assert {worker.state for worker in status.workers if worker.host == lost.name} == {"away"}
    assert f"{lost.name} is back" in status.remains
    lost.heal()
    wait_until_left(lost, [a])
    status = a.status()
    assert status is not None
    assert status.remains == ""


def wait_until_left(gone: Machine, kept: list[Machine]) -> None:
    """Nothing of a host is left, and the others know it no more."""
    fleet = kept[0].fleet
    fleet.wait_until(lambda: not gone.fleet.lock_is_held(gone.fleet.workers[0]))
    fleet.wait_until(lambda: all_ready(kept) and len(replicas_on(gone, kept[0])) == 0)
    names = {one.name for one in kept}  # some hear of it later than others
    fleet.wait_until(lambda: all(hosts_seen(machine) == names for machine in kept))


def hosts_seen(machine: Machine) -> set[HostName]:
    return {worker.host for worker in workers_seen(machine)}


def workers_seen(machine: Machine) -> list[WorkerStatus]:
    status = machine.status()
    return [] if status is None else status.workers


def running_on(machine: Machine) -> dict[str, int | None]:
    """The processes of a host by their slots, its balancers' too."""
    status = machine.status()
    assert status is not None
    replicas = {one.name: (one.host, one.pid) for one in status.services[WEB].replicas}
    replicas |= {one.name: (one.host, one.pid) for one in status.balancer}
    return {name: pid for name, (host, pid) in replicas.items() if host == machine.name}


@pytest.mark.timeout(600)
@EVERY_ELECTION
def test_a_lost_host_that_is_made_again_from_a_newer_file_leads_on_from_what_the_others_know(
    hosts: Hosts,
) -> None:
    """Begun from that file it would count fewer generations, and take what runs for the next."""
    a, lost = hosts["a"], hosts["c"]
    newer = renewed(a.fleet.spec, "1")
    replaced_by(hosts, lambda: apply(a, newer))
    lost.fleet.spec = newer
    lost.forget_everything()
    a.fleet.wait_until(lambda: all_ready(hosts.values()) and everybody_votes(a))

    a.fleet.wait_until(lambda: leads(hosts, lost))
    replaced_by(hosts, lambda: apply(lost, renewed(newer, "2")))


EMPTY = {
    "etcd": """
import sys, urllib.request
everything = b'{"key": "AA==", "range_end": "AA=="}'
urllib.request.urlopen(f"{sys.argv[1]}/v3/kv/deleterange", everything, timeout=60).read()
""",
    "zookeeper": """
import sys
from kazoo.client import KazooClient
client = KazooClient(sys.argv[1])
client.start()
(cluster,) = client.get_children(sys.argv[2])
for node in ("snapshot", "tip", "log"):
    client.delete(f"{sys.argv[2]}/{cluster}/{node}", recursive=True)
client.stop()
""",
}
"""What deletes all that the hosts asked for, for good."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("election", COORDINATED)
def test_all_hosts_go_on_from_what_a_worker_of_one_knows_once_the_service_has_lost_it(
    hosts: Hosts, election: str
) -> None:
    """Who leads by ZooKeeper would notice with the next change, and is deposed."""
    a, before = hosts["a"], [running_on(machine) for machine in hosts.values()]
    spec, led = a.fleet.spec, leader_of(hosts)
    knows = next(machine.fleet for machine in hosts.values() if machine is not led)
    server = (spec.etcd.endpoints if election == "etcd" else spec.zookeeper.hosts)[0]
    a.inside(sys.executable, "-c", EMPTY[election], server, f"/interrex/{spec.name}")
    asked = ("POST", "/v1/begin-anew")
    knows.wait_until(lambda: bool(knows.ask(knows.workers[0], *asked)["ok"]))
    a.fleet.wait_until(lambda: all_ready(hosts.values()))
    assert [running_on(machine) for machine in hosts.values()] == before
    apply(a, scaled(spec, 7))
    a.fleet.wait_until(lambda: all_ready(hosts.values()))


def replaced_by(hosts: Hosts, action: Callable[[], None]) -> None:
    """Returns once another process runs in the place of each replica."""
    a = hosts["a"].fleet
    before = set(a.replica_pids().values())
    action()
    a.wait_until(lambda: before.isdisjoint(a.replica_pids().values()), within_s=120.0)
    a.wait_until(lambda: all_ready(hosts.values()))


def renewed(spec: ClusterSpec, number: str) -> ClusterSpec:
    """A file whose replicas are other processes."""
    web = msgspec.structs.replace(spec.services[WEB], env={"NEW": number})
    return msgspec.structs.replace(spec, services={WEB: web})


def apply(machine: Machine, spec: ClusterSpec) -> None:
    """As `interrex apply` does there, and again where the leader changes just then: by its id it is
    applied once."""
    fleet, body = machine.fleet, ChangeBody(ChangeId(secrets.token_hex(16)), (ApplySpec(spec),))
    fleet.wait_until(lambda: fleet.ask(fleet.workers[0], "POST", "/v1/changes", body)["ok"])


def scaled(spec: ClusterSpec, replicas: int) -> ClusterSpec:
    web = msgspec.structs.replace(spec.services[WEB], replicas=replicas)
    return msgspec.structs.replace(spec, services={WEB: web})


def statuses(hosts: Hosts) -> list[Status | None]:
    return [machine.status() for machine in hosts.values()]


def hindrance(machine: Machine) -> str:
    status = machine.status()
    return "" if status is None else status.hindrance


def is_not_named_yet(machine: Machine) -> bool:
    return "does not name it yet" in hindrance(machine)


def goes_on_waiting(machine: Machine) -> None:
    """Others are there: it begins nothing alone, however long it takes until they know it."""
    seen_off = time.monotonic() + 1.25 * machine.fleet.spec.timing.lost_host
    machine.fleet.wait_until(lambda: time.monotonic() > seen_off or not is_not_named_yet(machine))
    assert is_not_named_yet(machine)


def everybody_votes(machine: Machine) -> bool:
    status = machine.status()
    return status is not None and all(worker.votes for worker in status.workers)
