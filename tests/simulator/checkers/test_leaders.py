"""One leader per epoch, and none that acts after its deadline."""

import pytest

from interrex.core.ids import WorkerName
from interrex.core.journal import Note
from interrex.core.messages import Assignment, KillWorker, LaunchWorker, PeerMessage, Routes
from interrex.core.routes import RouteTable
from interrex.simulator.checkers.deadlines import Deadlines
from interrex.simulator.checkers.leaders import OneLeader
from interrex.simulator.checkers.numbering import Numbering
from interrex.worker.interface import Send

from .histories import Core, Election, Told, refuses, show, step


def gives(worker: str, command: PeerMessage, now: int = 0, deadline: int | None = 10) -> Told:
    core = Core(election=Election(leading=True, deadline=deadline))
    return step(worker, Send(WorkerName("worker-3"), command), now=now, core=core)


def elected(worker: str, epoch: int, life: int = 0) -> Told:
    return step(worker, Note(kind="leader.elected", text="", epoch=epoch), life=life)


ONE_LEADER: dict[str, list[Told]] = {
    "nothing": [],
    "one after the other": [
        elected("worker-1", 1),
        gives("worker-1", Assignment(1, 1, ())),
        elected("worker-2", 2),
        gives("worker-2", Routes(RouteTable(2, 1))),
    ],
    "an older one still gives commands": [
        elected("worker-1", 1),
        elected("worker-2", 2),
        gives("worker-1", LaunchWorker(1, WorkerName("worker-3"))),
    ],
    "the same again in the same epoch": [elected("worker-1", 4), elected("worker-1", 4)],
}

TWO_LEADERS: dict[str, list[Told]] = {
    "both say that they were elected": [elected("worker-1", 3), elected("worker-2", 3)],
    "both give commands": [
        gives("worker-1", Assignment(3, 1, ())),
        gives("worker-2", Assignment(3, 2, ())),
    ],
    "one was elected, another sends its routes": [
        elected("worker-1", 3),
        gives("worker-2", Routes(RouteTable(3, 1))),
    ],
    "one was elected, another kills": [
        elected("worker-1", 3),
        gives("worker-2", KillWorker(3, WorkerName("worker-1"))),
    ],
    "the same worker in its next life": [elected("worker-1", 3), elected("worker-1", 3, life=9)],
}


@pytest.mark.parametrize("history", ONE_LEADER.values(), ids=ONE_LEADER)
def test_one_leader_per_epoch_is_fine(history: list[Told]) -> None:
    show(OneLeader(), history)


@pytest.mark.parametrize("history", TWO_LEADERS.values(), ids=TWO_LEADERS)
def test_two_leaders_of_one_epoch_are_seen(history: list[Told]) -> None:
    refuses(OneLeader(), history, "leads epoch 3")


def test_a_command_before_the_deadline_is_fine() -> None:
    show(Deadlines(), [gives("worker-1", Assignment(1, 1, ()), now=9, deadline=10)])


@pytest.mark.parametrize(("now", "deadline"), [(10, 10), (11, 10), (5, None)])
def test_a_command_at_or_after_the_deadline_is_seen(now: int, deadline: int | None) -> None:
    late = gives("worker-1", Assignment(1, 1, ()), now=now, deadline=deadline)
    refuses(Deadlines(), [late], "gave worker-3 a Assignment")


def test_who_calls_itself_leader_past_its_deadline_is_seen() -> None:
    believes = Core(election=Election(leading=True, deadline=10, wake_at=12))
    refuses(Deadlines(), [step("worker-1", now=11, core=believes)], "leads at 11, until 10")


def test_an_election_that_was_not_told_the_time_yet_is_not_judged() -> None:
    asleep = Core(election=Election(leading=True, deadline=10, wake_at=10))
    show(Deadlines(), [step("worker-1", now=11, core=asleep)])


def test_numbers_that_rise_within_an_epoch_are_fine() -> None:
    given: list[PeerMessage] = [
        Assignment(1, 1, ()),
        Routes(RouteTable(1, 2)),
        Routes(RouteTable(1, 2)),
        Assignment(1, 3, ()),
        Assignment(2, 1, ()),
    ]
    show(Numbering(), [gives("worker-1", command) for command in given])


@pytest.mark.parametrize("again", [Assignment(1, 5, ()), Assignment(1, 1, ())])
def test_an_assignment_whose_number_comes_again_is_seen(again: Assignment) -> None:
    history = [gives("worker-1", Assignment(1, 5, ())), gives("worker-1", again)]
    refuses(Numbering(), history, "and was at 5")


def test_routes_whose_number_falls_are_seen() -> None:
    history = [gives("worker-1", Routes(RouteTable(1, version))) for version in (5, 4)]
    refuses(Numbering(), history, "numbers a command 4 in epoch 1")
