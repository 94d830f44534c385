"""Where the election rests on a coordination service: no leader outlives its session, nobody
commands while the service is away, and nobody leads by one that has lost its data."""

import pytest

from interrex.core.ids import WorkerName
from interrex.core.messages import (
    Alive,
    Assignment,
    Dismiss,
    KillWorker,
    LaunchWorker,
    PeerMessage,
    Routes,
)
from interrex.core.routes import RouteTable
from interrex.core.spec import ClusterSpec, Etcd, ZooKeeper
from interrex.core.storage import SetFact, Stored
from interrex.core.time import MS, S
from interrex.elections.coordinated.memory import ACKNOWLEDGED
from interrex.simulator.checkers.away import Away
from interrex.simulator.checkers.emptied import Emptied
from interrex.simulator.checkers.sessions import Sessions
from interrex.simulator.observation import (
    CoordinationAway,
    CoordinationBack,
    CoordinationEmptied,
    CoordinationRestored,
    HoldExpired,
)
from interrex.worker.interface import Send

from .histories import Core, Election, Told, began, ended, refuses, show, step, written


def leads(worker: str, epoch: int, until: int, life: int = 0) -> Told:
    """By its own clock, which begins with each step."""
    return step(worker, core=Core(election=Election(True, worker, epoch, until)), life=life)


def follows(worker: str) -> Told:
    return step(worker)


OUTLIVED_BY_NONE: dict[str, list[Told]] = {
    "no leader": [follows("worker-1"), HoldExpired(7)],
    "its deadline is before": [leads("worker-1", 7, 2 * MS), step("worker-2"), HoldExpired(7)],
    "it has stopped before": [leads("worker-1", 7, S), follows("worker-1"), HoldExpired(7)],
    "it has died before": [leads("worker-1", 7, S), ended("worker-1"), HoldExpired(7)],
    "another one's": [leads("worker-1", 7, S), HoldExpired(6)],
    "the next life leads in its own epoch": [
        leads("worker-1", 7, S),
        ended("worker-1"),
        leads("worker-1", 8, S, life=9),
        HoldExpired(7),
    ],
}

OUTLIVED: dict[str, list[Told]] = {
    "it leads on": [leads("worker-1", 7, 3 * MS), HoldExpired(7)],
    "it has put its deadline off since": [
        leads("worker-1", 7, MS),
        leads("worker-1", 7, 5 * MS),
        HoldExpired(7),
    ],
    "it stands still": [leads("worker-1", 7, S), *[step("worker-2")] * 3, HoldExpired(7)],
    "another leads meanwhile": [
        leads("worker-1", 7, S),
        leads("worker-2", 8, S),
        HoldExpired(7),
    ],
}


@pytest.mark.parametrize("history", OUTLIVED_BY_NONE.values(), ids=OUTLIVED_BY_NONE)
def test_a_session_that_runs_out_behind_its_leader_is_fine(history: list[Told]) -> None:
    show(Sessions(), history)


@pytest.mark.parametrize("history", OUTLIVED.values(), ids=OUTLIVED)
def test_a_leader_that_outlives_its_session_is_seen(history: list[Told]) -> None:
    refuses(Sessions(), history, "leads epoch 7 until")


def test_a_deadline_is_taken_by_the_leaders_own_clock() -> None:
    core = Core(election=Election(True, "worker-1", 7, S + 5 * MS))
    of_a_fast_clock = step("worker-1", now=S, core=core)
    show(Sessions(), [of_a_fast_clock, *[follows("worker-2")] * 4, HoldExpired(7)])
    refuses(Sessions(), [of_a_fast_clock, *[follows("worker-2")] * 3, HoldExpired(7)], "epoch 7")


def rests_on(election: str, session: float) -> ClusterSpec:
    etcd, zookeeper = Etcd(session=session), ZooKeeper(session=session)
    return ClusterSpec(name="shop", election=election, etcd=etcd, zookeeper=zookeeper)


def gives(command: PeerMessage) -> Told:
    return step("worker-1", Send(WorkerName("worker-2"), command))


WORKER_3 = WorkerName("worker-3")
COMMANDS = (
    Assignment(1, 1, ()),
    Routes(RouteTable(1, 1)),
    LaunchWorker(1, WORKER_3),
    KillWorker(1, WORKER_3),
    Dismiss(1),
)
QUIET: list[Told] = [step("worker-2")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("election", ["etcd", "zookeeper"])
def test_a_command_while_the_service_is_away_is_seen(election: str, command: PeerMessage) -> None:
    history = [CoordinationAway(), *QUIET * 6, gives(command)]
    refuses(Away(rests_on(election, 6.0)), history, "worker-1 gives worker-2", every=S)


NOT_AWAY: dict[str, list[Told]] = {
    "it was never away": [gives(COMMANDS[0]), *QUIET * 9, gives(COMMANDS[0])],
    "for less than a session": [CoordinationAway(), *QUIET * 5, gives(COMMANDS[0])],
    "it is back": [CoordinationAway(), *QUIET * 8, CoordinationBack(), gives(COMMANDS[0])],
    "no command": [CoordinationAway(), *QUIET * 8, gives(Alive(1))],
}


@pytest.mark.parametrize("history", NOT_AWAY.values(), ids=NOT_AWAY)
def test_what_is_not_commanded_while_the_service_is_away_is_fine(history: list[Told]) -> None:
    show(Away(rests_on("zookeeper", 6.0)), history, every=S)


def test_a_service_that_goes_again_is_away_from_then_on() -> None:
    first = [CoordinationAway(), *QUIET * 3, CoordinationBack()]
    again = [CoordinationAway(), *QUIET * 6]
    show(Away(rests_on("etcd", 6.0)), [*first, *again[:4], gives(COMMANDS[0])], every=S)
    refuses(Away(rests_on("etcd", 6.0)), [*first, *again, gives(COMMANDS[0])], "away", every=S)


def test_a_service_may_grant_more_than_was_asked_for() -> None:
    history = [CoordinationAway(), *QUIET * 3, gives(COMMANDS[0])]
    show(Away(rests_on("zookeeper", 1.0)), history, every=S)


KNOWS = Stored({ACKNOWLEDGED: b"something"})
SERVED: list[Told] = [began("worker-1", stored=KNOWS), leads("worker-1", 7, S)]
LOST = CoordinationEmptied(7)

HELD_TO: dict[str, list[Told]] = {
    "whoever led leads on for a while": [*SERVED, LOST, leads("worker-1", 7, S)],
    "it commands on for less than a session": [*SERVED, LOST, *QUIET * 5, gives(COMMANDS[0])],
    "somebody leads once all is put back": [
        *SERVED,
        LOST,
        *QUIET * 9,
        CoordinationRestored(),
        leads("worker-1", 9, S),
        gives(COMMANDS[0]),
    ],
    "nobody has told it yet": [began("worker-1"), LOST, leads("worker-1", 9, S)],
    "follows": [*SERVED, LOST, *QUIET * 9, follows("worker-1")],
}
NOT_HELD_TO: dict[str, list[Told]] = {
    "leads epoch 2": [*SERVED, LOST, leads("worker-1", 2, S)],
    "leads epoch 9": [*SERVED, LOST, *QUIET * 9, leads("worker-1", 9, S)],
    "leads epoch 10": [
        began("worker-2"),
        written("worker-2", SetFact(ACKNOWLEDGED, b"something")),
        LOST,
        leads("worker-2", 10, S),
    ],
    "gives worker-2": [*SERVED, LOST, *QUIET * 9, gives(COMMANDS[0])],
}


@pytest.mark.parametrize("history", HELD_TO.values(), ids=HELD_TO)
def test_what_may_be_done_where_data_was_lost_is_fine(history: list[Told]) -> None:
    show(Emptied(rests_on("etcd", 6.0)), history, every=S)


@pytest.mark.parametrize("seen", NOT_HELD_TO)
def test_who_leads_by_a_service_that_has_lost_its_data_is_seen(seen: str) -> None:
    refuses(Emptied(rests_on("zookeeper", 6.0)), NOT_HELD_TO[seen], seen, every=S)
