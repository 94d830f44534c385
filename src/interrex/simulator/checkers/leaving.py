"""A worker that was asked to leave ends when nothing that it supervised runs any more."""

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    Adopted,
    ProcessBegan,
    ProcessEnded,
    Step,
    WorkerBegan,
    WorkerEnded,
)
from interrex.supervision.interface import Release
from interrex.worker.interface import Leave, LeaveAsked

Place = tuple[HostName, SlotName]


class Leaving(Watch):
    """Believes who started, took up and released each process that lives."""

    promise = "who leaves leaves nothing running"

    def __init__(self) -> None:
        super().__init__()
        self._hosts: dict[WorkerName, HostName] = {}
        self._held: dict[Place, WorkerName] = {}
        self._asked: dict[int, None] = {}
        """The lives that were asked to leave."""
        self.events = {LeaveAsked: self._asks}
        self.effects = {Leave: self._leaves, Release: self._releases}
        self.occurrences = {
            WorkerBegan: self._worker_began,
            ProcessBegan: self._taken,
            Adopted: self._taken,
            ProcessEnded: self._ended,
            WorkerEnded: self._worker_ended,
        }

    def _worker_began(self, at: int, began: WorkerBegan) -> None:
        self._hosts[began.worker] = began.host

    def _worker_ended(self, at: int, ended: WorkerEnded) -> None:
        """What it held is whoever's takes it up next."""
        for place in [place for place, worker in self._held.items() if worker == ended.worker]:
            del self._held[place]

    def _taken(self, at: int, taken: ProcessBegan | Adopted) -> None:
        self._held[taken.host, taken.slot] = taken.by

    def _ended(self, at: int, ended: ProcessEnded) -> None:
        self._held.pop((ended.host, ended.slot), None)

    def _asks(self, step: Step, event: LeaveAsked) -> None:
        self._asked[step.life] = None

    def _releases(self, step: Step, release: Release) -> None:
        place = self._hosts[step.worker], release.slot
        if self._held.get(place) == step.worker:
            del self._held[place]

    def _leaves(self, step: Step, leave: Leave) -> None:
        left = [slot for (_, slot), worker in self._held.items() if worker == step.worker]
        if left and step.life in self._asked:
            raise self.broken(f"{step.worker} leaves, and {', '.join(left)} runs on")
