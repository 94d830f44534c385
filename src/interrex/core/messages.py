"""What workers say to each other, as typed msgpack messages.

Commands (``Assignment``, ``Routes``, ``LaunchWorker``, ``KillWorker``, ``Retire``) carry the epoch
of the leader that gives them: a worker that has seen a newer epoch refuses them.

No message is longer than ``MAX_MESSAGE_BYTES``: what would need longer ones is refused when it is
asked for (``core.sizes``).
"""

import msgspec

from interrex.core.decoding import decoded
from interrex.core.ids import ChangeId, HostName, SlotName, WorkerName
from interrex.core.replicas import ReplicaReport, SlotAssignment
from interrex.core.routes import RouteTable
from interrex.core.spec import HostSpec, ServiceSpec
from interrex.core.state import Operation

MAX_MESSAGE_BYTES = 1024 * 1024


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages."""


class ElectionMail(Message, frozen=True):
    """The election's own bytes."""

    payload: bytes


class BalancerReport(msgspec.Struct, frozen=True, array_like=True):
    """Which routes a balancer follows, and which draining slots still have requests there.

    ``left_out``: which services cannot be reached through it, and why; empty when all can.
    """

    slot: SlotName
    epoch: int
    version: int
    busy: tuple[SlotName, ...] = ()
    left_out: str = ""


class Report(Message, frozen=True):
    """All that a worker supervises, sent to every peer when it changes.

    ``version`` rises with every change; ``disk_full``: what it is to write waits for space;
    ``obstacle``: what its election meets that somebody has to mend.
    """

    host: HostName
    pid: int
    version: int
    replicas: tuple[ReplicaReport, ...]
    balancers: tuple[BalancerReport, ...]
    leaving: bool
    disk_full: bool = False
    obstacle: str = ""


class Alive(Message, frozen=True):
    """Sent to every peer in the absence of anything else: silence means hung or cut off."""

    version: int


class Assignment(Message, frozen=True):
    """Command: the whole of what a worker supervises."""

    epoch: int
    version: int
    slots: tuple[SlotAssignment, ...]


class Routes(Message, frozen=True):
    """Command: what the balancers of a host send where."""

    table: RouteTable


class LaunchWorker(Message, frozen=True):
    """Command: start a worker of your host."""

    epoch: int
    worker: WorkerName


class KillWorker(Message, frozen=True):
    """Command: a worker of your host is silent; kill it through its pidfd."""

    epoch: int
    worker: WorkerName


class Dismiss(Message, frozen=True):
    """Command: the cluster no longer needs you; hand over nothing (it is done) and end."""

    epoch: int


class Submit(Message, frozen=True):
    """Ask the leader for a change; answered by ``Submitted``."""

    change: ChangeId
    operations: tuple[Operation, ...]


class Submitted(Message, frozen=True):
    """``index`` is where the change was applied; None: not done, ``reason`` says why."""

    change: ChangeId
    index: int | None
    reason: str


class Known(Message, frozen=True):
    """Which workers there are, and where, by the sender's state as of ``index``: said to whoever
    joins, so that one that has fallen behind knows those who can tell it the rest."""

    index: int
    workers: int
    hosts: tuple[HostSpec, ...]


class Founded(Message, frozen=True):
    """What a worker of several hosts knows of its cluster's founding: said to whoever joins.

    ``birthmark`` was drawn when the sender's part of the cluster was made; ``founders`` are those
    of all first members, once they are on the sender's disk; ``waits``: it does not vote yet.
    """

    birthmark: int
    founders: dict[WorkerName, int]
    waits: bool


class HandOver(Message, frozen=True):
    """Ask the leader to let another worker lead."""

    successor: WorkerName | None


PeerMessage = (
    ElectionMail
    | Report
    | Alive
    | Assignment
    | Routes
    | LaunchWorker
    | KillWorker
    | Dismiss
    | Submit
    | Submitted
    | Known
    | Founded
    | HandOver
)

Command = Assignment | Routes | LaunchWorker | KillWorker | Dismiss


class _PackedSlot(msgspec.Struct, frozen=True, array_like=True):
    """A ``SlotAssignment`` whose spec is named by its place among the assignment's."""

    slot: SlotName
    spec: int
    port: int
    generation: int
    wanted: bool


class _PackedAssignment(Message, frozen=True, tag="Assignment"):
    """An ``Assignment`` as it travels: the slots of a service share one copy of its spec."""

    epoch: int
    version: int
    specs: tuple[ServiceSpec, ...]
    slots: tuple[_PackedSlot, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[PeerMessage | _PackedAssignment] = msgspec.msgpack.Decoder(
    ElectionMail
    | Report
    | Alive
    | _PackedAssignment
    | Routes
    | LaunchWorker
    | KillWorker
    | Dismiss
    | Submit
    | Submitted
    | Known
    | Founded
    | HandOver
)


def encode(message: PeerMessage) -> bytes:
    return _encoder.encode(_packed(message) if isinstance(message, Assignment) else message)


def decode(data: bytes | memoryview) -> PeerMessage:
    """Raises msgspec.MsgspecError where the bytes are no message."""
    message = decoded(_decoder.decode, data)
    return _unpacked(message) if isinstance(message, _PackedAssignment) else message


def _packed(assignment: Assignment) -> _PackedAssignment:
    places: dict[int, int] = {}
    specs: list[ServiceSpec] = []
    slots = []
    for slot in assignment.slots:
        place = places.get(id(slot.spec))
        if place is None:
            place = places[id(slot.spec)] = len(specs)
            specs.append(slot.spec)
        slots.append(_PackedSlot(slot.slot, place, slot.port, slot.generation, slot.wanted))
    return _PackedAssignment(assignment.epoch, assignment.version, tuple(specs), tuple(slots))


def _unpacked(packed: _PackedAssignment) -> Assignment:
    specs = packed.specs
    if any(not 0 <= slot.spec < len(specs) for slot in packed.slots):
        raise msgspec.ValidationError("a slot of the assignment has no spec")
    slots = tuple(
        SlotAssignment(slot.slot, specs[slot.spec], slot.port, slot.generation, slot.wanted)
        for slot in packed.slots
    )
    return Assignment(packed.epoch, packed.version, slots)


def epoch_of(command: Command) -> int:
    """The epoch under which a command was given."""
    return command.table.epoch if isinstance(command, Routes) else command.epoch
