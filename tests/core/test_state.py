"""The replicated state: changes are applied once, in order, and to the same result everywhere."""

import msgspec
import pytest

from interrex.core.ids import BALANCER, ChangeId, HostName, ServiceName, SlotName, WorkerName
from interrex.core.spec import ClusterSpec, Expose, HostSpec, ServiceSpec
from interrex.core.state import (
    REMEMBERED_CHANGES,
    Advance,
    ApplySpec,
    BarPort,
    Change,
    ClusterState,
    Evict,
    ForgetEvicted,
    ForgetWorker,
    FreePort,
    Operation,
    Outdate,
    Place,
    Placement,
    Remove,
    Restart,
    Retire,
    Scale,
    apply,
    decode_change,
    decode_state,
    encode_change,
    encode_state,
    genesis,
    port_of,
    ports_in_use,
    slots_of,
    workers_of,
)

WEB = ServiceName("web")
LOCAL = HostName("local")


def web(**changes: object) -> ServiceSpec:
    spec = ServiceSpec(name=WEB, command=("serve",), replicas=2)
    return msgspec.structs.replace(spec, **changes)


def cluster(*services: ServiceSpec) -> ClusterSpec:
    return ClusterSpec(name="shop", services={service.name: service for service in services})


def do(state: ClusterState, *operations: Operation, change: str = "") -> bool:
    name = ChangeId(change or f"change-{state.index + 1}")
    return apply(state, Change(name, 0, operations), state.index + 1)


def placed() -> ClusterState:
    state = genesis(cluster(web()))
    for number in (0, 1):
        slot = SlotName(f"web.{number}")
        place = Placement(slot, WorkerName("worker-1"), LOCAL, 21000 + number, 1, 1)
        do(state, Place(place))
    return state


def test_a_change_is_applied_once_however_often_it_comes() -> None:
    state = placed()
    assert do(state, Restart(WEB), change="again")
    generation, index = state.services[WEB].generation, state.applied[ChangeId("again")]
    assert not do(state, Restart(WEB), change="again")
    assert state.services[WEB].generation == generation
    assert state.applied[ChangeId("again")] == index


def test_only_so_many_changes_are_remembered() -> None:
    state = genesis(cluster(web()))
    for number in range(REMEMBERED_CHANGES + 10):
        do(state, change=f"c{number}")
    assert len(state.applied) == REMEMBERED_CHANGES
    assert ChangeId("c9") not in state.applied
    assert ChangeId("c10") in state.applied


def test_state_and_changes_survive_their_encoding() -> None:
    state = placed()
    do(state, ApplySpec(cluster(web(expose=Expose(port=8080)))), Scale(WEB, 4))
    assert decode_state(encode_state(state)) == state
    change = Change(ChangeId("x"), 7, (Restart(WEB, SlotName("web.1")), Retire(SlotName("web.0"))))
    assert decode_change(encode_change(change)) == change


@pytest.mark.parametrize(
    ("changed", "new_processes"),
    [
        (web(command=("other",)), True),
        (web(env={"MODE": "prod"}), True),
        (web(directory="/srv"), True),
        (web(replicas=5), False),
        (web(stop_timeout=3.0), False),
        (web(expose=Expose(port=8080)), False),
    ],
)
def test_only_what_a_process_is_made_from_needs_new_processes(
    changed: ServiceSpec, new_processes: bool
) -> None:
    state = placed()
    do(state, ApplySpec(cluster(changed)))
    targets = {placement.target for placement in slots_of(state, WEB)}
    assert targets == ({2} if new_processes else {1})
    assert {placement.generation for placement in slots_of(state, WEB)} == {1}


def test_advancing_a_slot_brings_it_to_its_target_and_no_other() -> None:
    state = placed()
    do(state, Restart(WEB))
    do(state, Advance(SlotName("web.1")))
    assert [placement.generation for placement in slots_of(state, WEB)] == [1, 2]


def test_restarting_one_slot_leaves_the_others_targets_alone() -> None:
    state = placed()
    do(state, Restart(WEB, SlotName("web.1")))
    assert [placement.target for placement in slots_of(state, WEB)] == [1, 2]


def test_a_generation_that_a_merge_has_lost_is_outdated_by_one_above_it() -> None:
    state = placed()
    do(state, Outdate(WEB, 4), change="first")
    assert state.services[WEB].generation == 5
    assert [placement.target for placement in slots_of(state, WEB)] == [5, 5]
    assert {placement.generation for placement in slots_of(state, WEB)} == {1}
    do(state, Outdate(WEB, 4), change="late")
    do(state, Outdate(ServiceName("gone"), 4), change="gone")
    assert state.services[WEB].generation == 5


def test_a_service_taken_from_the_file_is_kept_until_its_last_slot_is_removed() -> None:
    state = placed()
    do(state, ApplySpec(cluster()))
    assert state.services[WEB].spec.replicas == 0
    do(state, Retire(SlotName("web.0")), Retire(SlotName("web.1")))
    do(state, Remove(SlotName("web.0")))
    assert WEB in state.services
    do(state, Remove(SlotName("web.1")))
    assert WEB not in state.services


def test_a_slot_is_not_placed_any_more_once_its_service_is_gone() -> None:
    """Found by the simulator: the file lost a service just before its leader had heard of it, and
    every leader from then on died of slots that belonged to nothing."""
    state = genesis(cluster(web()))
    do(state, ApplySpec(cluster()))
    do(state, Place(Placement(SlotName("web.0"), WorkerName("worker-1"), LOCAL, 21000, 1, 1)))
    assert state.placements == {}


def test_scaling_a_service_that_was_taken_from_the_file_does_not_bring_it_back() -> None:
    state = placed()
    do(state, ApplySpec(cluster()))
    do(state, Scale(WEB, 4))
    assert state.services[WEB].spec.replicas == 0
    assert WEB not in state.spec.services


def test_the_balancer_is_not_scaled_by_a_change() -> None:
    state = genesis(cluster(web(expose=Expose(port=8080))))
    do(state, Scale(BALANCER, 7))
    assert state.services[BALANCER].spec.replicas == 2
    assert BALANCER not in state.spec.services


def test_an_evicted_slot_keeps_its_port_until_it_is_stopped_on_its_host() -> None:
    state = placed()
    do(state, Evict(SlotName("web.1")))
    assert ports_in_use(state, LOCAL) == {21000, 21001}
    do(state, ForgetEvicted(SlotName("web.1"), LOCAL))
    assert ports_in_use(state, LOCAL) == {21000}


def test_a_port_is_barred_once_however_often_it_is_and_until_it_is_free() -> None:
    state = placed()
    port = port_of(state.placements[SlotName("web.1")])
    do(state, BarPort(port), Remove(SlotName("web.1")), BarPort(port))
    assert decode_state(encode_state(state)).barred == (port,)
    do(state, FreePort(port))
    assert state.barred == ()


def test_changes_of_what_is_not_there_change_nothing() -> None:
    state = placed()
    before = encode_state(state)
    gone = SlotName("api.7")
    do(state, Scale(ServiceName("api"), 3), Restart(ServiceName("api")), Retire(gone))
    do(state, Advance(gone), Remove(gone), Evict(gone), ForgetEvicted(gone, LOCAL))
    after = decode_state(encode_state(state))
    after.applied, after.index = decode_state(before).applied, decode_state(before).index
    assert encode_state(after) == before


def test_balancers_are_a_service_as_long_as_something_is_exposed() -> None:
    state = genesis(cluster(web(expose=Expose(port=8080))))
    assert state.services[BALANCER].spec.replicas == 2
    do(state, ApplySpec(cluster(web())))
    assert BALANCER not in state.services


def test_workers_are_named_after_their_hosts() -> None:
    assert list(workers_of(cluster())) == ["worker-1", "worker-2", "worker-3"]
    hosts = (HostSpec(name=HostName("a"), workers=2), HostSpec(name=HostName("b")))
    spec = msgspec.structs.replace(cluster(), hosts=hosts)
    assert workers_of(spec) == {"a-1": "a", "a-2": "a", "b-1": "b"}


def test_applying_an_unchanged_file_restarts_nothing_after_one_slot_was_restarted() -> None:
    state = placed()
    do(state, Restart(WEB, SlotName("web.0")))
    do(state, Advance(SlotName("web.0")))
    do(state, ApplySpec(cluster(web(replicas=2))))
    assert [(p.generation, p.target) for p in slots_of(state, WEB)] == [(2, 2), (1, 1)]


def test_a_host_that_the_file_names_no_more_is_departing_until_its_workers_are_forgotten() -> None:
    a, b = HostSpec(HostName("a"), "10.0.0.1:7000", 1), HostSpec(HostName("b"), "10.0.0.2:7000", 2)
    made = genesis(ClusterSpec(name="shop", hosts=(a, b)))
    seen = [made.departing]
    operations: tuple[Operation, ...] = (
        ApplySpec(ClusterSpec(name="shop", hosts=(a,))),
        ForgetWorker(WorkerName("b-1")),
        ForgetWorker(WorkerName("b-2")),
    )
    for operation in operations:
        do(made, operation)
        seen.append(decode_state(encode_state(made)).departing)
    assert seen == [(), (b,), (b,), ()]


def test_a_departing_host_that_the_file_names_again_is_where_the_file_says() -> None:
    a, b = HostSpec(HostName("a"), "10.0.0.1:7000", 1), HostSpec(HostName("b"), "10.0.0.2:7000", 1)
    made = genesis(ClusterSpec(name="shop", hosts=(a, b)))
    do(made, ApplySpec(ClusterSpec(name="shop", hosts=(a,))))
    moved = msgspec.structs.replace(b, address="10.0.0.9:7000")
    do(made, ApplySpec(ClusterSpec(name="shop", hosts=(a, moved))))
    assert made.departing == ()
