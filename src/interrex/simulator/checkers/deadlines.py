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
        self.every_step = self._look

    def _look(self, step: Step) -> None:
        """Nor does it call itself leader, once its election has been told the time."""
        election = step.core.election
        if not election.leading:
            return
        deadline, wake_at = election.deadline, election.wake_at
        if deadline is None or step.now < deadline:
            return
        if wake_at is None or step.now < wake_at:
            raise self.broken(f"{step.worker} leads at {step.now}, until {deadline}")

    def _commanded(self, step: Step, send: Send) -> None:
        deadline = step.core.election.deadline
        if deadline is not None and step.now < deadline:
            return
        late = "leads no more" if deadline is None else f"{step.now - deadline} ns late"
        raise self.broken(
            f"{step.worker} gave {send.to} a {type(send.message).__name__} at {step.now}: {late}"
        )
