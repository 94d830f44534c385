"""In the end there is one leader, and every worker knows it."""

from interrex.core.ids import WorkerName
from interrex.core.messages import Assignment, Dismiss, KillWorker, LaunchWorker, Routes
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Healed, Step
from interrex.worker.interface import Send


class KnownLeader(Watch):
    """Asks every living worker whom it takes for the leader, and whether it leads itself.

    Only where the faults have stopped, and the world has given the fleet its time since.
    """

    promise = "one leader, known to all, in the end"

    def __init__(self) -> None:
        super().__init__()
        self._healed = False
        self._commander: WorkerName | None = None
        self.occurrences = {Healed: self._heals}
        kinds = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)
        self.messages = dict.fromkeys(kinds, self._commanded)

    def _heals(self, at: int, healed: Healed) -> None:
        self._healed = True

    def _commanded(self, step: Step, send: Send) -> None:
        self._commander = step.worker

    def finish(self, at: int, cores: Cores) -> None:
        if not self._healed:
            return
        leading = [worker for worker, core in sorted(cores.items()) if core.election.leading]
        if len(leading) != 1:
            raise self.broken(f"{leading or 'nobody'} leads in the end")
        for worker, core in sorted(cores.items()):
            if core.election.leader != leading[0]:
                raise self.broken(
                    f"{worker} takes {core.election.leader} for the leader, {leading[0]} leads"
                )
        alone = len(cores) == 1  # it sends nobody anything
        if not alone and self._commander not in (None, leading[0]):
            raise self.broken(f"{self._commander} gave the last command, {leading[0]} leads")
