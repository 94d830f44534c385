"""While the coordination service has lost its data, nobody who remembers leads by what is left."""

from interrex.core.ids import WorkerName
from interrex.core.messages import Assignment, Dismiss, KillWorker, LaunchWorker, Routes
from interrex.core.spec import ClusterSpec
from interrex.core.storage import SetFact
from interrex.elections.coordinated.memory import ACKNOWLEDGED
from interrex.simulator.checkers.away import longest_session
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    CoordinationEmptied,
    CoordinationRestored,
    DiskWritten,
    Step,
    WorkerBegan,
)
from interrex.worker.interface import Send


class Emptied(Watch):
    """Nobody begins to lead, and after a session nobody commands, before the data is put back.

    Believes disks of who knows that something was acknowledged. Who has just begun with nothing on
    its disk is held to nothing: it knows once a peer has told it.
    """

    promise = "nobody leads by a service that has lost its data"

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__()
        self._session = longest_session(spec)
        self._remember: dict[WorkerName, bool] = {}
        self._since: int | None = None
        self._held = 0
        self.every_step = self._look
        kinds = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)
        self.messages = dict.fromkeys(kinds, self._commanded)
        self.occurrences = {
            WorkerBegan: self._began,
            DiskWritten: self._written,
            CoordinationEmptied: self._emptied,
            CoordinationRestored: self._restored,
        }

    def _began(self, at: int, began: WorkerBegan) -> None:
        self._remember[began.worker] = ACKNOWLEDGED in began.stored.facts

    def _written(self, at: int, written: DiskWritten) -> None:
        if not self._remember.get(written.worker):
            self._remember[written.worker] = any(
                type(record) is SetFact and record.key == ACKNOWLEDGED for record in written.records
            )

    def _emptied(self, at: int, emptied: CoordinationEmptied) -> None:
        self._since, self._held = at, emptied.epoch

    def _restored(self, at: int, restored: CoordinationRestored) -> None:
        self._since = None

    def _look(self, step: Step) -> None:
        if self._since is None:
            return
        election = step.core.election
        if election.leading and election.epoch != self._held and self._remember.get(step.worker):
            raise self.broken(
                f"{step.worker} leads epoch {election.epoch} at {step.at}; the service has lost "
                f"its data at {self._since}, when epoch {self._held} was led"
            )

    def _commanded(self, step: Step, send: Send) -> None:
        if self._since is None or not self._remember.get(step.worker):
            return
        if step.at - self._since > self._session:
            raise self.broken(
                f"{step.worker} gives {send.to} a {type(send.message).__name__} at {step.at}; the "
                f"service has lost its data at {self._since}"
            )
