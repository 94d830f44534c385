"""No process twice, none that dies with a worker, none that is touched by who does not hold it."""

import pytest

from interrex.core.ids import HostName, SlotName
from interrex.simulator.checkers.holding import Holding
from interrex.simulator.checkers.processes import Processes
from interrex.simulator.observation import Cause, RecordLost
from interrex.supervision.interface import (
    Claimed,
    ClaimOutcome,
    Forget,
    Release,
    Signal,
    Spawn,
    Sweep,
    Swept,
)

from .histories import (
    HOST,
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
)

SPAWN = Spawn(WEB_0, 1, 1, 1, 21, service())
SIGNAL = Signal(WEB_0, 1, "SIGTERM")
SWEEP = Sweep(WEB_0, 1)
WORKERS: list[Told] = [began("worker-1"), began("worker-2")]


def claimed(
    worker: str, outcome: ClaimOutcome = ClaimOutcome.ABSENT, slot: SlotName = WEB_0, life: int = 0
) -> Told:
    return step(worker, event=Claimed(slot, outcome), life=life)


def swept(incarnation: int) -> Told:
    return step("worker-1", event=Swept(WEB_0, incarnation, 0))


ONCE: dict[str, list[Told]] = {
    "it begins, dies and begins again": [
        *WORKERS,
        process(pid=1),
        process_ended(Cause.FAULT, pid=1),
        swept(1),
        process(pid=2, incarnation=2),
    ],
    "its record was forgotten, and it is numbered anew": [
        *WORKERS,
        process(pid=1, incarnation=7),
        process_ended(Cause.FAULT, pid=1, incarnation=7),
        swept(7),
        step("worker-1", Forget(WEB_0)),
        process(pid=2, incarnation=1),
    ],
    "its record was lost with the machine's disk": [
        *WORKERS,
        process(pid=1, incarnation=7),
        process_ended(Cause.MACHINE, pid=1, incarnation=7),
        claimed("worker-1"),
        process(pid=2, incarnation=1),
    ],
    "its record was damaged, and whatever was left was swept": [
        *WORKERS,
        process(pid=1, incarnation=7),
        process_ended(Cause.FAULT, pid=1, incarnation=7),
        RecordLost(HOST, WEB_0),
        swept(0),
        process(pid=2, incarnation=1),
    ],
    "two slots": [process(WEB_0), process(WEB_1, pid=101, port=22)],
    "a port is used again": [
        process(WEB_0),
        process_ended(Cause.OWN),
        process(WEB_1, pid=101),
    ],
    "one port on two hosts": [process(WEB_0), process(WEB_1, pid=101, host="other")],
    "balancers need none": [process(WEB_0, port=0), process(WEB_1, pid=101, port=0)],
    "one slot on two hosts, as after a move": [process(), process(host="other", pid=101)],
    "stopped by who supervises it": [process(), process_ended(Cause.SIGNAL, by="worker-1")],
    "with its machine": [process(), process_ended(Cause.MACHINE)],
    "by itself": [process(), process_ended(Cause.OWN)],
    "it lives on when its worker dies": [*WORKERS, process(), ended("worker-1")],
    "swept when it is dead": [
        *WORKERS,
        process(),
        process_ended(Cause.OWN),
        step("worker-1", SWEEP),
    ],
    "swept what an older one left": [*WORKERS, process(incarnation=2), step("worker-1", SWEEP)],
}

NOT_ONCE: dict[str, tuple[list[Told], str]] = {
    "started while it runs": ([process(pid=1), process(pid=2, incarnation=2)], "already runs"),
    "started while it runs, the end of an older pid between": (
        [process(pid=2), process_ended(Cause.OWN, pid=1), process(pid=3, incarnation=2)],
        "already runs",
    ),
    "started before the last one was swept": (
        [process(pid=1), process_ended(Cause.OWN, pid=1), process(pid=2, incarnation=2)],
        "before incarnation 1 was swept",
    ),
    "started before the last one was swept, another was": (
        [
            *WORKERS,
            process(pid=1, incarnation=3),
            process_ended(Cause.OWN, pid=1, incarnation=3),
            swept(2),
            process(pid=2, incarnation=4),
        ],
        "before incarnation 3 was swept",
    ),
    "its record was damaged, and nothing was swept": (
        [
            process(pid=1, incarnation=7),
            process_ended(Cause.FAULT, pid=1, incarnation=7),
            RecordLost(HOST, WEB_0),
            process(pid=2, incarnation=1),
        ],
        "before incarnation 0 was swept",
    ),
    "numbered as one before": (
        [
            *WORKERS,
            process(pid=1, incarnation=3),
            process_ended(Cause.OWN, pid=1, incarnation=3),
            swept(3),
            process(pid=2, incarnation=1),
        ],
        "as incarnation 1, there was 3",
    ),
    "two on one port": ([process(WEB_0), process(WEB_1, pid=101)], "with the port 21"),
    "it dies with a worker": ([process(), process_ended(Cause.PEER)], "because a worker did"),
    "it is signalled by nobody": ([process(), process_ended(Cause.SIGNAL)], "because a worker did"),
    "swept alive": ([*WORKERS, process(), step("worker-1", SWEEP)], "while its main process"),
}

HELD: dict[str, list[Told]] = {
    "claimed, then used": [*WORKERS, claimed("worker-1"), step("worker-1", SPAWN, SIGNAL, SWEEP)],
    "adopted, then signalled": [
        *WORKERS,
        claimed("worker-1", ClaimOutcome.ADOPTED),
        step("worker-1", SIGNAL),
    ],
    "handed over": [
        *WORKERS,
        claimed("worker-1"),
        step("worker-1", Release(WEB_0)),
        claimed("worker-2", ClaimOutcome.ADOPTED),
        step("worker-2", SIGNAL),
    ],
    "the holder dies, and the lock falls": [
        *WORKERS,
        claimed("worker-1"),
        ended("worker-1"),
        claimed("worker-2", ClaimOutcome.GONE),
        step("worker-2", SWEEP),
    ],
    "another finds it locked": [
        *WORKERS,
        claimed("worker-1"),
        claimed("worker-2", ClaimOutcome.LOCKED),
        step("worker-1", SIGNAL),
    ],
    "the same slot on another host": [
        began("worker-1"),
        began("worker-2", host=HostName("other")),
        claimed("worker-1"),
        claimed("worker-2"),
        step("worker-2", SIGNAL),
    ],
}

NOT_HELD: dict[str, list[Told]] = {
    "never claimed": [*WORKERS, step("worker-1", SIGNAL)],
    "found locked": [
        *WORKERS,
        claimed("worker-2"),
        claimed("worker-1", ClaimOutcome.LOCKED),
        step("worker-1", SPAWN),
    ],
    "released": [*WORKERS, claimed("worker-1"), step("worker-1", Release(WEB_0), SIGNAL)],
    "forgotten": [*WORKERS, claimed("worker-1"), step("worker-1", Forget(WEB_0), SWEEP)],
    "another slot's": [*WORKERS, claimed("worker-1", slot=WEB_1), step("worker-1", SIGNAL)],
    "claimed in an earlier life": [
        *WORKERS,
        claimed("worker-1"),
        ended("worker-1"),
        began("worker-1", life=9),
        step("worker-1", SIGNAL, life=9),
    ],
    "released twice": [*WORKERS, claimed("worker-1"), step("worker-1", *[Release(WEB_0)] * 2)],
}


@pytest.mark.parametrize("history", ONCE.values(), ids=ONCE)
def test_processes_that_live_once_are_fine(history: list[Told]) -> None:
    show(Processes(), history)


@pytest.mark.parametrize(("history", "words"), NOT_ONCE.values(), ids=NOT_ONCE)
def test_a_process_too_many_or_too_few_is_seen(history: list[Told], words: str) -> None:
    refuses(Processes(), history, words)


@pytest.mark.parametrize("history", HELD.values(), ids=HELD)
def test_holders_may_act(history: list[Told]) -> None:
    show(Holding(), history)


@pytest.mark.parametrize("history", NOT_HELD.values(), ids=NOT_HELD)
def test_who_acts_without_the_record_is_seen(history: list[Told]) -> None:
    refuses(Holding(), history, "without its record")


def test_two_holders_of_one_record_are_seen() -> None:
    refuses(Holding(), [*WORKERS, claimed("worker-1"), claimed("worker-2")], "which life 1 holds")
