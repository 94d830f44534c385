"""Where a slot stands: its state and its facts, and how they are said.

``Slot`` decides; what is in here only tells, to the governor, in reports and in notes, and holds
the two rules that every decision obeys: states follow the table, and one answer is awaited at a
time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from random import Random

from interrex.core.errors import ensure
from interrex.core.ids import SlotName
from interrex.core.journal import Note
from interrex.core.replicas import MAX_REASON_BYTES, ReplicaReport, SlotAssignment
from interrex.core.replicas import ReplicaState as State
from interrex.core.time import seconds
from interrex.supervision.governor import NEVER, Governor
from interrex.supervision.health import Health, plan_of
from interrex.supervision.history import History
from interrex.supervision.interface import SupervisionEffect
from interrex.supervision.lateness import Lateness
from interrex.supervision.lifecycle import Cause, next_state
from interrex.supervision.words import shortened


class Awaiting(Enum):
    """The answer without which nothing can be decided."""

    CLAIM = auto()
    SPAWN = auto()
    SWEEP = auto()


@dataclass(slots=True)
class Desk:
    """What all slots of a host share: chance, the effects of this step, and who was touched.

    Probes are numbered through, so that an answer to an earlier holder of a slot fits nobody.
    """

    chance: Random
    lateness: Lateness = field(default_factory=Lateness)
    probe_numbers: Iterator[int] = field(default_factory=lambda: count(1))
    effects: list[SupervisionEffect] = field(default_factory=list)
    touched: dict[SlotName, None] = field(default_factory=dict)


class Standing:
    """A slot's state and facts.

    ``incarnation``: of the present or last process; ``newest``: the highest number given away.
    ``gone``: released, to be dropped. ``queued_at`` belongs to the host's queue of wake-ups.
    """

    def __init__(
        self, assignment: SlotAssignment, epoch: int, desk: Desk, governor: Governor, newest: int
    ) -> None:
        spec = assignment.spec
        self.name = assignment.slot
        self.assignment = assignment
        self.epoch = epoch
        self.state = State.CLAIMING
        self.since = 0
        self.reason = ""
        self.incarnation = newest
        self.newest = newest
        self.pid: int | None = None
        self.restarting_for_liveness = False
        self.last_ready = NEVER
        self.gone = False
        self.queued_at: int | None = None
        self._desk = desk
        self._governor = governor
        self._ran: tuple[int, int] | None = None  # generation and port of the last process
        self._awaiting: Awaiting | None = None
        self._leaving = False
        self._adopted = False
        self._record_held = False
        self._confirmed = False
        self._unsure = False
        self._health: Health | None = None
        self._timer: int | None = None
        self._spawned_at = 0
        self._port_taken = False
        self._suspension = ""
        self._hold_noted = False
        self._kills = 0
        self._history = History(desk.chance, spec.restart)
        self._plan = plan_of(spec.health)
        self._stop_timeout = seconds(spec.stop_timeout)

    # What the host and the governor see

    @property
    def wake_at(self) -> int | None:
        if self._health is None or self._health.wake_at is None:
            return self._timer
        if self._timer is None:
            return self._health.wake_at
        return min(self._timer, self._health.wake_at)

    @property
    def held_elsewhere(self) -> bool:
        """Whether another worker held its record when it was asked for last."""
        return self.state is State.CLAIMING and self._awaiting is None and not self._unsure

    @property
    def keeps_failing(self) -> bool:
        return self._history.failures > 1 and not self._history.recovered and self._down

    @property
    def bears_witness(self) -> bool:
        """Whether it says anything about another replica's failing liveness."""
        if self._down:
            return not self._history.recovered
        return self._health is not None and self._health.liveness is not None

    @property
    def well_at(self) -> int:
        """When its liveness succeeded, if that was its latest answer."""
        liveness = self._health.liveness if self._health is not None else None
        if liveness is None or not liveness.ok or liveness.answered_at is None:
            return NEVER
        return liveness.answered_at if not self._down else NEVER

    @property
    def liveness_failures(self) -> tuple[int, int]:
        """When its failing liveness failed first, and when last."""
        liveness = self._health.liveness if self._health is not None else None
        if liveness is None or liveness.answered_at is None:
            return NEVER, NEVER
        return liveness.bad_since, liveness.answered_at

    @property
    def _down(self) -> bool:
        return self.state not in (State.RUNNING, State.READY)

    @property
    def _outdated(self) -> bool:
        """Whether the process that ran last is not what is asked for now.

        A process newer than the assignment is left alone: the assignment is what is old.
        """
        if self._ran is None:
            return False
        generation, port = self._ran
        wanted = self.assignment
        return generation < wanted.generation or (
            generation == wanted.generation and port != wanted.port
        )

    def report(self) -> ReplicaReport | None:
        """How the slot stands; None once it is not this worker's any more."""
        if self._leaving:
            return None
        generation, port = self._ran or (0, self.assignment.port)
        return ReplicaReport(
            slot=self.name,
            state=self.state,
            generation=generation,
            port=port if self.pid is not None else self.assignment.port,
            pid=self.pid,
            incarnation=self.incarnation,
            restarts=self._history.restarts,
            crash_looping=self._history.crash_looping,
            reason=shortened(self.reason, MAX_REASON_BYTES),
            since=self.since,
            port_taken=self._port_taken,
            unproven=self._unproven,
            ill=self._ill,
            failing=self.keeps_failing or bool(self._suspension),
            asked=self.assignment.generation,
        )

    @property
    def _ill(self) -> bool:
        if self._down:
            return not self._history.recovered
        liveness = self._health.liveness if self._health is not None else None
        return liveness is not None and liveness.bad > 0

    @property
    def _unproven(self) -> bool:
        if self.state is not State.RUNNING:
            return self.state is State.CLAIMING
        gate = self._health.gate if self._health is not None else None
        return gate is not None and self._adopted and gate.answered_at is None

    # Small things

    def _new_health(self, now: int) -> Health:
        desk = self._desk
        return Health(self._plan, desk.chance, desk.probe_numbers, now, desk.lateness)

    def _move(self, cause: Cause, now: int, reason: str = "") -> None:
        self._touch()
        after = next_state(self.state, cause)
        if after is not self.state:
            self.since = now
            if after not in (State.RUNNING, State.READY):
                self._timer = None
        self.state = after
        self.reason = reason
        self._port_taken = False

    def _await(self, answer: Awaiting) -> None:
        ensure(self._awaiting is None, f"{self.name} awaits {self._awaiting} already")
        self._awaiting = answer

    def _last_failure(self) -> str:
        failure = self._history.failure
        return f"{failure}; " if failure else ""

    def _emit(self, effect: SupervisionEffect) -> None:
        self._desk.effects.append(effect)

    def _note(self, kind: str, text: str, epoch: int | None = None) -> None:
        self._emit(
            Note(kind=f"replica.{kind}", text=f"{self.name} {text}", slot=self.name, epoch=epoch)
        )

    def _touch(self) -> None:
        self._desk.touched[self.name] = None
