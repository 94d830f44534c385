"""Without a quorum: one leader in each part, and what a merge takes away is told."""

import pytest

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.journal import Note
from interrex.core.messages import Alive, encode
from interrex.core.time import MS
from interrex.simulator.checkers.losses import LossesTold
from interrex.simulator.checkers.parts import OneLeaderAPart
from interrex.simulator.observation import Answered, Asked, Cause, DiskHarmed, WorkerEnded
from interrex.worker.interface import MessageReceived

from .histories import Core, Election, Told, began, ended, refuses, show, state, step

HALF_A_SECOND = 500 * MS


def hears(worker: str, other: str, leads: bool = True, life: int = 0) -> Told:
    event = MessageReceived(WorkerName(other), encode(Alive(1)))
    return step(worker, event=event, core=Core(election=Election(leading=leads)), life=life)


def alone(worker: str) -> Told:
    return step(worker, core=Core(election=Election(leading=True)))


TWO_LEAD = [hears("worker-1", "worker-2"), hears("worker-2", "worker-1")]
ONE_LEADS = [hears("worker-1", "worker-2"), hears("worker-2", "worker-1", leads=False)]

APART: dict[str, list[Told]] = {
    "one leads": ONE_LEADS * 10,
    "two that do not hear each other": [alone("worker-1"), alone("worker-2")] * 10,
    "two of which only one hears the other": [hears("worker-1", "worker-2"), alone("worker-2")]
    * 10,
    "for a while": [*TWO_LEAD * 4, *ONE_LEADS * 4],
    "for a while, and for a while again": [*TWO_LEAD * 4, *ONE_LEADS * 2, *TWO_LEAD * 4],
    "they heard each other, and do no more": [
        *TWO_LEAD * 4,
        *[alone("worker-1"), alone("worker-2")] * 10,
    ],
    "one of them dies, and its next life leads": [
        *TWO_LEAD * 4,
        ended("worker-2"),
        *[hears("worker-1", "worker-2"), hears("worker-2", "worker-1", life=7)] * 4,
    ],
    "the dead does not count": [*TWO_LEAD * 2, ended("worker-2"), *[TWO_LEAD[0]] * 20],
}


@pytest.mark.parametrize("history", APART.values(), ids=APART)
def test_one_leader_in_each_part_is_fine(history: list[Told]) -> None:
    show(OneLeaderAPart(), history, every=HALF_A_SECOND)


def test_two_leaders_that_hear_each_other_for_long_are_seen() -> None:
    refuses(OneLeaderAPart(), TWO_LEAD * 8, "lead and hear each other", every=HALF_A_SECOND)


def test_two_of_three_leaders_that_hear_each_other_are_seen() -> None:
    cut_off = alone("worker-3")
    history = [*TWO_LEAD, cut_off] * 9
    refuses(OneLeaderAPart(), history, "worker-[12] and worker-[12] lead", every=250 * MS)


def asks(change: str | None, request: int = 1) -> Told:
    return Asked(1, request, WorkerName("worker-1"), ChangeId(change) if change else None, ())


def told(ok: bool = True, request: int = 1) -> Told:
    return Answered(1, request, WorkerName("worker-1"), ok, "", 1 if ok else None)


def applied(worker: str, **changes: int) -> Told:
    return step(worker, core=Core(state=state(9, changes)))


def says_lost(*changes: str) -> Told:
    text = f"2 acknowledged changes are lost: {', '.join(changes)}"
    return step("worker-2", Note(kind="changes.lost", text=text))


TOLD: dict[str, list[Told]] = {
    "nothing": [],
    "all have it": [asks("a"), told(), applied("worker-1", a=1), applied("worker-2", a=1)],
    "it was refused": [asks("a"), told(ok=False), applied("worker-1")],
    "it was not answered": [asks("a"), applied("worker-1")],
    "a read": [asks(None), told(), applied("worker-1")],
    "it is told as lost": [asks("a"), told(), says_lost("b", "a"), applied("worker-1")],
    "whoever does not have it is dead": [
        asks("a"),
        told(),
        applied("worker-1", a=1),
        applied("worker-2"),
        ended("worker-2"),
    ],
    "a disk was harmed": [
        asks("a"),
        told(),
        DiskHarmed(WorkerName("worker-1"), "lost"),
        applied("worker-1"),
    ],
    "a machine never came back": [
        asks("a"),
        told(),
        WorkerEnded(WorkerName("worker-2"), 2, Cause.MACHINE, "lost"),
        applied("worker-1"),
    ],
}

UNTOLD: dict[str, list[Told]] = {
    "nobody has it": [asks("a"), told(), applied("worker-1"), applied("worker-2")],
    "one lacks it": [asks("a"), told(), applied("worker-1", a=1), applied("worker-2")],
    "others are told as lost": [asks("a"), told(), says_lost("b", "c"), applied("worker-1")],
    "a machine came back": [
        asks("a"),
        told(),
        WorkerEnded(WorkerName("worker-2"), 2, Cause.MACHINE, "lost"),
        began("worker-2"),
        applied("worker-1"),
    ],
    "one of two": [
        asks("b", 1),
        asks("a", 2),
        told(request=1),
        told(request=2),
        says_lost("b"),
        applied("worker-1"),
    ],
}


@pytest.mark.parametrize("history", TOLD.values(), ids=TOLD)
def test_what_is_kept_or_told_as_lost_is_fine(history: list[Told]) -> None:
    show(LossesTold(), history)


@pytest.mark.parametrize("history", UNTOLD.values(), ids=UNTOLD)
def test_a_loss_in_silence_is_seen(history: list[Told]) -> None:
    refuses(LossesTold(), history, "worker-1 acknowledged a; .* nobody says that it is lost")
