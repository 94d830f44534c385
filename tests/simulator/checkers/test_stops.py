"""A process is signalled only for a reason, and started again only so often."""

import pytest

from interrex.core.messages import Assignment, encode
from interrex.core.replicas import SlotAssignment
from interrex.core.spec import Check, CheckKind, Health, Restart, ServiceSpec
from interrex.core.storage import SetFact, Stored
from interrex.core.time import MS, S
from interrex.elections.interface import Persisted
from interrex.simulator.checkers.restarts import STARTS, Restarts, allowed
from interrex.simulator.checkers.stops import Stops
from interrex.simulator.observation import Cause
from interrex.supervision.interface import (
    Claimed,
    ClaimOutcome,
    Forget,
    Probe,
    Probed,
    Signal,
    Spawn,
    Spawned,
)
from interrex.worker.interface import LeaveAsked

from .histories import (
    WEB_0,
    WEB_1,
    Told,
    began,
    ended,
    process,
    process_ended,
    refuses,
    service,
    show,
    step,
    written,
)

LIVENESS = Check(kind=CheckKind.TCP, fall=3)
SPEC = service(health=Health(liveness=LIVENESS, start_timeout=5.0))
TERM = Signal(WEB_0, 1, "SIGTERM")


def assignment(*slots: SlotAssignment) -> SetFact:
    return SetFact("assignment", encode(Assignment(1, 1, slots)))


def asks_for(generation: int = 1, port: int = 21, wanted: bool = True) -> Told:
    return written("worker-1", assignment(SlotAssignment(WEB_0, SPEC, port, generation, wanted)))


def starts(now: int = 0, incarnation: int = 1, generation: int = 1, life: int = 0) -> list[Told]:
    spawn = Spawn(WEB_0, incarnation, generation, 1, 21, SPEC)
    spawned = Spawned(WEB_0, incarnation, 100)
    return [
        step("worker-1", spawn, now=now, life=life),
        step("worker-1", event=spawned, now=now, life=life),
    ]


def asked(number: int, *answers: bool) -> list[Told]:
    told: list[Told] = []
    for probe, ok in enumerate(answers, number):
        told.append(step("worker-1", Probe(WEB_0, 1, probe, 21, LIVENESS, SPEC)))
        told.append(step("worker-1", event=Probed(WEB_0, 1, probe, ok)))
    return told


def signals(now: int = 1) -> Told:
    return step("worker-1", TERM, now=now)


BEGIN: list[Told] = [began("worker-1"), asks_for(), *starts()]
ADOPT: list[Told] = [
    began("worker-1"),
    asks_for(),
    step("worker-1", event=Claimed(WEB_0, ClaimOutcome.ADOPTED, 1, 1, 100, 21)),
]

ADOPTED_WHEN_THE_NEXT_WAS_STORED: list[Told] = [
    began("worker-1"),
    asks_for(wanted=False),
    step("worker-1", event=Persisted(1)),
    written("worker-1", assignment(), token=2),
    step("worker-1", event=Claimed(WEB_0, ClaimOutcome.ADOPTED, 1, 1, 100, 21)),
]

REASONS: dict[str, list[Told]] = {
    "not wanted any more": [*BEGIN, asks_for(wanted=False), signals()],
    "replaced by a newer generation": [*BEGIN, asks_for(generation=2), signals()],
    "moved to another port": [*BEGIN, asks_for(port=22), signals()],
    "asked for, and taken back before it was obeyed": [
        *BEGIN,
        asks_for(wanted=False),
        asks_for(),
        signals(),
    ],
    "not wanted by what it obeys, and forgotten by what is stored since": [
        *ADOPTED_WHEN_THE_NEXT_WAS_STORED,
        signals(),
    ],
    "stored before this life": [
        began("worker-1", stored=Stored({"assignment": assignment().value})),
        asks_for(wanted=False),
        *starts(),
        signals(),
    ],
    "its worker leaves": [*BEGIN, step("worker-1", event=LeaveAsked(1)), signals()],
    "a check failed as often as counts": [*BEGIN, *asked(1, True, False, False, False), signals()],
    "adopted, and a check failed": [*ADOPT, *asked(1, False, False, False), signals()],
    "it never became ready": [*BEGIN, *asked(1, False), signals(now=5 * S)],
    "killed after it was asked to stop": [
        *BEGIN,
        asks_for(wanted=False),
        signals(),
        asks_for(),
        step("worker-1", Signal(WEB_0, 1, "SIGKILL")),
        process_ended(Cause.SIGNAL, by="worker-1"),
    ],
    "it ends by itself": [*BEGIN, process(), process_ended(Cause.OWN)],
}

NO_REASON: dict[str, list[Told]] = {
    "as it is wanted": [*BEGIN, signals()],
    "adopted, as it is wanted": [*ADOPT, signals(now=60 * S)],
    "no longer assigned here": [
        *BEGIN,
        written("worker-1", assignment()),
        signals(),
    ],
    "not wanted by what it obeyed before": [
        *ADOPTED_WHEN_THE_NEXT_WAS_STORED,
        step("worker-1", event=Persisted(2)),
        signals(),
    ],
    "a check failed too seldom": [*BEGIN, *asked(1, False, False), signals()],
    "a check failed, not in a row": [*BEGIN, *asked(1, False, False, True, False), signals()],
    "before its time to start is over": [*BEGIN, signals(now=5 * S - 1)],
    "another slot is not wanted": [
        *BEGIN,
        written(
            "worker-1",
            assignment(
                SlotAssignment(WEB_0, SPEC, 21, 1), SlotAssignment(WEB_1, SPEC, 22, 1, wanted=False)
            ),
        ),
        signals(),
    ],
    "an older generation is asked for": [*BEGIN, asks_for(generation=0), signals()],
}


@pytest.mark.parametrize("history", REASONS.values(), ids=REASONS)
def test_a_stop_with_a_reason_is_fine(history: list[Told]) -> None:
    show(Stops(), history)


@pytest.mark.parametrize("history", NO_REASON.values(), ids=NO_REASON)
def test_a_stop_without_a_reason_is_seen(history: list[Told]) -> None:
    refuses(Stops(), history, "for no reason")


def test_a_signal_to_an_unknown_incarnation_is_seen() -> None:
    stale = step("worker-1", Signal(WEB_0, 7, "SIGTERM"))
    refuses(Stops(), [*BEGIN, stale], "neither started nor adopted")


def test_a_kill_that_nobody_asked_for_is_seen() -> None:
    killed = process_ended(Cause.SIGNAL, by="worker-2")
    refuses(Stops(), [*BEGIN, process(), killed], "unasked")


def often(count: int, distance: int, generation: int = 1, life: int = 1) -> list[Told]:
    told: list[Told] = []
    for number in range(count):
        told += starts(number * distance, number + 1, generation, life)
    return told


MOST = allowed(Restart())


def test_the_allowance_follows_the_delays_that_are_asked_for() -> None:
    assert MOST == STARTS + 2
    assert allowed(Restart(base_delay=0.1, max_delay=5.0)) == STARTS + 16


SELDOM: dict[str, list[Told]] = {
    "as often as is allowed": often(MOST, 100 * MS),
    "often, over a long time": often(10 * MOST, S),
    "again in another life": [*often(MOST, MS), ended("worker-1"), *often(MOST, MS, life=2)],
    "again in a newer generation": [*often(MOST, MS), *often(MOST, MS, generation=2)],
}


@pytest.mark.parametrize("history", SELDOM.values(), ids=SELDOM)
def test_bounded_restarts_are_fine(history: list[Told]) -> None:
    show(Restarts(), history)


@pytest.mark.parametrize("distance", [0, MS, 10 * S // (MOST + 1)])
def test_restarts_without_end_are_seen(distance: int) -> None:
    refuses(Restarts(), often(MOST + 1, distance), f"{MOST + 1} times")


def test_a_service_with_short_delays_may_be_restarted_more_often() -> None:
    spec: ServiceSpec = service(restart=Restart(base_delay=0.01, max_delay=1.0))
    spawns: list[Told] = [
        step("worker-1", Spawn(WEB_0, n, 1, 1, 21, spec), now=n * 10 * MS) for n in range(MOST + 1)
    ]
    show(Restarts(), spawns)


def test_a_slot_that_is_asked_for_again_is_not_restarted() -> None:
    """Found by the simulator: users changed how many there were a hundred times a second."""
    forgotten = step("worker-1", Forget(WEB_0), now=MOST * MS)
    again = [
        step("worker-1", Spawn(WEB_0, MOST + n, 1, 1, 21, service()), now=(MOST + n) * MS)
        for n in range(1, MOST + 1)
    ]
    show(Restarts(), [*often(MOST, MS), forgotten, *again])
