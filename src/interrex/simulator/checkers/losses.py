"""Where sides that had leaders of their own merge: what was acknowledged and is lost is told."""

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.journal import Note
from interrex.core.state import REMEMBERED_CHANGES
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import (
    Answered,
    Asked,
    Cause,
    DiskHarmed,
    Step,
    WorkerBegan,
    WorkerEnded,
)


class LossesTold(Watch):
    """Believes the answers that clients had, the journal, and in the end every worker's state.

    A disk that lost what it held cannot tell of it, nor can one whose machine never came back: then
    nothing is asked of what is lost.
    """

    promise = "an acknowledged change that is lost is told as lost"

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[tuple[int, int], ChangeId] = {}
        self._acknowledged: dict[ChangeId, str] = {}
        self._told: dict[str, None] = {}
        self._harmed = False
        self._off: dict[WorkerName, None] = {}
        self.effects = {Note: self._noted}
        self.occurrences = {
            Asked: self._asked,
            Answered: self._answered,
            DiskHarmed: self._harms,
            WorkerEnded: self._ended,
            WorkerBegan: self._began,
        }

    def _noted(self, step: Step, note: Note) -> None:
        if note.kind == "changes.lost":
            _, _, names = note.text.rpartition(": ")
            self._told.update(dict.fromkeys(names.split(", ")))

    def _asked(self, at: int, asked: Asked) -> None:
        if asked.change is not None:
            self._open[asked.client, asked.request] = asked.change

    def _answered(self, at: int, answered: Answered) -> None:
        change = self._open.pop((answered.client, answered.request), None)
        if change is not None and answered.ok:
            self._acknowledged[change] = answered.worker

    def _harms(self, at: int, harmed: DiskHarmed) -> None:
        self._harmed = True

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        if ended.cause is Cause.MACHINE:
            self._off[ended.worker] = None

    def _began(self, at: int, began: WorkerBegan) -> None:
        self._off.pop(began.worker, None)

    def finish(self, at: int, cores: Cores) -> None:
        if self._harmed or self._off:
            return
        for worker, core in sorted(cores.items()):
            applied = core.state.applied
            if len(applied) >= REMEMBERED_CHANGES:
                continue
            for change, by in self._acknowledged.items():
                if change not in applied and change not in self._told:
                    raise self.broken(
                        f"{by} acknowledged {change}; {worker} has not applied it, and nobody says "
                        "that it is lost"
                    )
