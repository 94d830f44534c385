"""One leader per epoch: whoever gives a command or says that it leads is the epoch's only one."""

from interrex.core.ids import WorkerName
from interrex.core.journal import Note
from interrex.core.messages import (
    Assignment,
    Dismiss,
    KillWorker,
    LaunchWorker,
    Routes,
    epoch_of,
)
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step
from interrex.worker.interface import Send

COMMANDS = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)


class OneLeader(Watch):
    """Believes commands, and what the journal says of who was elected."""

    promise = "one leader per epoch"

    def __init__(self) -> None:
        super().__init__()
        self.leaders: dict[int, tuple[WorkerName, int]] = {}
        """Epoch -> the worker that led in it, and its life."""
        self.messages = dict.fromkeys(COMMANDS, self._commanded)
        self.effects = {Note: self._noted}

    def _commanded(self, step: Step, send: Send) -> None:
        command = send.message
        if isinstance(command, COMMANDS):
            self._leads(step, epoch_of(command), type(command).__name__)

    def _noted(self, step: Step, note: Note) -> None:
        if note.kind == "leader.elected":
            self._leads(step, note.epoch or 0, "being elected")

    def _leads(self, step: Step, epoch: int, how: str) -> None:
        leader = (step.worker, step.life)
        known = self.leaders.setdefault(epoch, leader)
        if known != leader:
            raise self.broken(
                f"{step.worker} (life {step.life}) leads epoch {epoch}, seen by {how}, and so does "
                f"{known[0]} (life {known[1]})"
            )
