"""No message of a fleet is ever too long to be sent: what would need one is refused beforehand."""

import msgspec
import pytest

from interrex.core.ids import BALANCER, ChangeId, HostName, ServiceName, SlotName, WorkerName
from interrex.core.messages import (
    MAX_MESSAGE_BYTES,
    Alive,
    Assignment,
    ElectionMail,
    Report,
    Routes,
    decode,
    encode,
)
from interrex.core.replicas import MAX_REASON_BYTES, ReplicaReport, ReplicaState, SlotAssignment
from interrex.core.routes import RouteTable
from interrex.core.sizes import (
    MAX_CHANGE_BYTES,
    longest,
    refusal_of,
    refusal_of_change,
    too_long,
)
from interrex.core.spec import ClusterSpec, Expose, ServiceSpec
from interrex.core.state import (
    ApplySpec,
    Change,
    Place,
    Placement,
    Scale,
    apply,
    encode_change,
    genesis,
)
from interrex.core.storage import Entry
from interrex.elections.raft import RaftSettings
from interrex.elections.raft import messages as m

WEB = ServiceName("web")


def spec(replicas: int, env_bytes: int = 0) -> ClusterSpec:
    web = ServiceSpec(
        name=WEB,
        command=("serve", "{port}"),
        replicas=replicas,
        expose=Expose(port=8080),
        env={"BLOB": "x" * env_bytes},
    )
    return ClusterSpec(name="shop", workers=7, services={WEB: web})


def slots(count: int, service: ServiceSpec) -> tuple[SlotAssignment, ...]:
    return tuple(SlotAssignment(SlotName(f"web.{n}"), service, 21000 + n, 1) for n in range(count))


# Assignments


def test_the_slots_of_a_service_share_its_spec_on_the_way() -> None:
    service = spec(1, env_bytes=2000).services[WEB]
    message = Assignment(3, 4, slots(2000, service))
    data = encode(message)
    assert len(data) < 100_000
    assert decode(data) == message


def test_slots_of_several_specs_each_keep_their_own() -> None:
    one, other = spec(1).services[WEB], spec(1, env_bytes=9).services[WEB]
    message = Assignment(
        1,
        2,
        (
            SlotAssignment(SlotName("web.0"), one, 1, 1),
            SlotAssignment(SlotName("web.1"), other, 2, 1, wanted=False),
            SlotAssignment(SlotName("web.2"), one, 3, 7),
        ),
    )
    assert decode(encode(message)) == message


@pytest.mark.parametrize("place", [-1, 1, 2**40])
def test_a_slot_without_a_spec_is_no_message(place: int) -> None:
    fields = msgspec.msgpack.decode(encode(Assignment(1, 2, slots(1, spec(1).services[WEB]))))
    fields[4][0][1] = place
    with pytest.raises(msgspec.MsgspecError):
        decode(msgspec.msgpack.encode(fields))


# What is refused


@pytest.mark.parametrize(
    ("replicas", "fits"), [(0, True), (2000, True), (4000, True), (9000, False)]
)
def test_a_fleet_may_be_as_large_as_its_longest_message_allows(replicas: int, fits: bool) -> None:
    problem = refusal_of(spec(replicas))
    assert (problem == "") == fits
    if not fits:
        size, _, _ = longest(genesis(spec(replicas)))
        assert problem == (
            f"a worker's report for 9,002 slots would take {size:,} bytes, and 1,048,576 are the "
            "most that one worker sends another"
        )


def test_services_with_large_environments_make_the_list_of_replicas_too_long() -> None:
    assert "the list of a worker's replicas" in refusal_of(spec(1, env_bytes=1_100_000))


def test_a_change_that_is_too_long_itself_is_refused_with_both_numbers() -> None:
    change = Change(ChangeId("c"), 0, (ApplySpec(spec(1, env_bytes=800_000)),))
    size = len(encode_change(change))
    assert refusal_of_change(change) == f"it is {size:,} bytes long, and 786,432 are the most"
    assert refusal_of_change(Change(ChangeId("c"), 0, (Scale(WEB, 2),))) == ""


def test_slots_that_are_still_there_count_beside_those_that_are_asked_for() -> None:
    state = genesis(spec(2))
    before = longest(state)
    gone = Placement(SlotName("web.9"), WorkerName("worker-1"), HostName("local"), 21009, 1, 1)
    apply(state, Change(ChangeId("p"), 1, (Place(gone),)), 1)
    assert longest(state)[2] == before[2] + 1
    assert longest(state)[0] > before[0]


# The bounds hold


def test_a_real_message_is_never_longer_than_its_bound() -> None:
    state = genesis(spec(1000, env_bytes=100))
    bound, _, _ = longest(state)
    replicas = tuple(
        ReplicaReport(
            SlotName(f"web.{n}"), ReplicaState.SWEEPING, 99, 30000, 2**31, 10**6, 10**6, True,
            "x" * MAX_REASON_BYTES, 10**18, True, True, True, True, 99,
        )
        for n in range(1000)
    )  # fmt: skip
    report = Report(HostName("local"), 2**31, 10**9, replicas, (), True, True)
    assert len(encode(report)) <= bound
    assert len(encode(Assignment(9, 9, slots(1000, state.services[WEB].spec)))) <= bound
    assert len(encode(Routes(RouteTable(1, 1, ())))) <= bound
    assert len(encode(Alive(1))) <= bound
    assert BALANCER in state.services


def test_the_longest_change_fits_into_a_message_of_the_election() -> None:
    settings = RaftSettings()
    assert settings.max_change_bytes == MAX_CHANGE_BYTES
    entry = Entry(2**40, 2**40, bytes(MAX_CHANGE_BYTES + 70_000))  # its id, too, has its most
    append = m.AppendEntries(7, 7, 2**40, 2**40, 2**40, 2**40, (1, 2, 3, 4, 5, 6), (entry,))
    assert len(encode(ElectionMail(m.encode(append)))) <= MAX_MESSAGE_BYTES


def test_what_is_too_long_says_so_of_any_state() -> None:
    state = genesis(spec(2))
    assert too_long(state) == ""
    apply(state, Change(ChangeId("s"), 0, (Scale(WEB, 9000),)), 1)
    assert too_long(state)
