"""What a scenario's expectations are about: who led when, what befell processes, what was said."""

import msgspec

from interrex.core.ids import SlotName, WorkerName
from interrex.core.journal import Note
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    Adopted,
    Answered,
    Cause,
    FaultBegan,
    Healed,
    ProcessBegan,
    ProcessEnded,
    Step,
    WorkerEnded,
)


class Reign(msgspec.Struct):
    """One leadership. ``ended``: when it was given up, or its own deadline had passed (ns)."""

    worker: WorkerName
    epoch: int
    began: int
    ended: int | None = None
    deadline: int | None = None


class Account(Watch):
    """Writes down; it finds nothing wrong with anything. All times are simulated ns."""

    promise = "what happened is written down"

    def __init__(self) -> None:
        super().__init__()
        self.reigns: list[Reign] = []
        self.faults: dict[int, int] = {}
        """When each planned fault began, by its number."""
        self.healed = 0
        self.notes: list[tuple[int, Note]] = []
        self.processes_began: list[tuple[int, SlotName]] = []
        self.processes_ended: list[tuple[int, SlotName, Cause]] = []
        self.adopted: list[tuple[int, SlotName]] = []
        self.workers_ended: list[tuple[int, WorkerName]] = []
        self.answers: list[tuple[int, Answered]] = []
        """To changes and reads."""
        self._leading: dict[WorkerName, Reign] = {}
        self.every_step = self._stepped
        self.effects = {Note: self._noted}
        self.occurrences = {
            FaultBegan: self._fault_began,
            Healed: self._heals,
            ProcessBegan: self._process_began,
            ProcessEnded: self._process_ended,
            Adopted: self._adopts,
            WorkerEnded: self._worker_ended,
            Answered: self._answered,
        }

    def elections(self, since: int, until: int) -> list[Reign]:
        """The leaderships that began after ``since`` and not after ``until``."""
        return [reign for reign in self.reigns if since < reign.began <= until]

    def leader_at(self, at: int) -> Reign | None:
        """Who led then."""
        for reign in reversed(self.reigns):
            if reign.began <= at and (reign.ended is None or at < reign.ended):
                return reign
        return None

    def _stepped(self, step: Step) -> None:
        election, reign = step.core.election, self._leading.get(step.worker)
        if reign is not None and not (election.leading and election.epoch == reign.epoch):
            self._end(reign, step.at)
            reign = None
        if not election.leading:
            return
        if reign is None:
            reign = Reign(step.worker, election.epoch, step.at)
            self._leading[step.worker] = reign
            self.reigns.append(reign)
        deadline = election.deadline
        reign.deadline = step.at + deadline - step.now if deadline is not None else None

    def _end(self, reign: Reign, at: int) -> None:
        reign.ended = at if reign.deadline is None else min(at, reign.deadline)
        del self._leading[reign.worker]

    def _worker_ended(self, at: int, what: WorkerEnded) -> None:
        self.workers_ended.append((at, what.worker))
        reign = self._leading.get(what.worker)
        if reign is not None:
            self._end(reign, at)

    def _noted(self, step: Step, note: Note) -> None:
        self.notes.append((step.at, note))

    def _fault_began(self, at: int, what: FaultBegan) -> None:
        self.faults[what.number] = at

    def _heals(self, at: int, what: Healed) -> None:
        self.healed = at

    def _process_began(self, at: int, what: ProcessBegan) -> None:
        self.processes_began.append((at, what.slot))

    def _process_ended(self, at: int, what: ProcessEnded) -> None:
        self.processes_ended.append((at, what.slot, what.cause))

    def _adopts(self, at: int, what: Adopted) -> None:
        self.adopted.append((at, what.slot))

    def _answered(self, at: int, what: Answered) -> None:
        self.answers.append((at, what))
