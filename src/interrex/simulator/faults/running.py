"""Lets the faults of a plan happen in a world, and ends them."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from interrex.core.ids import WorkerName
from interrex.simulator.chance import Chance
from interrex.simulator.faults.catalogue import kind_of
from interrex.simulator.faults.kind import LEADER, Undo
from interrex.simulator.observation import FaultBegan, FaultEnded
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World


class RunningFaults:
    """The faults of one world: those to come, those that wait, those that go on."""

    def __init__(self, world: "World", chance: Chance) -> None:
        self._world = world
        self.chance = chance
        self._waiting: dict[int, Fault] = {}
        self._active: dict[int, Undo] = {}
        self._over = False
        self.began: dict[str, int] = {}
        """How many faults of each kind have happened, as ``family/name``."""

    def start(self, faults: Sequence[Fault]) -> None:
        """Let each begin at its time."""
        for fault in faults:
            self._world.agenda.at(fault.at, self._due, fault)

    def _due(self, fault: Fault) -> None:
        if not fault.when:
            self._begin(fault)
        elif not self._over:
            self._waiting[fault.number] = fault

    def happened(self, what: str) -> None:
        """Something that faults may wait for."""
        for fault in [fault for fault in self._waiting.values() if fault.when == what]:
            del self._waiting[fault.number]
            self._world.agenda.after(fault.values.get("after", 0), self._begin, fault)

    def _begin(self, fault: Fault) -> None:
        if self._over:
            return
        undo = kind_of(fault).begin(self._world, fault)
        if undo is None:
            return
        kind = f"{fault.kind}/{fault.name}"
        self.began[kind] = self.began.get(kind, 0) + 1
        targets = " ".join((fault.name, *fault.targets))
        self._world.tell(FaultBegan(fault.number, fault.kind, targets))
        self._active[fault.number] = undo
        self._world.agenda.after(fault.lasts, partial(self._end, fault.number))

    def _end(self, number: int) -> None:
        undo = self._active.pop(number, None)
        if undo is not None:
            undo()
            self._world.tell(FaultEnded(number))

    def end_all(self) -> None:
        """End what goes on, in the order in which it began; nothing begins any more."""
        self._over = True
        self._waiting.clear()
        for number in list(self._active):
            self._end(number)

    def worker(self, target: str) -> WorkerName | None:
        """The worker that a target names; None where nobody leads."""
        if target != LEADER:
            return WorkerName(target)
        leader = self._world.leader()
        return leader.worker if leader is not None else None
