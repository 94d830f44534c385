"""What a checker sees of a simulated world: every step of every worker, and what befell the world.

Checkers are told in the order of simulated time, and read; they change nothing. What they believe
comes from here alone, so that a checker is independent of the code it checks.
"""

from enum import StrEnum
from typing import Protocol

import msgspec

from interrex.core.ids import ChangeId, HostName, SlotName, WorkerName
from interrex.core.routes import RouteTable
from interrex.core.state import Operation
from interrex.core.storage import Record, Stored
from interrex.worker.interface import WorkerEffect, WorkerEvent
from interrex.worker.worker import Worker


class Violation(Exception):  # noqa: N818
    """A promise was broken: ``promise`` names the checker, the text says what was seen."""

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(f"{promise}: {text}")
        self.promise = promise
        self.text = text


class Step(msgspec.Struct):
    """One step of one worker's core.

    ``at`` is simulated time (ns), ``now`` what the worker's own clock said; ``life`` numbers the
    starts of workers' processes over the whole world, from 1, and never comes again; ``core`` is
    the worker after the step, to be read only; ``waited`` (ns) is for how long the event was there
    before its loop took it.
    """

    at: int
    now: int
    worker: WorkerName
    life: int
    event: WorkerEvent
    effects: list[WorkerEffect]
    core: Worker
    waited: int = 0


class Cause(StrEnum):
    """Why a process ended."""

    FAULT = "fault"
    """The fault plan killed it, or made it crash."""
    SIGNAL = "signal"
    """The worker that supervises it signalled it."""
    OWN = "own"
    """It ended by itself: a replica that exits, a worker that leaves or stops for safety."""
    MACHINE = "machine"
    """Its machine was lost."""
    PEER = "peer"
    """Another worker killed it for being silent."""


class WorkerBegan(msgspec.Struct, frozen=True):
    """A worker's process began, from ``stored``, under the identity ``member``."""

    worker: WorkerName
    life: int
    host: HostName
    member: int
    stored: Stored


class WorkerEnded(msgspec.Struct, frozen=True):
    worker: WorkerName
    life: int
    cause: Cause
    reason: str


class DiskWritten(msgspec.Struct, frozen=True):
    """A worker's records are on its disk, synced: a crash from now on leaves them there."""

    worker: WorkerName
    life: int
    token: int
    records: tuple[Record, ...]


class DiskHarmed(msgspec.Struct, frozen=True):
    """The fault plan changed what a disk holds: promises kept by that disk alone end here."""

    worker: WorkerName
    what: str


class RecordLost(msgspec.Struct, frozen=True):
    """What a slot's record said is gone: it was damaged, with no process to make it again from,
    or lost with its machine's disks."""

    host: HostName
    slot: SlotName


class ProcessBegan(msgspec.Struct, frozen=True):
    """A service's (or balancer's) process began."""

    host: HostName
    slot: SlotName
    incarnation: int
    pid: int
    port: int
    epoch: int
    by: WorkerName


class ProcessEnded(msgspec.Struct, frozen=True):
    """It ended. ``by`` is who signalled it, where somebody did."""

    host: HostName
    slot: SlotName
    incarnation: int
    pid: int
    cause: Cause
    by: WorkerName | None = None


class OutOfMemory(msgspec.Struct, frozen=True):
    """A service's (or balancer's) process has taken all the memory that it may have. It ends next,
    or answers nothing well any more."""

    host: HostName
    slot: SlotName
    incarnation: int
    pid: int


class Adopted(msgspec.Struct, frozen=True):
    """A worker took a running process up."""

    host: HostName
    slot: SlotName
    pid: int
    by: WorkerName


class RoutesFollowed(msgspec.Struct, frozen=True):
    """A balancer process follows a table from now on."""

    host: HostName
    slot: SlotName
    table: RouteTable


class RequestServed(msgspec.Struct, frozen=True):
    """A client's request to a service had its answer, or none."""

    service: str
    ok: bool
    reason: str = ""


class Asked(msgspec.Struct, frozen=True):
    """A client asked a worker; ``operations`` is empty for a read of what is certainly current."""

    client: int
    request: int
    worker: WorkerName
    change: ChangeId | None
    operations: tuple[Operation, ...]


class Answered(msgspec.Struct, frozen=True):
    """The answer. For a read, ``index`` is that of the state it shows; None where it failed."""

    client: int
    request: int
    worker: WorkerName
    ok: bool
    text: str
    index: int | None


class CoordinationAway(msgspec.Struct, frozen=True):
    """No majority of the coordination service's servers agrees on anything from now on."""


class CoordinationBack(msgspec.Struct, frozen=True):
    """They do again."""


class CoordinationEmptied(msgspec.Struct, frozen=True):
    """The coordination service has lost all data; ``epoch`` is whose leader held it, 0 for none."""

    epoch: int


class CoordinationRestored(msgspec.Struct, frozen=True):
    """All data that it had lost is put back."""


class HoldExpired(msgspec.Struct, frozen=True):
    """The coordination service let the session run out under which the leader of an epoch leads."""

    epoch: int


class FaultBegan(msgspec.Struct, frozen=True):
    """``kind`` is one of the fault families' names; ``number`` pairs it with its end."""

    number: int
    kind: str
    what: str


class FaultEnded(msgspec.Struct, frozen=True):
    number: int


class Healed(msgspec.Struct, frozen=True):
    """All faults have stopped: from now on the fleet must come to what was asked of it."""


Occurrence = (
    WorkerBegan
    | WorkerEnded
    | DiskWritten
    | DiskHarmed
    | RecordLost
    | ProcessBegan
    | ProcessEnded
    | OutOfMemory
    | Adopted
    | RoutesFollowed
    | RequestServed
    | Asked
    | Answered
    | CoordinationAway
    | CoordinationBack
    | CoordinationEmptied
    | CoordinationRestored
    | HoldExpired
    | FaultBegan
    | FaultEnded
    | Healed
)


class Checker(Protocol):
    """Watches one promise. Made anew for every run.

    Whatever it raises but ``Violation`` is an internal error of the simulator.
    """

    promise: str

    def step(self, step: Step) -> None:
        """A worker took an event.

        Raises:
            Violation: the promise is broken.
        """

    def occurred(self, at: int, what: Occurrence) -> None:
        """Something befell the world at simulated time ``at`` (ns).

        Raises:
            Violation: the promise is broken.
        """

    def finish(self, at: int) -> None:
        """The run is over, the liveness phase behind it.

        Raises:
            Violation: the promise is broken.
        """
