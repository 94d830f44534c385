"""Where slots go: tables of situations and the operations they lead to."""

import msgspec
import pytest

from interrex.core.ids import HostName, ServiceName, SlotName, WorkerName
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.spec import ClusterSpec, Expose, HostSpec, ServiceSpec
from interrex.core.state import (
    ApplySpec,
    BarredPort,
    Change,
    ClusterState,
    Evict,
    Operation,
    Remove,
    Retire,
    apply,
    genesis,
)
from interrex.core.time import S
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.placement import Placer

NOW = 100 * S
LOCAL = HostName("local")


def service(name: str, replicas: int, port: int | None = None) -> ServiceSpec:
    expose = Expose(port=port) if port is not None else None
    return ServiceSpec(name=name, command=("serve",), replicas=replicas, expose=expose)  # type: ignore[arg-type]


def state_of(*services: ServiceSpec, hosts: tuple[HostSpec, ...] = ()) -> ClusterState:
    return genesis(ClusterSpec(name="shop", hosts=hosts, services={s.name: s for s in services}))


def fleet_of(state: ClusterState, gone: dict[str, int] | None = None) -> Fleet:
    """Everybody connected for long, but for those ``gone`` (worker -> seconds ago)."""
    views = {}
    for worker, host in state.workers.items():
        since = (gone or {}).get(worker)
        connected = since is None
        views[worker] = WorkerView(
            worker, host, connected, NOW - (90 if since is None else since) * S, NOW
        )
    return Fleet(next(iter(views)), views, {})


def settle(state: ClusterState, fleet: Fleet, bad: set[tuple[HostName, int]] | None = None) -> int:
    """Apply what the placer asks for until it asks for nothing; returns the number of rounds."""
    operations: list[Operation] = []
    for rounds in range(20):
        operations = Placer(state, fleet, bad or set(), NOW).operations()
        if not operations:
            return rounds
        do(state, *operations)
    raise AssertionError(f"never content: {operations}")


def do(state: ClusterState, *operations: Operation) -> None:
    apply(state, Change(f"c{state.index}", 1, operations), state.index + 1)  # type: ignore[arg-type]


def by_worker(state: ClusterState) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {worker: [] for worker in state.workers}
    for slot, placement in sorted(state.placements.items()):
        if placement.wanted:
            found[placement.worker].append(slot)
    return found


def test_replicas_are_spread_over_the_workers_and_get_ports_of_their_own() -> None:
    state = state_of(service("web", 3), service("api", 3))
    settle(state, fleet_of(state))
    assert {len(slots) for slots in by_worker(state).values()} == {2}
    for slots in by_worker(state).values():
        assert {slot.partition(".")[0] for slot in slots} == {"web", "api"}
    ports = [placement.port for placement in state.placements.values()]
    assert sorted(ports) == list(range(21000, 21006))


def test_the_two_balancers_go_to_different_workers() -> None:
    state = state_of(service("web", 1, port=8080))
    settle(state, fleet_of(state))
    holders = [p.worker for slot, p in state.placements.items() if slot.startswith("balancer")]
    assert len(set(holders)) == 2


def test_balancers_are_stopped_once_nothing_is_exposed_any_more() -> None:
    """Found by the simulator: they were kept for ever, of no use to anybody."""
    state = state_of(service("web", 1, 8080))
    settle(state, fleet_of(state))
    assert any(slot.startswith("balancer.") for slot in state.placements)
    hidden = msgspec.structs.replace(
        state.spec, services={name: service(name, 1) for name in state.spec.services}
    )
    do(state, ApplySpec(hidden))
    settle(state, fleet_of(state))
    assert {slot for slot, p in state.placements.items() if p.wanted} == {"web.0"}


def exposed_on(*names: str) -> ClusterState:
    made = tuple(HostSpec(name=HostName(name), workers=1) for name in names)
    return state_of(service("web", 4, port=8080), hosts=made)


def balancers(state: ClusterState) -> dict[str, str]:
    return {slot: p.host for slot, p in state.placements.items() if slot.startswith("balancer.")}


@pytest.mark.parametrize("names", [("new", "a", "b"), ("a", "new", "b"), ("a", "b", "new")])
def test_a_host_that_comes_takes_no_balancer_from_another(names: tuple[str, ...]) -> None:
    state = exposed_on("a", "b")
    settle(state, fleet_of(state))
    before = balancers(state)
    do(state, ApplySpec(exposed_on(*names).spec))
    settle(state, fleet_of(state))
    assert before.items() <= balancers(state).items()
    assert list(balancers(state).values()).count("new") == 2


def ready(state: ClusterState) -> Fleet:
    """Everybody connected, and every slot ready that is wanted."""
    fleet = fleet_of(state)
    for slot, placement in state.placements.items():
        report = ReplicaReport(slot, ReplicaState.READY, 1, placement.port, 7, 1, 0, False, "", 0)
        fleet.workers[placement.worker].replicas[slot] = report
    return fleet


def test_a_host_that_the_file_names_no_more_is_left_one_replica_of_a_service_at_a_time() -> None:
    """It was held on to as long as it was there: only of a lost host was anything moved."""
    state = exposed_on("a", "b")
    settle(state, fleet_of(state))
    do(state, ApplySpec(exposed_on("b").spec))
    there = [slot for slot, p in state.placements.items() if p.host == "a" and "web" in slot]
    for _ in there:
        operations = Placer(state, ready(state), set(), NOW).operations()
        retired = [one.slot for one in operations if isinstance(one, Retire) and "web" in one.slot]
        assert len(retired) == 1
        do(state, *operations)
        assert not any(
            isinstance(one, Retire) and "web" in one.slot
            for one in Placer(state, ready(state), set(), NOW).operations()
        )
        do(state, Remove(retired[0]))
        do(state, *Placer(state, ready(state), set(), NOW).operations())
    web = {slot: p.host for slot, p in state.placements.items() if "web" in slot}
    assert set(web.values()) == {"b"}
    assert len(web) == 4


def test_nothing_leaves_such_a_host_while_another_replica_does_not_serve() -> None:
    state = exposed_on("a", "b")
    settle(state, fleet_of(state))
    do(state, ApplySpec(exposed_on("b").spec))
    fleet = ready(state)
    worker = state.placements[SlotName("web.1")].worker
    del fleet.workers[worker].replicas[SlotName("web.1")]
    operations = Placer(state, fleet, set(), NOW).operations()
    assert not any(isinstance(one, Retire) and one.slot == "web.0" for one in operations)


def test_new_slots_wait_for_workers_that_are_expected_back() -> None:
    state = state_of(service("web", 3))
    assert Placer(state, fleet_of(state, {"worker-2": 1}), set(), NOW).operations() == []
    assert len(Placer(state, fleet_of(state, {"worker-2": 3}), set(), NOW).operations()) == 3


@pytest.mark.parametrize(("gone_for", "moved"), [(1, False), (3, True)])
def test_slots_of_a_lost_worker_go_to_its_neighbours_after_the_grace(
    gone_for: int, moved: bool
) -> None:
    state = state_of(service("web", 3))
    settle(state, fleet_of(state))
    before = dict(state.placements)
    settle(state, fleet_of(state, {"worker-2": gone_for}))
    assert (by_worker(state)["worker-2"] == []) is moved
    ports = {slot: placement.port for slot, placement in state.placements.items()}
    assert ports == {slot: placement.port for slot, placement in before.items()}


def hosts() -> tuple[HostSpec, ...]:
    return tuple(HostSpec(name=HostName(name), address=f"{name}:1", workers=2) for name in "abc")


@pytest.mark.parametrize(("gone_for", "moved"), [(5, False), (11, True)])
def test_slots_of_a_lost_host_go_to_others_after_the_stated_time(
    gone_for: int, moved: bool
) -> None:
    state = state_of(service("web", 6), hosts=hosts())
    settle(state, fleet_of(state))
    fleet = fleet_of(state, {"b-1": gone_for, "b-2": gone_for})
    settle(state, fleet)
    assert any(p.host == "b" for p in state.placements.values()) is not moved
    assert len(state.evicted) == (2 if moved else 0)
    assert len([p for p in state.placements.values() if p.wanted]) == 6


def test_a_slot_that_was_to_be_stopped_on_a_host_that_is_lost_is_placed_elsewhere() -> None:
    """It was to leave a host that the file names no more, which then died: nobody would ever have
    said that it had stopped, and its service would have had one replica less."""
    state = state_of(service("web", 6), hosts=hosts())
    settle(state, fleet_of(state))
    leaving = next(slot for slot, p in state.placements.items() if p.host == "b")
    do(state, Retire(leaving))
    settle(state, fleet_of(state, {"b-1": 5, "b-2": 5}))
    assert not state.placements[leaving].wanted
    settle(state, fleet_of(state, {"b-1": 11, "b-2": 11}))
    assert state.placements[leaving].wanted
    assert state.placements[leaving].host != "b"
    assert leaving in {placement.slot for placement in state.evicted}


def test_a_slot_is_not_placed_where_its_evicted_process_may_still_run() -> None:
    state = state_of(service("web", 1), hosts=hosts())
    settle(state, fleet_of(state))
    (placement,) = state.placements.values()
    do(state, Evict(placement.slot))
    settle(state, fleet_of(state))
    assert state.placements[placement.slot].host != placement.host


def test_scaling_down_retires_the_highest_numbers() -> None:
    state = state_of(service("web", 3))
    settle(state, fleet_of(state))
    state.services["web"] = msgspec.structs.replace(  # type: ignore[index]
        state.services["web"],  # type: ignore[index]
        spec=service("web", 1),
    )
    operations = Placer(state, fleet_of(state), set(), NOW).operations()
    assert sorted(op.slot for op in operations if isinstance(op, Retire)) == ["web.1", "web.2"]


def test_a_taken_port_is_exchanged_and_not_tried_again() -> None:
    state = state_of(service("web", 2))
    settle(state, fleet_of(state))
    bad = {(LOCAL, 21000)}
    settle(state, fleet_of(state), bad)
    assert sorted(p.port for p in state.placements.values()) == [21001, 21002]


def test_a_port_that_is_exchanged_is_barred_until_every_balancer_has_confirmed() -> None:
    state = state_of(service("web", 1))
    settle(state, fleet_of(state))
    settle(state, fleet_of(state), {(LOCAL, 21000)})
    assert [(barred.port, barred.service) for barred in state.barred] == [(21000, "web")]


def test_a_barred_port_goes_to_its_own_service_only() -> None:
    """Whoever still sends there means that service; and the ports of a host do not run out."""
    state = state_of(service("api", 1), service("web", 1))
    state.barred = (BarredPort(LOCAL, 21000, ServiceName("web")),)
    settle(state, fleet_of(state))
    assert {slot: p.port for slot, p in state.placements.items()} == {
        "api.0": 21001,
        "web.0": 21000,
    }


def test_whatever_a_lost_host_has_goes_from_it_once_the_file_names_it_no_more() -> None:
    """Its balancers too, and what is to be stopped: it may never come back, and its workers are to
    vote no more."""
    state = exposed_on("a", "b")
    settle(state, fleet_of(state))
    do(state, ApplySpec(exposed_on("a").spec))
    had = {slot for slot, p in state.placements.items() if p.host == "b"}
    do(state, *(Retire(slot) for slot in had))
    settle(state, fleet_of(state, {"b-1": 11}))
    assert {p.slot for p in state.evicted if p.host == "b"} == had
    assert all(p.host == "a" for p in state.placements.values())


def test_a_host_that_is_named_again_gets_balancers_of_other_names_than_run_there_still() -> None:
    state = exposed_on("a", "b")
    settle(state, fleet_of(state))
    do(state, ApplySpec(exposed_on("a").spec))
    settle(state, fleet_of(state, {"b-1": 11}))
    do(state, ApplySpec(exposed_on("a", "b").spec))
    settle(state, fleet_of(state))
    evicted = {p.slot for p in state.evicted}
    assert list(balancers(state).values()).count("b") == 2
    assert not evicted & {slot for slot, host in balancers(state).items() if host == "b"}


def test_two_slots_never_share_a_port_even_where_a_stranger_took_the_last_one() -> None:
    state = state_of(service("web", 2))
    state.spec = msgspec.structs.replace(state.spec, ports=(21000, 21001))
    settle(state, fleet_of(state), {(LOCAL, 21001)})
    assert [(p.slot, p.port) for p in state.placements.values()] == [("web.0", 21000)]
    settle(state, fleet_of(state))
    settle(state, fleet_of(state), {(LOCAL, 21000), (LOCAL, 21001)})
    assert sorted(p.port for p in state.placements.values()) == [21000, 21001]


def test_a_worker_that_comes_back_empty_gets_slots_one_at_a_time() -> None:
    state = state_of(service("web", 6))
    settle(state, fleet_of(state, {"worker-3": 60}))
    operations = Placer(state, fleet_of(state), set(), NOW).operations()
    assert len(operations) == 1
    settle(state, fleet_of(state))
    assert {len(slots) for slots in by_worker(state).values()} == {2}


def test_nothing_is_evened_out_while_something_is_being_replaced() -> None:
    state = state_of(service("web", 6))
    settle(state, fleet_of(state, {"worker-3": 60}))
    slot = SlotName("web.0")
    state.placements[slot] = msgspec.structs.replace(state.placements[slot], target=2)
    assert Placer(state, fleet_of(state), set(), NOW).operations() == []


def test_a_leaving_worker_gets_nothing_new() -> None:
    state = state_of(service("web", 3))
    fleet = fleet_of(state)
    report = Report(LOCAL, 1, 1, (), (), True)
    leaver = WorkerName("worker-2")
    fleet.workers[leaver] = msgspec.structs.replace(fleet.workers[leaver], report=report)
    settle(state, fleet)
    assert by_worker(state)["worker-2"] == []


def test_many_services_are_placed_at_once_in_reasonable_steps() -> None:
    state = state_of(*(service(f"s{number}", 1) for number in range(200)))
    assert settle(state, fleet_of(state)) == 1
    assert {len(slots) for slots in by_worker(state).values()} <= {66, 67}


def test_placements_stay_as_they_are_when_all_is_well() -> None:
    state = state_of(service("web", 3, port=8080), service("api", 2))
    settle(state, fleet_of(state))
    before = dict(state.placements)
    assert settle(state, fleet_of(state)) == 0
    assert state.placements == before
