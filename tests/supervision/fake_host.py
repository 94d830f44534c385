"""A host made of thin air: interprets supervision's effects with simulated processes and time.

It also holds supervision to its contract: whatever breaks a rule of the interface raises
``RuleBrokenError`` at the effect that broke it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from interrex.core.ids import ServiceName, SlotName
from interrex.core.journal import Note
from interrex.core.replicas import ReplicaReport, ReplicaState, SlotAssignment
from interrex.core.spec import Check, CheckKind, Health, Restart, ServiceSpec
from interrex.core.time import MS, S, seconds
from interrex.supervision.host import Supervisor
from interrex.supervision.interface import (
    Assigned,
    Claim,
    Claimed,
    ClaimOutcome,
    Exited,
    Forget,
    Probe,
    Probed,
    Release,
    Signal,
    Spawn,
    Spawned,
    SpawnFailed,
    SupervisionEffect,
    SupervisionEvent,
    Sweep,
    Swept,
    WakeUp,
)
from interrex.supervision.lateness import Lateness

READY_CHECK = Check(kind=CheckKind.HTTP, path="/ready")
LIVE_CHECK = Check(kind=CheckKind.HTTP, path="/live")
CHECKED = Health(startup=READY_CHECK, liveness=LIVE_CHECK, readiness=READY_CHECK)


class RuleBrokenError(AssertionError):
    """Supervision asked for something that it must never ask for."""


def service(
    name: str = "web",
    *,
    health: Health = CHECKED,
    restart: Restart | None = None,
    stop_timeout: float = 10.0,
) -> ServiceSpec:
    return ServiceSpec(
        name=ServiceName(name),
        command=("serve",),
        health=health,
        restart=restart or Restart(),
        stop_timeout=stop_timeout,
    )


def slots(
    spec: ServiceSpec, count: int, *, generation: int = 1, wanted: bool = True
) -> list[SlotAssignment]:
    return [
        SlotAssignment(SlotName(f"{spec.name}.{n}"), spec, 8000 + n, generation, wanted)
        for n in range(count)
    ]


@dataclass
class Program:
    """How a started process behaves. Durations in ns, from its start."""

    boots_in: int = 5 * MS
    dies_after: int | None = None
    status: int = 1
    ignores_sigterm: bool = False
    leaves: int = 0
    cannot_start: str = ""
    port_taken: bool = False
    usurped: bool = False  # a stranger answers on its port


@dataclass
class Process:
    slot: SlotName
    incarnation: int
    generation: int
    port: int
    pid: int
    born: int
    program: Program
    adopted: bool = False  # not our child: its exit status is unknown
    alive: bool = True
    hung: bool = False
    live_fails: bool = False
    ready_fails: bool = False
    swept: bool = False


@dataclass
class FakeHost:
    """One host and one worker's supervision core, driven in simulated time.

    ``program`` says how the next process of a slot behaves; ``dependency_up`` False makes every
    check of every process fail, and ``fatal_dependency`` makes processes die of it at birth.
    """

    seed: int = 1
    program: Callable[[SlotName], Program] = field(default=lambda _slot: Program())
    now: int = 1 * S
    latency: int = 0
    sweep_takes: int = 0
    locked_elsewhere: set[SlotName] = field(default_factory=set)
    dependency_up: bool = True
    fatal_dependency: bool = False

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.lateness = Lateness()
        self.core = Supervisor(Random(self.seed), self.lateness)
        self.processes: dict[SlotName, Process] = {}
        self.held: set[SlotName] = set()
        self.notes: list[tuple[int, Note]] = []
        self.effects: list[tuple[int, SupervisionEffect]] = []
        self.starts: list[tuple[int, Process]] = []
        self.asked: set[tuple[SlotName, int, Check]] = set()
        self.epoch = 1
        self._queue: list[tuple[int, int, Callable[[], SupervisionEvent | None]]] = []
        self._serial = 0
        self._pid = 100
        self._specs: dict[SlotName, ServiceSpec] = {}
        self._last_answer: dict[SlotName, int] = {}

    # What a test does

    def assign(self, *assignments: SlotAssignment, epoch: int | None = None) -> None:
        self.epoch = epoch if epoch is not None else self.epoch
        for assignment in assignments:
            # Probes in flight belong to the old checks: their answers count no more.
            if self._specs.get(assignment.slot) != assignment.spec:
                self.asked = {asked for asked in self.asked if asked[0] != assignment.slot}
            self._specs[assignment.slot] = assignment.spec
        self.tell(Assigned(self.epoch, assignments))

    def tell(self, event: SupervisionEvent) -> list[SupervisionEffect]:
        effects = self.core.step(event, self.now)
        for effect in effects:
            self.effects.append((self.now, effect))
            self._perform(effect)
        return effects

    def run(self, duration: int) -> None:
        """Let simulated time pass."""
        self.run_until(lambda: False, duration)

    def run_until(self, condition: Callable[[], bool], limit: int = 600 * S) -> bool:
        """Let time pass until the condition holds; whether it came to hold within the limit."""
        end = self.now + limit
        while not condition():
            due = self._queue[0][0] if self._queue else None
            wake_at = self.core.wake_at
            times = [time for time in (due, wake_at) if time is not None]
            if not times or min(times) > end:
                self.now = end
                return condition()
            self.now = max(self.now, min(times))
            if due is not None and due <= self.now:
                event = heappop(self._queue)[2]()
                if event is not None:
                    self.tell(event)
            else:
                self.tell(WakeUp())
        return True

    def all_are(self, state: ReplicaState) -> Callable[[], bool]:
        return lambda: all(report.state is state for report in self.core.reports())

    def report(self, slot: str) -> ReplicaReport:
        return next(report for report in self.core.reports() if report.slot == slot)

    def state(self, slot: str) -> ReplicaState:
        return self.report(slot).state

    def states(self) -> list[ReplicaState]:
        return [report.state for report in self.core.reports()]

    def kill(self, *names: str, status: int = -9) -> None:
        """Processes die of something that is not supervision, all at one instant."""
        for name in names:
            self._die(self.processes[SlotName(name)], status)
        self.run(0)

    def mend(self) -> None:
        """Everything that was broken works again."""
        self.dependency_up = True
        self.program = lambda _slot: Program()
        self.locked_elsewhere.clear()
        for process in self.processes.values():
            process.hung = process.live_fails = process.ready_fails = False
            process.program.boots_in = 0

    def living(self) -> list[Process]:
        return [process for process in self.processes.values() if process.alive]

    def noted(self, kind: str) -> list[str]:
        return [note.text for _, note in self.notes if note.kind == f"replica.{kind}"]

    def found_running(self, assignment: SlotAssignment, incarnation: int = 7) -> Process:
        """A process of a worker that is no more."""
        process = Process(
            assignment.slot, incarnation, assignment.generation, assignment.port,
            self._new_pid(), 0, Program(), adopted=True,
        )  # fmt: skip
        self.processes[assignment.slot] = process
        return process

    # What supervision asks for

    def _perform(self, effect: SupervisionEffect) -> None:
        match effect:
            case Note():
                self.notes.append((self.now, effect))
            case Claim():
                self._claim(effect.slot)
            case Release() | Forget():
                self._unlock(effect)
            case Spawn():
                self._spawn(effect)
            case Signal():
                self._signal(effect)
            case Sweep():
                self._sweep(effect)
            case Probe():
                self._probe(effect)

    def _claim(self, slot: SlotName) -> None:
        self._rule(slot not in self.held, f"{slot} is claimed though it is held")
        if slot in self.locked_elsewhere:
            self._answer(Claimed(slot, ClaimOutcome.LOCKED))
            return
        self.held.add(slot)
        process = self.processes.get(slot)
        if process is None:
            self._answer(Claimed(slot, ClaimOutcome.ABSENT))
            return
        process.adopted = True
        self._in_order(slot, 0, lambda: self._claimed(process))

    def _claimed(self, process: Process) -> SupervisionEvent:
        process.swept = process.swept and process.alive
        outcome = ClaimOutcome.ADOPTED if process.alive else ClaimOutcome.GONE
        return Claimed(
            process.slot, outcome, process.incarnation, process.generation,
            process.pid if process.alive else None, process.port,
        )  # fmt: skip

    def _unlock(self, effect: Release | Forget) -> None:
        self._rule(effect.slot in self.held, f"{effect} without the record")
        self.held.discard(effect.slot)
        self.asked = {asked for asked in self.asked if asked[0] != effect.slot}
        if isinstance(effect, Forget):
            process = self.processes.pop(effect.slot, None)
            left = process is not None and not process.swept
            self._rule(not left, f"{effect.slot} is forgotten with processes left")

    def _spawn(self, effect: Spawn) -> None:
        slot = effect.slot
        before = self.processes.get(slot)
        self._rule(slot in self.held, f"{slot} is started without its record")
        self._rule(before is None or not before.alive, f"{slot} is started while it lives")
        self._rule(before is None or before.swept, f"{slot} is started before it was swept")
        self._rule(
            before is None or effect.incarnation > before.incarnation, "incarnations only rise"
        )
        program = self.program(slot)
        if program.cannot_start:
            self._answer(
                SpawnFailed(slot, effect.incarnation, program.cannot_start, program.port_taken)
            )
            return
        process = Process(
            slot, effect.incarnation, effect.generation, effect.port, self._new_pid(), self.now,
            program,
        )  # fmt: skip
        self.processes[slot] = process
        self.starts.append((self.now, process))
        self._answer(Spawned(slot, effect.incarnation, process.pid))
        if program.dies_after is not None:
            self._later(program.dies_after, lambda: self._die(process, program.status))
        if self.fatal_dependency and not self.dependency_up:
            self._later(20 * MS, lambda: self._die(process, 1))

    def _signal(self, effect: Signal) -> None:
        process = self.processes.get(effect.slot)
        self._rule(effect.slot in self.held, f"{effect} without the record")
        self._rule(
            process is not None and process.incarnation == effect.incarnation,
            f"{effect} is for a stale incarnation",
        )
        assert process is not None
        if effect.signal == "SIGKILL":
            self._later(0, lambda: self._die(process, -9))
        elif not (process.program.ignores_sigterm or process.hung):
            self._later(3 * MS, lambda: self._die(process, 0))

    def _die(self, process: Process, status: int) -> None:
        if process.alive:
            process.alive = False
            known = None if process.adopted else status
            self._in_order(process.slot, 0, lambda: self._exited(process, known))

    def _exited(self, process: Process, status: int | None) -> SupervisionEvent | None:
        if process.slot not in self.held:
            return None
        return Exited(process.slot, process.incarnation, status)

    def _sweep(self, effect: Sweep) -> None:
        process = self.processes[effect.slot]
        self._rule(effect.slot in self.held, f"{effect} without the record")
        self._rule(not process.alive, f"{effect.slot} is swept while it lives")
        process.swept = True
        swept = Swept(effect.slot, effect.incarnation, process.program.leaves)
        self._answer(swept, self.sweep_takes)

    def _probe(self, effect: Probe) -> None:
        process = self.processes[effect.slot]
        self._rule(process.incarnation == effect.incarnation, f"{effect} of a stale incarnation")
        self._rule(process.port == effect.port, f"{effect.slot} is asked on a wrong port")
        asked = (effect.slot, effect.incarnation, effect.check)
        self._rule(asked not in self.asked, f"two probes of a kind in flight: {asked}")
        self.asked.add(asked)
        timed_out = process.alive and process.hung
        delay = seconds(effect.check.timeout) if timed_out else MS // 2
        self._later(delay, lambda: self._probed(effect, process, asked, timed_out))

    def _probed(
        self,
        effect: Probe,
        process: Process,
        asked: tuple[SlotName, int, Check],
        timed_out: bool,
    ) -> SupervisionEvent:
        self.asked.discard(asked)
        if process.program.usurped and effect.own:
            detail = "port 8000 is answered by another program: nc (pid 7)"
            return Probed(effect.slot, effect.incarnation, effect.probe, False, detail, False, True)
        detail = "timed out" if timed_out else self._complaint(process, effect.check)
        return Probed(effect.slot, effect.incarnation, effect.probe, not detail, detail, timed_out)

    def _complaint(self, process: Process, check: Check) -> str:
        if not process.alive or self.now - process.born < process.program.boots_in:
            return "connection refused"
        fails = process.live_fails if check.path == "/live" else process.ready_fails
        return "answered 500" if fails or not self.dependency_up else ""

    # Time

    def _answer(self, event: Claimed | Spawned | SpawnFailed | Swept, delay: int = 0) -> None:
        self._in_order(event.slot, delay, lambda: event)

    def _in_order(
        self, slot: SlotName, delay: int, what: Callable[[], SupervisionEvent | None]
    ) -> None:
        """What is told of one slot is told in the order in which it happened."""
        earliest = self._last_answer.get(slot, 0)
        self._last_answer[slot] = self._later(max(delay, earliest - self.now), what)

    def _later(self, delay: int, what: Callable[[], SupervisionEvent | None]) -> int:
        self._serial += 1
        time = self.now + delay + self.random.randrange(self.latency + 1)
        heappush(self._queue, (time, self._serial, what))
        return time

    def _new_pid(self) -> int:
        self._pid += 1
        return self._pid

    def _rule(self, kept: bool, what: str) -> None:
        if not kept:
            raise RuleBrokenError(what)
