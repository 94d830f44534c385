"""Epochs on disk never fall; an older command does nothing; nothing is done before its epoch is
on disk."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.journal import Note
from interrex.core.messages import (
    Assignment,
    Dismiss,
    KillWorker,
    LaunchWorker,
    Routes,
    decode,
    epoch_of,
)
from interrex.core.storage import SetFact
from interrex.elections.interface import Persist
from interrex.simulator.checkers.stored import stored_assignment
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import DiskHarmed, DiskWritten, Step, WorkerBegan
from interrex.supervision.interface import Claim, Forget, Release, Signal, Spawn, Sweep
from interrex.worker.gate import ASSIGNMENT_FACT, EPOCH_FACT
from interrex.worker.interface import EndWorker, Leave, MessageReceived, StartWorker

COMMANDS = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)
_HEADS = frozenset(msgspec.msgpack.encode(kind.__name__)[:6] for kind in COMMANDS)
"""How a command's name begins on the wire, behind the byte that opens the message."""
_OBEYING: dict[type, frozenset[type]] = {
    Assignment: frozenset({Claim, Release, Forget, Spawn, Signal, Sweep}),
    Routes: frozenset({Claim, Release, Forget, Spawn, Signal, Sweep}),
    LaunchWorker: frozenset({StartWorker}),
    KillWorker: frozenset({EndWorker}),
    Dismiss: frozenset({Leave}),
}


class Epochs(Watch):
    """Believes what is on the disk: the epoch and the assignment that were last written there."""

    promise = "an older epoch is refused"

    def __init__(self) -> None:
        super().__init__()
        self._on_disk: dict[WorkerName, int] = {}
        self._assigned: dict[WorkerName, tuple[int, int]] = {}
        """The epoch and version of the assignment on disk."""
        self.events = {MessageReceived: self._received}
        self.effects = {Spawn: self._spawned}
        self.occurrences = {
            WorkerBegan: self._began,
            DiskWritten: self._written,
            DiskHarmed: self._harmed,
        }

    def _began(self, at: int, began: WorkerBegan) -> None:
        found = int(began.stored.facts.get(EPOCH_FACT, b"0"))
        before = self._on_disk.get(began.worker, 0)
        if found < before and began.stored.facts:
            raise self.broken(f"{began.worker} begins with epoch {found}, it was {before}")
        self._on_disk[began.worker] = found
        if not began.stored.facts:
            self._assigned.pop(began.worker, None)

    def _harmed(self, at: int, harmed: DiskHarmed) -> None:
        self._on_disk.pop(harmed.worker, None)
        self._assigned.pop(harmed.worker, None)

    def _written(self, at: int, written: DiskWritten) -> None:
        for record in written.records:
            if type(record) is not SetFact:
                continue
            if record.key == ASSIGNMENT_FACT:
                self._reassigned(written.worker, record.value)
            elif record.key == EPOCH_FACT:
                epoch, before = int(record.value), self._on_disk.get(written.worker, 0)
                if epoch < before:
                    raise self.broken(f"{written.worker}'s epoch on disk falls: {before} {epoch}")
                self._on_disk[written.worker] = epoch

    def _reassigned(self, worker: WorkerName, value: bytes) -> None:
        assignment = stored_assignment(value)
        if assignment is not None:
            order = (assignment.epoch, assignment.version)
            before = self._assigned.get(worker, order)
            if order < before:
                raise self.broken(f"{worker}'s assignment falls from {before} to {order}")
            self._assigned[worker] = order

    def _received(self, step: Step, event: MessageReceived) -> None:
        if event.payload[1:7] not in _HEADS:
            return
        try:
            command = decode(event.payload)
        except msgspec.MsgspecError:
            return
        if not isinstance(command, COMMANDS):
            return
        epoch, newest = epoch_of(command), self._on_disk.get(step.worker, 0)
        refused = any(type(e) is Note and e.kind == "command.refused" for e in step.effects)
        if epoch < newest and not refused:
            self._does_nothing(step, type(command), epoch, newest)

    def _does_nothing(self, step: Step, kind: type, epoch: int, newest: int) -> None:
        """Who refuses says so; whatever else the same step did has then another reason."""
        obeying = _OBEYING[kind]
        for effect in step.effects:
            stored = type(effect) is Persist and any(
                type(record) is SetFact and record.key in (EPOCH_FACT, ASSIGNMENT_FACT)
                for record in effect.records
            )
            if stored or type(effect) in obeying:
                raise self.broken(
                    f"{step.worker} obeyed a {kind.__name__} of epoch {epoch} with "
                    f"{type(effect).__name__}, while its disk holds epoch {newest}"
                )

    def _spawned(self, step: Step, spawn: Spawn) -> None:
        newest = self._on_disk.get(step.worker, 0)
        if spawn.epoch > newest:
            raise self.broken(
                f"{step.worker} starts {spawn.slot} under epoch {spawn.epoch}, "
                f"while its disk holds epoch {newest}"
            )
