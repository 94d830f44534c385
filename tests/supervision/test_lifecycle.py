"""Every event in every state: facts are heeded, stale news is not, changes are carried out."""

from collections.abc import Callable

import msgspec
import pytest

from interrex.core.errors import InvariantViolation
from interrex.core.ids import SlotName
from interrex.core.replicas import ReplicaState as State
from interrex.core.replicas import SlotAssignment
from interrex.core.spec import Restart
from interrex.core.time import MS, S
from interrex.supervision.interface import (
    Assigned,
    Claimed,
    ClaimOutcome,
    Exited,
    Probed,
    Spawned,
    SpawnFailed,
    SupervisionEvent,
    Swept,
    WakeUp,
)
from interrex.supervision.lifecycle import TRANSITIONS, Cause, next_state
from tests.supervision.fake_host import FakeHost, Program, service, slots

SLOT = SlotName("web.0")
HOUR = 3600 * S
SPEC = service(restart=Restart(first_delay=30.0, max_delay=30.0))
ASSIGNMENT = slots(SPEC, 1)[0]

# Each brings web.0 into one state.


def claiming() -> FakeHost:
    host = FakeHost(latency=0)
    host.assign(ASSIGNMENT)
    return host


def locked_out() -> FakeHost:
    host = FakeHost(locked_elsewhere={SLOT})
    host.assign(ASSIGNMENT)
    host.run(300 * MS)
    return host


def being_spawned() -> FakeHost:
    host = claiming()
    assert host.run_until(lambda: host.state(SLOT) is State.STARTING)
    return host


def starting() -> FakeHost:
    host = FakeHost(program=lambda _: Program(boots_in=HOUR))
    host.assign(ASSIGNMENT)
    host.run(1 * S)
    return host


def ready() -> FakeHost:
    host = claiming()
    host.run(5 * S)
    return host


def running() -> FakeHost:
    host = ready()
    host.processes[SLOT].ready_fails = True
    host.run(10 * S)
    return host


def adopted() -> FakeHost:
    host = FakeHost()
    host.found_running(ASSIGNMENT)
    host.assign(ASSIGNMENT)
    assert host.run_until(lambda: host.state(SLOT) is State.RUNNING)
    return host


def stopping() -> FakeHost:
    host = FakeHost(program=lambda _: Program(ignores_sigterm=True))
    host.assign(ASSIGNMENT)
    host.run(5 * S)
    host.assign(msgspec.structs.replace(ASSIGNMENT, wanted=False))
    return host


def sweeping() -> FakeHost:
    host = ready()
    host.sweep_takes = 1 * S
    host.kill(SLOT)
    host.run(1 * MS)
    return host


def waiting() -> FakeHost:
    host = ready()
    host.kill(SLOT)
    host.run(1 * S)
    return host


def held() -> FakeHost:
    host = FakeHost(fatal_dependency=True, dependency_up=False)
    host.assign(*slots(service(), 2))
    assert host.run_until(lambda: host.states() == [State.HELD, State.HELD])
    host.assign(slots(service(), 2)[0])
    return host


def blocked() -> FakeHost:
    host = FakeHost(program=lambda _: Program(cannot_start="no such program"))
    host.assign(ASSIGNMENT)
    host.run(1 * S)
    return host


def stopped() -> FakeHost:
    host = FakeHost()
    host.assign(msgspec.structs.replace(ASSIGNMENT, wanted=False))
    host.run(1 * S)
    return host


PLACES: dict[str, tuple[Callable[[], FakeHost], State]] = {
    "claiming": (claiming, State.CLAIMING),
    "locked out": (locked_out, State.CLAIMING),
    "being spawned": (being_spawned, State.STARTING),
    "starting": (starting, State.STARTING),
    "running": (running, State.RUNNING),
    "adopted": (adopted, State.RUNNING),
    "ready": (ready, State.READY),
    "stopping": (stopping, State.STOPPING),
    "sweeping": (sweeping, State.SWEEPING),
    "waiting": (waiting, State.WAITING),
    "held": (held, State.HELD),
    "blocked": (blocked, State.BLOCKED),
    "stopped": (stopped, State.STOPPED),
}
EXPECTED_ANSWER: dict[str, tuple[type, ...]] = {
    "claiming": (Claimed,),
    "being spawned": (Spawned, SpawnFailed, Exited),
    "starting": (Exited,),
    "running": (Exited,),
    "adopted": (Exited,),
    "ready": (Exited,),
    "stopping": (Exited,),
    "sweeping": (Swept,),
}


def test_the_states_of_this_test_are_all_the_states() -> None:
    assert {state for _, state in PLACES.values()} == set(State) == set(TRANSITIONS)


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_reached(place: str) -> None:
    build, state = PLACES[place]
    assert build().state(SLOT) is state


def news(incarnation: int) -> list[SupervisionEvent]:
    return [
        *(Claimed(SLOT, outcome, incarnation, 1, 77, 8000) for outcome in ClaimOutcome),
        Spawned(SLOT, incarnation, 77),
        SpawnFailed(SLOT, incarnation, "no such program"),
        Exited(SLOT, incarnation, 1),
        Swept(SLOT, incarnation, 0),
        Probed(SLOT, incarnation, 999_999, True),
        Probed(SLOT, incarnation, 999_999, False, "answered 500"),
    ]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("age", [0, 1])
def test_news_that_was_not_waited_for_changes_nothing(place: str, age: int) -> None:
    host = PLACES[place][0]()
    before = host.core.reports()
    for event in news(before[0].incarnation - age):
        if age == 0 and isinstance(event, EXPECTED_ANSWER.get(place, ())):
            continue
        if isinstance(event, Claimed) and place == "claiming":
            continue
        assert host.core.step(event, host.now) == []
        assert host.core.reports() == before


@pytest.mark.parametrize("place", PLACES)
def test_news_of_an_unknown_slot_changes_nothing(place: str) -> None:
    host = PLACES[place][0]()
    before = host.core.reports()
    for event in news(1):
        assert host.core.step(msgspec.structs.replace(event, slot="other.0"), host.now) == []
    assert host.core.reports() == before


@pytest.mark.parametrize("place", PLACES)
def test_an_assignment_of_an_older_epoch_is_not_acted_upon(place: str) -> None:
    host = PLACES[place][0]()
    before, held_before = host.core.reports(), set(host.held)
    assert host.core.step(Assigned(host.epoch - 1, ()), host.now) == []
    assert host.core.reports() == before
    assert host.held == held_before


@pytest.mark.parametrize("place", PLACES)
def test_an_early_wake_up_and_the_same_assignment_again_change_nothing(place: str) -> None:
    host = PLACES[place][0]()
    if host.core.wake_at is None or host.core.wake_at > host.now:
        assert host.core.step(WakeUp(), host.now) == []
    current = host.core._slots[SLOT].assignment
    assert host.core.step(Assigned(host.epoch, (current,)), host.now) == []
    assert host.core.step(Assigned(host.epoch + 1, (current,)), host.now) == []


def becomes(host: FakeHost, assignment: SlotAssignment, state: State) -> bool:
    host.mend()
    host.assign(assignment)
    return host.run_until(lambda: host.state(SLOT) is state, 120 * S)


@pytest.mark.parametrize("place", PLACES)
def test_from_every_state_it_becomes_ready_once_nothing_is_in_the_way(place: str) -> None:
    host = PLACES[place][0]()
    assert becomes(host, ASSIGNMENT, State.READY)
    assert len(host.living()) == 1


@pytest.mark.parametrize("place", PLACES)
def test_from_every_state_it_is_stopped_when_not_wanted(place: str) -> None:
    host = PLACES[place][0]()
    assert becomes(host, msgspec.structs.replace(ASSIGNMENT, wanted=False), State.STOPPED)
    assert host.living() == []
    assert SLOT not in host.held
    host.run(100 * S)
    assert host.state(SLOT) is State.STOPPED


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("change", [{"generation": 2}, {"port": 9000}])
def test_from_every_state_it_is_replaced_when_its_generation_or_port_changes(
    place: str, change: dict[str, int]
) -> None:
    host = PLACES[place][0]()
    assignment = msgspec.structs.replace(ASSIGNMENT, **change)
    host.mend()
    host.assign(assignment)
    assert host.run_until(
        lambda: (
            host.state(SLOT) is State.READY
            and (host.report(SLOT).generation, host.report(SLOT).port)
            == (assignment.generation, assignment.port)
        ),
        120 * S,
    )
    assert len(host.living()) == 1


@pytest.mark.parametrize("place", PLACES)
def test_from_every_state_it_is_released_without_being_killed(place: str) -> None:
    host = PLACES[place][0]()
    alive = {process.pid for process in host.living()}
    signals = [effect for _, effect in host.effects]
    host.assign()
    host.mend()
    host.run(100 * S)
    assert host.core.reports() == ()
    assert host.held == set()
    assert alive <= {process.pid for process in host.living()} or place == "stopping"
    assert "Signal" not in [type(e).__name__ for _, e in host.effects[len(signals) :]]


@pytest.mark.parametrize("place", PLACES)
def test_from_every_state_it_can_be_given_up_and_taken_back(place: str) -> None:
    host = PLACES[place][0]()
    host.assign()
    assert becomes(host, ASSIGNMENT, State.READY)
    assert len(host.living()) == 1


@pytest.mark.parametrize(
    "place", ["being spawned", "starting", "running", "adopted", "ready", "stopping"]
)
def test_a_death_in_every_living_state_is_swept_before_the_next_start(place: str) -> None:
    host = PLACES[place][0]()
    host.kill(SLOT)
    host.run(2 * MS)
    assert host.state(SLOT) in (State.WAITING, State.STOPPED, State.STARTING, State.SWEEPING)
    if place != "stopping":
        assert becomes(host, ASSIGNMENT, State.READY)


def test_an_impossible_transition_stops_the_node() -> None:
    with pytest.raises(InvariantViolation, match="stopped slot"):
        next_state(State.STOPPED, Cause.EXITED)


def test_every_state_is_reached_and_left() -> None:
    reached = {State.CLAIMING} | {after for row in TRANSITIONS.values() for after in row.values()}
    assert reached == set(State)
    assert all(TRANSITIONS.values())
    assert {cause for row in TRANSITIONS.values() for cause in row} == set(Cause)
