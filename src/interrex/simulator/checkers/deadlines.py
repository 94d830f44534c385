"""No leader acts after its own deadline."""

from interrex.core.messages import Assignment, Dismiss, KillWorker, LaunchWorker, Routes
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step
from interrex.worker.interface import Send


class Deadlines(Watch):
    """Compares when a command is given, by the leader's own clock, with the leader's deadline.

    The deadline can be seen nowhere else than in the core.
    """

    promise = "no leader acts after its deadline"

    def __init__(self) -> None:
        super().__init__()
        kinds = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)
        self.messages = dict.fromkeys(kinds, self._commanded)

    def _commanded(self, step: Step, send: Send) -> None:
        deadline = step.core.election.deadline
        if deadline is not None and step.now < deadline:
            return
        late = "leads no more" if deadline is None else f"{step.now - deadline} ns late"
        raise self.broken(
            f"{step.worker} gave {send.to} a {type(send.message).__name__} at {step.now}: {late}"
        )
