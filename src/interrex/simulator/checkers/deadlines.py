"""No leader acts after its own deadline."""

from interrex.core.journal import Note
from interrex.core.messages import Assignment, Dismiss, KillWorker, LaunchWorker, Routes
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerEnded
from interrex.worker.interface import Send


class Deadlines(Watch):
    """Compares when a command is given, by the leader's own clock, with the leader's deadline.

    The deadline can be seen nowhere else than in the core. Who gives up leading in a step may give
    commands before that: they count by the deadline of the step before.
    """

    promise = "no leader acts after its deadline"

    def __init__(self) -> None:
        super().__init__()
        self._deadlines: dict[int, int] = {}
        """Life -> a leader's deadline after its last step (ns)."""
        kinds = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)
        self.messages = dict.fromkeys(kinds, self._commanded)
        self.every_step = self._look
        self.occurrences = {WorkerEnded: self._ended}

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._deadlines.pop(ended.life, None)

    def _look(self, step: Step) -> None:
        """Nor does it call itself leader, once its election has been told the time."""
        election = step.core.election
        if not election.leading:
            if self._deadlines:
                self._deadlines.pop(step.life, None)
            return
        deadline = election.deadline
        if deadline is None:
            return
        self._deadlines[step.life] = deadline
        if step.now < deadline:
            return
        wake_at = election.wake_at
        if wake_at is None or step.now < wake_at:
            raise self.broken(f"{step.worker} leads at {step.now}, until {deadline}")

    def _commanded(self, step: Step, send: Send) -> None:
        deadline = step.core.election.deadline
        if deadline is None and _gives_up_after(step, send):
            deadline = self._deadlines.get(step.life)
        if deadline is not None and step.now < deadline:
            return
        late = "leads no more" if deadline is None else f"{step.now - deadline} ns late"
        raise self.broken(
            f"{step.worker} gave {send.to} a {type(send.message).__name__} at {step.now}: {late}"
        )


def _gives_up_after(step: Step, send: Send) -> bool:
    """Whether the journal says that the leadership ended, behind this effect."""
    behind = False
    for effect in step.effects:
        behind |= effect is send
        if behind and type(effect) is Note and effect.kind == "leader.ended":
            return True
    return False
