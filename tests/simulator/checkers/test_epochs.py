"""Epochs on disk never fall, and older commands do nothing."""

import pytest

from interrex.core.ids import WorkerName
from interrex.core.journal import Note
from interrex.core.messages import (
    Alive,
    Assignment,
    Dismiss,
    KillWorker,
    LaunchWorker,
    PeerMessage,
    Routes,
    encode,
)
from interrex.core.routes import RouteTable
from interrex.core.storage import SetFact, Stored
from interrex.elections.interface import Persist
from interrex.simulator.checkers.epochs import Epochs
from interrex.simulator.observation import DiskHarmed, DiskWritten
from interrex.supervision.interface import Claim, Signal, Spawn
from interrex.worker.interface import (
    EndWorker,
    Leave,
    MessageReceived,
    StartWorker,
    WorkerEffect,
)

from .histories import WEB_0, Told, began, refuses, service, show, step, written

OTHER = WorkerName("worker-2")
REFUSAL = Note(kind="command.refused", text="")


def epoch(number: int, life: int = 1) -> DiskWritten:
    return written("worker-1", SetFact("epoch", b"%d" % number), life=life)


def hears(message: PeerMessage, *effects: WorkerEffect) -> Told:
    return step("worker-1", *effects, event=MessageReceived(OTHER, encode(message)))


def spawn(epoch: int) -> Told:
    return step("worker-1", Spawn(WEB_0, 1, 1, epoch, 21, service()))


FINE: dict[str, list[Told]] = {
    "epochs rise": [began("worker-1"), epoch(1), epoch(1), epoch(7)],
    "and stay over a restart": [
        epoch(7),
        began("worker-1", life=4, stored=Stored({"epoch": b"7"})),
    ],
    "an empty disk begins anew": [epoch(7), began("worker-1", life=4), epoch(1, life=4)],
    "a harmed disk promises nothing": [
        epoch(7),
        DiskHarmed(WorkerName("worker-1"), "an older copy"),
        began("worker-1", life=4, stored=Stored({"epoch": b"3"})),
    ],
    "a newer command is obeyed": [epoch(2), hears(Assignment(3, 1, ()), Claim(WEB_0))],
    "the same epoch's is": [epoch(3), hears(LaunchWorker(3, OTHER), StartWorker(OTHER))],
    "an older one does nothing": [epoch(4), hears(Assignment(3, 1, ()), REFUSAL)],
    "an older one is refused while something else is done": [
        epoch(4),
        hears(KillWorker(3, OTHER), REFUSAL, StartWorker(OTHER)),
    ],
    "what is no command has no epoch": [epoch(4), hears(Alive(1), Claim(WEB_0))],
    "started under the epoch on disk": [epoch(4), spawn(4), spawn(3)],
    "bytes that are nothing": [
        step("worker-1", event=MessageReceived(OTHER, b"\x93\xaaAssignment"))
    ],
}

OBEYED: dict[str, list[Told]] = {
    "an assignment": [epoch(4), hears(Assignment(3, 1, ()), Claim(WEB_0))],
    "an assignment that stops": [
        epoch(4),
        hears(Assignment(3, 1, ()), Signal(WEB_0, 1, "SIGTERM")),
    ],
    "an assignment that is stored": [
        epoch(4),
        hears(Assignment(3, 1, ()), Persist(1, (SetFact("assignment", b""),))),
    ],
    "routes with an epoch that is stored": [
        epoch(4),
        hears(Routes(RouteTable(3, 1)), Persist(1, (SetFact("epoch", b"3"),))),
    ],
    "a launch": [epoch(4), hears(LaunchWorker(3, OTHER), StartWorker(OTHER))],
    "a kill": [epoch(4), hears(KillWorker(3, OTHER), EndWorker(OTHER))],
    "a dismissal": [epoch(4), hears(Dismiss(3), Leave("dismissed"))],
    "after a restart too": [
        began("worker-1", stored=Stored({"epoch": b"4"})),
        hears(Assignment(3, 1, ()), Claim(WEB_0)),
    ],
}


@pytest.mark.parametrize("history", FINE.values(), ids=FINE)
def test_what_keeps_to_the_epochs_is_fine(history: list[Told]) -> None:
    show(Epochs(), history)


@pytest.mark.parametrize("history", OBEYED.values(), ids=OBEYED)
def test_an_older_command_that_does_something_is_seen(history: list[Told]) -> None:
    refuses(Epochs(), history, "of epoch 3 .* its disk holds epoch 4")


def test_an_epoch_that_falls_on_disk_is_seen() -> None:
    refuses(Epochs(), [epoch(7), epoch(6)], "falls")


def test_an_epoch_that_is_lower_after_a_restart_is_seen() -> None:
    again = began("worker-1", life=4, stored=Stored({"epoch": b"6"}))
    refuses(Epochs(), [epoch(7), again], "begins with epoch 6")


def test_a_start_under_an_epoch_that_is_not_on_disk_is_seen() -> None:
    refuses(Epochs(), [epoch(3), spawn(4)], "under epoch 4")


def assigned(epoch: int, version: int, life: int = 1) -> Told:
    command = encode(Assignment(epoch, version, ()))
    return written("worker-1", SetFact("assignment", command), life=life)


def test_assignments_on_disk_that_rise_are_fine() -> None:
    show(Epochs(), [assigned(1, 1), assigned(1, 2), assigned(2, 1), assigned(2, 1, life=9)])


@pytest.mark.parametrize("older", [(1, 9), (2, 1)])
def test_an_older_assignment_over_a_newer_one_is_seen(older: tuple[int, int]) -> None:
    refuses(Epochs(), [assigned(2, 2), assigned(*older)], "assignment falls")
