"""A run as bands over time, for a picture: who lived, who led, which faults lasted when."""

import msgspec

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    FaultBegan,
    FaultEnded,
    Healed,
    ProcessBegan,
    ProcessEnded,
    RequestServed,
    Step,
    WorkerBegan,
    WorkerEnded,
)


class Band(msgspec.Struct):
    """Something that lasted, from ``began`` to ``ended`` (simulated ns; None: to the end)."""

    began: int
    text: str
    ended: int | None = None


class Timeline(Watch):
    """Keeps what is drawn. It finds nothing wrong with anything."""

    promise = "timeline"

    def __init__(self) -> None:
        super().__init__()
        self.every_step = self._stepped
        self.occurrences = {
            WorkerBegan: self._worker_began,
            WorkerEnded: self._worker_ended,
            ProcessBegan: self._process_began,
            ProcessEnded: self._process_ended,
            FaultBegan: self._fault_began,
            FaultEnded: self._fault_ended,
            Healed: self._all_healed,
            RequestServed: self._served,
        }
        self.workers: dict[WorkerName, list[Band]] = {}
        self.leading: dict[WorkerName, list[Band]] = {}
        self.slots: dict[tuple[HostName, SlotName], list[Band]] = {}
        self.faults: dict[int, Band] = {}
        self.unserved: list[int] = []
        self.healed: int | None = None

    def _stepped(self, step: Step) -> None:
        leads = step.core.election.leading
        bands = self.leading.setdefault(step.worker, [])
        is_open = bool(bands) and bands[-1].ended is None
        if leads and not is_open:
            bands.append(Band(step.at, f"epoch {step.core.election.epoch}"))
        elif is_open and not leads:
            bands[-1].ended = step.at

    def _worker_began(self, at: int, what: WorkerBegan) -> None:
        self.workers.setdefault(what.worker, []).append(Band(at, f"on {what.host}"))

    def _worker_ended(self, at: int, what: WorkerEnded) -> None:
        for bands in (self.workers.get(what.worker, []), self.leading.get(what.worker, [])):
            if bands and bands[-1].ended is None:
                bands[-1].ended = at
                bands[-1].text += f", ended: {what.cause}"

    def _process_began(self, at: int, what: ProcessBegan) -> None:
        place = (what.host, what.slot)
        self.slots.setdefault(place, []).append(Band(at, f"pid {what.pid}, by {what.by}"))

    def _process_ended(self, at: int, what: ProcessEnded) -> None:
        bands = self.slots.get((what.host, what.slot), [])
        if bands and bands[-1].ended is None:
            bands[-1].ended = at
            bands[-1].text += f", ended: {what.cause}"

    def _fault_began(self, at: int, what: FaultBegan) -> None:
        self.faults[what.number] = Band(at, f"{what.kind}: {what.what}")

    def _fault_ended(self, at: int, what: FaultEnded) -> None:
        if what.number in self.faults:
            self.faults[what.number].ended = at

    def _all_healed(self, at: int, what: Healed) -> None:
        self.healed = at

    def _served(self, at: int, what: RequestServed) -> None:
        if not what.ok:
            self.unserved.append(at)
