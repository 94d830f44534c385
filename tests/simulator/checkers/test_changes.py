"""Applied everywhere alike, never lost once acknowledged, and linearizable as clients see it."""

import pytest

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.state import Change as StateChange
from interrex.core.state import ClusterState, Operation, Restart, Scale, genesis
from interrex.core.state import apply as apply_change
from interrex.simulator.checkers.acknowledged import Acknowledged
from interrex.simulator.checkers.applied import Applied
from interrex.simulator.checkers.linearizable import Linearizable
from interrex.simulator.observation import Answered, Asked
from interrex.worker.interface import Answer, ChangeAsked, Started

from .histories import WEB, Core, Told, cluster, ended, refuses, show, state, step


def at(worker: str, index: int, life: int = 0, **applied: int) -> Told:
    """A worker whose state has come to an index, with these changes applied."""
    return step(worker, core=Core(state=state(index, applied)), life=life)


ALIKE: dict[str, list[Told]] = {
    "one after the other": [
        at("worker-1", 1, a=1),
        at("worker-1", 3, a=1, b=3),
        at("worker-2", 1, a=1),
        at("worker-2", 3, a=1, b=3),
    ],
    "by a snapshot at once": [at("worker-1", 3, a=1, b=3), at("worker-2", 3, a=1, b=3)],
    "a retried change does nothing": [at("worker-1", 1, a=1), at("worker-1", 5, a=1)],
    "behind, then from the beginning after a restart": [
        at("worker-1", 3, a=1, b=3),
        ended("worker-1"),
        at("worker-1", 0, life=7),
        at("worker-1", 1, life=7, a=1),
        at("worker-1", 3, life=7, a=1, b=3),
    ],
}

NOT_ALIKE: dict[str, tuple[list[Told], str]] = {
    "another change at an index": (
        [at("worker-1", 1, a=1), at("worker-2", 1, b=1)],
        "applied b at 1, others a",
    ),
    "one left out": (
        [at("worker-1", 3, a=1, b=3), at("worker-2", 3, b=3)],
        "applied 1 changes from 0 to 3, there are 2",
    ),
    "the last one left out": (
        [at("worker-1", 3, a=1, b=3), at("worker-2", 4, a=1)],
        "applied 1 changes from 0 to 4, there are 2",
    ),
    "one more, between": (
        [at("worker-1", 3, a=1, b=3), at("worker-2", 3, a=1, c=2, b=3)],
        "where others applied nothing",
    ),
    "applied twice": (
        [at("worker-1", 1, a=1), at("worker-1", 4, a=4)],
        "applied a at 4, and at 1 already",
    ),
    "back in time": (
        [at("worker-1", 3, a=1, b=3), at("worker-1", 1, a=1)],
        "goes back from 3 to 1",
    ),
}


@pytest.mark.parametrize("history", ALIKE.values(), ids=ALIKE)
def test_states_that_agree_are_fine(history: list[Told]) -> None:
    show(Applied(), history)


@pytest.mark.parametrize(("history", "words"), NOT_ALIKE.values(), ids=NOT_ALIKE)
def test_states_that_differ_are_seen(history: list[Told], words: str) -> None:
    refuses(Applied(), history, words)


def asks(
    request: int, change: str | None, *operations: Operation, worker: str = "worker-1"
) -> Told:
    identity = ChangeId(change) if change is not None else None
    return Asked(1, request, WorkerName(worker), identity, operations)


def told(request: int, index: int | None, ok: bool = True, worker: str = "worker-1") -> Told:
    return Answered(1, request, WorkerName(worker), ok, "", index)


WRITE: list[Told] = [asks(1, "a"), told(1, 3)]


def refused(request: int, change: str) -> Told:
    """Asked of a worker and refused by it, in one step."""
    answer = Answer(request, False, "too large", refused=True)
    return step("worker-1", answer, event=ChangeAsked(request, ChangeId(change), ()))


KEPT: dict[str, list[Told]] = {
    "nothing was asked": [at("worker-1", 0)],
    "applied everywhere": [*WRITE, at("worker-1", 3, a=3), at("worker-2", 4, a=3, b=4)],
    "applied before a retry was": [*WRITE, at("worker-1", 3, a=2)],
    "one worker is behind": [*WRITE, at("worker-1", 3, a=3), at("worker-2", 1)],
    "refused, and applied nowhere": [asks(1, "a"), told(1, None, ok=False), at("worker-1", 9)],
    "no answer, and applied nowhere": [asks(1, "a"), at("worker-1", 9)],
    "a read": [asks(1, None), told(1, 9), at("worker-1", 9)],
    "refused, and not done": [refused(1, "a"), at("worker-1", 9, b=9)],
}

LOST: dict[str, tuple[list[Told], str]] = {
    "applied nowhere": ([*WRITE, at("worker-1", 9)], "applied it at None"),
    "not by one of them": (
        [*WRITE, at("worker-1", 3, a=3), at("worker-2", 4, b=4)],
        "worker-2, at 4, applied it at None",
    ),
    "later than it was said": ([*WRITE, at("worker-1", 5, a=5)], "applied it at 5"),
    "everybody is behind": ([*WRITE, at("worker-1", 2)], "nobody has come to 3"),
    "refused, and done": ([refused(1, "a"), at("worker-2", 9, a=9)], "refused a, and worker-2"),
    "without an index": ([asks(1, "a"), told(1, None)], "without an index"),
}


@pytest.mark.parametrize("history", KEPT.values(), ids=KEPT)
def test_changes_that_are_kept_are_fine(history: list[Told]) -> None:
    show(Acknowledged(), history)


@pytest.mark.parametrize(("history", "words"), LOST.values(), ids=LOST)
def test_an_acknowledged_change_that_is_lost_is_seen(history: list[Told], words: str) -> None:
    refuses(Acknowledged(), history, words)


SPEC: ClusterSpec = cluster(replicas=2)


def after(*changes: tuple[int, str, Operation]) -> ClusterState:
    made = genesis(SPEC)
    for index, name, operation in changes:
        apply_change(made, StateChange(ChangeId(name), 0, (operation,)), index)
    return made


def scale(replicas: int) -> Scale:
    return Scale(WEB, replicas)


def shows(request: int, made: ClusterState, worker: str = "worker-1") -> list[Told]:
    """A worker answers a read from its state."""
    answer = Answer(request, True, "", made.index)
    return [step(worker, answer, core=Core(state=made)), told(request, made.index, worker=worker)]


START: list[Told] = [step("worker-1", event=Started(), core=Core(state=genesis(SPEC)))]
A = (3, "a", scale(5))
B = (4, "b", scale(7))

IN_ORDER: dict[str, list[Told]] = {
    "a write, then a read of it": [
        *START,
        asks(1, "a", scale(5)),
        told(1, 3),
        asks(2, None),
        *shows(2, after(A)),
    ],
    "a read beside a write shows it or not": [
        *START,
        asks(1, "a", scale(5)),
        asks(2, None),
        asks(3, None),
        *shows(2, after()),
        *shows(3, after(A)),
        told(1, 3),
    ],
    "a write without an answer that happened": [
        *START,
        asks(1, "a", scale(5)),
        asks(2, None),
        *shows(2, after(A)),
    ],
    "a write without an answer that never happened": [
        *START,
        asks(1, "a", scale(5)),
        told(1, None, ok=False),
        asks(2, None),
        *shows(2, after()),
    ],
    "two writes at once": [
        *START,
        asks(1, "a", scale(5)),
        asks(2, "b", scale(7)),
        told(2, 4),
        told(1, 3),
        asks(3, None),
        *shows(3, after(A, B)),
    ],
    "a write that was asked for twice under one id": [
        *START,
        asks(1, "a", scale(5)),
        asks(2, "a", scale(5), worker="worker-2"),
        told(2, 3, worker="worker-2"),
        asks(3, "b", scale(7)),
        told(3, 4),
        asks(4, None),
        *shows(4, after(A, B)),
    ],
    "a restart raises the generation once": [
        *START,
        asks(1, "a", Restart(WEB)),
        told(1, 3),
        asks(2, None),
        *shows(2, after((3, "a", Restart(WEB)))),
    ],
}

OUT_OF_ORDER: dict[str, tuple[list[Told], str]] = {
    "a read that misses a write before it": (
        [*START, asks(1, "a", scale(5)), told(1, 3), asks(2, None), *shows(2, after())],
        "writes and reads",
    ),
    "reads that go back": (
        [
            *START,
            asks(1, "a", scale(5)),
            asks(2, None),
            *shows(2, after(A)),
            asks(3, None),
            *shows(3, after()),
        ],
        "writes and reads",
    ),
    "writes against the order in which they were answered": (
        [*START, asks(1, "a", scale(5)), told(1, 4), asks(2, "b", scale(7)), told(2, 3)],
        "writes and reads",
    ),
    "two writes at one index": (
        [*START, asks(1, "a", scale(5)), told(1, 4), asks(2, "b", scale(7)), told(2, 4)],
        "writes and reads",
    ),
    "a write whose value is lost": (
        [
            *START,
            asks(1, "a", scale(5)),
            told(1, 3),
            asks(2, None),
            *shows(2, after((3, "x", scale(2)))),
        ],
        "done to web",
    ),
    "a write applied twice": (
        [
            *START,
            asks(1, "a", Restart(WEB)),
            told(1, 3),
            asks(2, None),
            *shows(2, after((3, "a", Restart(WEB)), (4, "c", Restart(WEB)))),
        ],
        "done to web",
    ),
    "a value that nobody wrote, in the end": (
        [*START, step("worker-2", core=Core(state=after((3, "x", scale(9)))))],
        "done to web",
    ),
}


@pytest.mark.parametrize("history", IN_ORDER.values(), ids=IN_ORDER)
def test_answers_that_fit_some_order_are_fine(history: list[Told]) -> None:
    watch = Linearizable()
    show(watch, history)
    assert watch.undecided == 0


@pytest.mark.parametrize(("history", "words"), OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_answers_that_fit_no_order_are_seen(history: list[Told], words: str) -> None:
    refuses(Linearizable(), history, words)
