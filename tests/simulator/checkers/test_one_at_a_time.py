"""Nobody begins to lead while another one leads and its deadline has not come."""

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.simulator.checkers.one_at_a_time import REMEMBERED, OneAtATime
from interrex.worker.interface import PeerLeft, WorkerEvent

from .histories import Core, Election, Told, began, ended, refuses, show, step

LONG = 10 * REMEMBERED


def leads(worker: str, epoch: int, left: int = S, life: int = 0) -> Told:
    """By its own clock, which begins with each step."""
    return step(worker, core=Core(election=Election(True, worker, epoch, left)), life=life)


def is_heard(worker: str, epoch: int, life: int = 0) -> list[Told]:
    """It leads, and its first deadline was renewed."""
    return [leads(worker, epoch, 1, life), leads(worker, epoch, life=life)]


def follows(worker: str, event: WorkerEvent | None = None) -> Told:
    return step(worker, event=event)


LOST = PeerLeft(WorkerName("worker-1"), proved_dead=False)

ONE_AFTER_THE_OTHER: dict[str, list[Told]] = {
    "it leads on": [leads("worker-1", 1), leads("worker-1", 1)],
    "in another epoch": [leads("worker-1", 1), leads("worker-1", 2)],
    "it has stopped before": [leads("worker-1", 1), follows("worker-1"), leads("worker-2", 2)],
    "it has died before": [leads("worker-1", 1), ended("worker-1"), leads("worker-2", 2)],
    "its deadline was before": [
        leads("worker-1", 1, 2 * MS),
        follows("worker-3"),
        leads("worker-2", 2),
    ],
    "both go on as they were": [
        leads("worker-1", 1, 1),
        leads("worker-2", 2),
        leads("worker-1", 1),
        leads("worker-2", 2),
    ],
}

EXCUSED: dict[str, list[Told]] = {
    "it has just been voted for": [leads("worker-1", 1)],
    "a connection with it has ended": [*is_heard("worker-1", 1), follows("worker-3", LOST)],
    "a worker has died": [*is_heard("worker-1", 1), ended("worker-3")],
    "a worker was started": [*is_heard("worker-1", 1), began("worker-3", life=9)],
}

TWO_AT_ONE_TIME: dict[str, list[Told]] = {
    "one after the other began": [*is_heard("worker-1", 1), leads("worker-2", 2)],
    "the older epoch begins later": [*is_heard("worker-1", 2), leads("worker-2", 1)],
    "a connection with another has ended": [
        *is_heard("worker-2", 1),
        follows("worker-3", LOST),
        leads("worker-3", 2),
    ],
    "another life of it leads": [*is_heard("worker-1", 1), leads("worker-1", 2, life=9)],
}


@pytest.mark.parametrize("by_votes", [True, False])
@pytest.mark.parametrize("history", ONE_AFTER_THE_OTHER.values(), ids=ONE_AFTER_THE_OTHER)
def test_leaders_one_after_the_other_are_fine(history: list[Told], by_votes: bool) -> None:
    show(OneAtATime(by_votes=by_votes), history)


@pytest.mark.parametrize("by_votes", [True, False])
@pytest.mark.parametrize("history", TWO_AT_ONE_TIME.values(), ids=TWO_AT_ONE_TIME)
def test_two_leaders_at_one_time_are_seen(history: list[Told], by_votes: bool) -> None:
    refuses(OneAtATime(by_votes=by_votes), history, "leads epoch")


@pytest.mark.parametrize("history", EXCUSED.values(), ids=EXCUSED)
def test_what_ends_a_followers_patience_is_an_excuse_where_votes_elect(
    history: list[Told],
) -> None:
    both = [*history, leads("worker-2", 2)]
    show(OneAtATime(by_votes=True), both)
    refuses(OneAtATime(by_votes=False), both, "leads epoch 2, and worker-1 leads epoch 1")


@pytest.mark.parametrize("history", EXCUSED.values(), ids=EXCUSED)
def test_the_excuse_is_forgotten_after_longer_than_any_patience(history: list[Told]) -> None:
    both = [*history, leads("worker-1", 1, LONG), leads("worker-2", 2, LONG)]
    refuses(OneAtATime(by_votes=True), both, "leads epoch 2", every=REMEMBERED)
