"""A worker starts only what an assignment on its disk names, as it names it."""

from interrex.core.ids import SlotName, WorkerName
from interrex.core.storage import SetFact
from interrex.simulator.checkers.stored import stored_assignment
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import DiskWritten, Step, WorkerBegan
from interrex.supervision.interface import Claim, Spawn
from interrex.worker.gate import ASSIGNMENT_FACT

Start = tuple[SlotName, int, int]
"""A slot, the generation of its process, and its port."""


class Assigned(Watch):
    """Believes the assignments that are on a worker's disk, or were: as the newest may be there
    before an older one is obeyed, each of them will do."""

    promise = "nothing is started that is not assigned, on disk"

    def __init__(self) -> None:
        super().__init__()
        self._slots: dict[WorkerName, set[SlotName]] = {}
        self._starts: dict[WorkerName, set[Start]] = {}
        self.effects = {Claim: self._claims, Spawn: self._spawns}
        self.occurrences = {WorkerBegan: self._began, DiskWritten: self._written}

    def _began(self, at: int, began: WorkerBegan) -> None:
        value = began.stored.facts.get(ASSIGNMENT_FACT)
        if value is not None:
            self._assigned(began.worker, value)

    def _written(self, at: int, written: DiskWritten) -> None:
        for record in written.records:
            if type(record) is SetFact and record.key == ASSIGNMENT_FACT:
                self._assigned(written.worker, record.value)

    def _assigned(self, worker: WorkerName, value: bytes) -> None:
        assignment = stored_assignment(value)
        if assignment is not None:
            slots = self._slots.setdefault(worker, set())
            starts = self._starts.setdefault(worker, set())
            for slot in assignment.slots:
                slots.add(slot.slot)
                if slot.wanted:
                    starts.add((slot.slot, slot.generation, slot.port))

    def _claims(self, step: Step, claim: Claim) -> None:
        if claim.slot not in self._slots.get(step.worker, ()):
            raise self.broken(f"{step.worker} claims {claim.slot}, which it was not assigned")

    def _spawns(self, step: Step, spawn: Spawn) -> None:
        start = (spawn.slot, spawn.generation, spawn.port)
        if start not in self._starts.get(step.worker, ()):
            raise self.broken(
                f"{step.worker} starts {spawn.slot}, generation {spawn.generation}, port "
                f"{spawn.port}, which it was not assigned"
            )
