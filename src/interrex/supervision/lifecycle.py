"""The life of a slot as a table: which state follows which, and why.

The table is the whole truth: ``Slot`` changes its state only through ``next_state``, which
refuses what is not in here, and the diagram in ``docs/supervision.md`` is drawn from it.
"""

from enum import StrEnum

from interrex.core.errors import InvariantViolation
from interrex.core.replicas import ReplicaState as State


class Cause(StrEnum):
    """Why a slot changes its state; the values are the words beside the diagram's arrows."""

    LOCKED = "another worker holds the record"
    ADOPTED = "a live process was found"
    FOUND_DEAD = "a dead process's record was found"
    START = "start it"
    SPAWN_FAILED = "it cannot be started"
    STARTED = "the startup check succeeded"
    PASSED = "it may be sent requests"
    UNREADY = "readiness fails"
    STOP = "stop it"
    EXITED = "its main process is dead"
    WAIT = "the next start is delayed"
    HOLD = "all replicas fail together"
    FORGET = "not wanted, nothing is left"
    CLAIM = "wanted again"


TRANSITIONS: dict[State, dict[Cause, State]] = {
    State.CLAIMING: {
        Cause.LOCKED: State.CLAIMING,
        Cause.ADOPTED: State.RUNNING,
        Cause.FOUND_DEAD: State.SWEEPING,
        Cause.START: State.STARTING,
        Cause.HOLD: State.HELD,
        Cause.FORGET: State.STOPPED,
    },
    State.STARTING: {
        Cause.SPAWN_FAILED: State.BLOCKED,
        Cause.STARTED: State.RUNNING,
        Cause.PASSED: State.READY,
        Cause.STOP: State.STOPPING,
        Cause.EXITED: State.SWEEPING,
    },
    State.RUNNING: {
        Cause.PASSED: State.READY,
        Cause.STOP: State.STOPPING,
        Cause.EXITED: State.SWEEPING,
    },
    State.READY: {
        Cause.UNREADY: State.RUNNING,
        Cause.STOP: State.STOPPING,
        Cause.EXITED: State.SWEEPING,
    },
    State.STOPPING: {Cause.EXITED: State.SWEEPING},
    State.SWEEPING: {
        Cause.START: State.STARTING,
        Cause.WAIT: State.WAITING,
        Cause.HOLD: State.HELD,
        Cause.FORGET: State.STOPPED,
    },
    State.WAITING: {
        Cause.START: State.STARTING,
        Cause.HOLD: State.HELD,
        Cause.FORGET: State.STOPPED,
    },
    State.HELD: {
        Cause.START: State.STARTING,
        Cause.WAIT: State.WAITING,
        Cause.FORGET: State.STOPPED,
    },
    State.BLOCKED: {
        Cause.START: State.STARTING,
        Cause.HOLD: State.HELD,
        Cause.FORGET: State.STOPPED,
    },
    State.STOPPED: {Cause.CLAIM: State.CLAIMING},
}

ALIVE = frozenset({State.STARTING, State.RUNNING, State.READY})
"""A process runs, or is being started, and nobody asked it to stop."""

DEAD = frozenset({State.WAITING, State.HELD, State.BLOCKED})
"""No process, nothing left of one, the record held, a start to come."""


def next_state(state: State, cause: Cause) -> State:
    """The state after ``cause``.

    Raises:
        InvariantViolation: the cause is impossible in this state; the node must stop.
    """
    after = TRANSITIONS[state].get(cause)
    if after is None:
        raise InvariantViolation(f"a {state} slot cannot change because: {cause}")
    return after
