"""A replica as the worker that supervises it sees and reports it."""

from enum import StrEnum

import msgspec

from interrex.core.ids import SlotName
from interrex.core.spec import ServiceSpec

MAX_REASON_BYTES = 160
"""The longest reason in a report: there is one for each replica, all in one message."""


class ReplicaState(StrEnum):
    """Where a slot stands. The transitions are in ``supervision.lifecycle``."""

    CLAIMING = "claiming"  # taking the record's lock, looking for a process to adopt
    STARTING = "starting"  # being started, or running and the startup check has not succeeded yet
    RUNNING = "running"  # alive, not to be sent requests (readiness fails)
    READY = "ready"
    STOPPING = "stopping"  # asked to stop, not dead yet
    SWEEPING = "sweeping"  # main process dead, what it left behind is being killed
    WAITING = "waiting"  # dead, its next start is at a known time
    HELD = "held"  # dead, held back because all replicas of the service fail together
    BLOCKED = "blocked"  # cannot be started: the reason says why; tried again slowly
    STOPPED = "stopped"  # dead, as asked


class SlotAssignment(msgspec.Struct, frozen=True, array_like=True):
    """One slot that the leader has placed on a worker.

    ``generation`` rises when the process has to be replaced (a change of the service, a restart
    asked for); ``wanted`` False means stop it and keep it stopped.
    """

    slot: SlotName
    spec: ServiceSpec
    port: int
    generation: int
    wanted: bool = True


class ReplicaReport(msgspec.Struct, frozen=True, array_like=True):
    """What a worker says of one of its slots."""

    slot: SlotName
    state: ReplicaState
    generation: int
    port: int
    pid: int | None
    incarnation: int
    restarts: int
    crash_looping: bool
    reason: str
    since: int
    """When it entered this state: ns of its host's boot-time clock."""
    port_taken: bool = False
    """A stranger listens on its port: it needs another one."""
    unproven: bool = False
    """Being claimed, or adopted and not asked yet: it may well be serving, so routes stay."""
    ill: bool = False
    """Its latest liveness answer was bad, or it has not been ready since it failed last."""
    failing: bool = False
    """It fails again and again, or its liveness fails and a restart is not thought to help."""
    asked: int | None = None
    """The generation that its worker was last told to run, where it says so; ``generation`` is the
    last that ran."""
