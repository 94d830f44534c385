"""What supervision hears from its host's processes and asks of them.

The runtime and the simulator interpret these effects; the worker passes the events on. An
*incarnation* counts the processes that a slot has had: an event about an older one is stale.
"""

from enum import StrEnum

import msgspec

from interrex.core.ids import SlotName
from interrex.core.journal import Note
from interrex.core.replicas import ReplicaReport, SlotAssignment
from interrex.core.spec import Check, ServiceSpec


class ClaimOutcome(StrEnum):
    """What was found when a slot's record was locked."""

    ADOPTED = "adopted"  # its process lives and is the recorded one
    GONE = "gone"  # a record, its main process dead (remains may live: sweep first)
    ABSENT = "absent"  # no record: never started here
    LOCKED = "locked"  # another live worker holds the record


# Events


class Assigned(msgspec.Struct, frozen=True):
    """The whole of what this worker supervises; slots no longer named are released, not killed.

    ``confirmed``: a leader has said so in this life of the worker. Otherwise it is what the disk
    had: since then a slot may have been moved, or stopped for good.
    """

    epoch: int
    slots: tuple[SlotAssignment, ...]
    confirmed: bool = True


class ReportedElsewhere(msgspec.Struct, frozen=True):
    """What the other workers, of all hosts, report of their replicas: the whole of it.

    So that a failure that all replicas of a service share is seen as such wherever they run.
    Without it, supervision knows this worker's replicas only.
    """

    replicas: tuple[ReplicaReport, ...]


class Claimed(msgspec.Struct, frozen=True):
    """The answer to ``Claim``. With ADOPTED and GONE, the process's facts as its record holds
    them; the incarnation that follows is numbered from there."""

    slot: SlotName
    outcome: ClaimOutcome
    incarnation: int = 0
    generation: int = 0
    pid: int | None = None
    port: int = 0


class Spawned(msgspec.Struct, frozen=True):
    slot: SlotName
    incarnation: int
    pid: int


class SpawnFailed(msgspec.Struct, frozen=True):
    """The process could not be started; ``port_taken`` when a stranger listens on its port."""

    slot: SlotName
    incarnation: int
    reason: str
    port_taken: bool = False


class Exited(msgspec.Struct, frozen=True):
    """The main process is dead: proof. ``status`` as in waitpid (negative: signal), None where
    it was adopted and the kernel told its parent only."""

    slot: SlotName
    incarnation: int
    status: int | None


class Swept(msgspec.Struct, frozen=True):
    """Nothing of this incarnation's processes is left; ``killed`` of them were found."""

    slot: SlotName
    incarnation: int
    killed: int


class Probed(msgspec.Struct, frozen=True):
    """The answer to ``Probe``; ``detail`` says what was wrong.

    ``timed_out`` tells a replica that does not answer (hung) from one that answers badly;
    ``stranger`` that another program answered in its place, which ``detail`` names; ``unasked``
    that the worker lacked what it takes to ask, which says nothing of the replica.
    """

    slot: SlotName
    incarnation: int
    probe: int
    ok: bool
    detail: str = ""
    timed_out: bool = False
    stranger: bool = False
    unasked: bool = False


class WakeUp(msgspec.Struct, frozen=True):
    """The time in ``wake_at`` has come."""


SupervisionEvent = (
    Assigned
    | ReportedElsewhere
    | Claimed
    | Spawned
    | SpawnFailed
    | Exited
    | Swept
    | Probed
    | WakeUp
)


# Effects


class Claim(msgspec.Struct, frozen=True):
    """Lock the slot's record and look for a live process of it: answered by ``Claimed``."""

    slot: SlotName


class Release(msgspec.Struct, frozen=True):
    """Unlock the slot's record and forget the process, which lives on."""

    slot: SlotName


class Forget(msgspec.Struct, frozen=True):
    """The slot is stopped for good: delete its record and unlock it."""

    slot: SlotName


class Spawn(msgspec.Struct, frozen=True):
    """Write the intent into the record, start the process: ``Spawned`` or ``SpawnFailed``.

    Its environment gets PORT, INTERREX_EPOCH, INTERREX_SLOT and an instance id.
    """

    slot: SlotName
    incarnation: int
    generation: int
    epoch: int
    port: int
    spec: ServiceSpec


class Signal(msgspec.Struct, frozen=True):
    """Send a signal (``SIGTERM``) to the process group of the slot's live incarnation."""

    slot: SlotName
    incarnation: int
    signal: str


class Sweep(msgspec.Struct, frozen=True):
    """Kill whatever the dead main process left behind: answered by ``Swept``."""

    slot: SlotName
    incarnation: int


class Probe(msgspec.Struct, frozen=True):
    """Ask the replica once: answered by ``Probed`` at the latest after the check's time-out.

    ``own``: who answers on its port has to be the replica, not a stranger that came first.
    """

    slot: SlotName
    incarnation: int
    probe: int
    port: int
    check: Check
    spec: ServiceSpec
    own: bool = False


SupervisionEffect = Claim | Release | Forget | Spawn | Signal | Sweep | Probe | Note
