"""A machine: its processes, their records and locks, its ports and pids.

It does what ``runtime.processes`` does for a worker: whoever supervises a slot holds the lock on
its record, the lock falls with its holder, and a process outlives whoever started it.
"""

from collections.abc import Callable
from typing import Protocol

from interrex.core.errors import InvariantViolation
from interrex.core.ids import BALANCER, HostName, ServiceName, SlotName, WorkerName, service_of
from interrex.core.messages import Known
from interrex.core.routes import RouteTable
from interrex.core.time import MS, S, seconds
from interrex.simulator.agenda import Agenda
from interrex.simulator.balancer import BalancerProcess
from interrex.simulator.chance import Chance
from interrex.simulator.clock import Clock
from interrex.simulator.observation import (
    Adopted,
    Cause,
    Occurrence,
    OutOfMemory,
    ProcessBegan,
    ProcessEnded,
    RecordLost,
)
from interrex.simulator.observation import RoutesFollowed as Followed
from interrex.simulator.replica import Habits, Process
from interrex.supervision.interface import (
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
    Sweep,
    Swept,
)
from interrex.worker.balancers import NO_PROCESS
from interrex.worker.interface import FollowRoutes, RoutesFollowed, WorkerEvent

PIDS = 200
"""So few that pids are soon used again."""
PUBLISH_TIMEOUT = 2 * S
QUICK = MS // 5
KILLED = -9
"""How a process ends that had no say in it."""


class Supervisor(Protocol):
    """A worker's process as its machine sees it."""

    worker: WorkerName
    life: int
    alive: bool

    def post(self, event: WorkerEvent) -> None:
        """Let it take an event."""


class Told(Protocol):
    """Who is told what happens on a machine."""

    def __call__(self, what: Occurrence) -> None: ...


class Record:
    """What the record of a slot holds; ``process`` is what its pid and start time name."""

    __slots__ = ("corrupt", "process")

    def __init__(self, process: Process) -> None:
        self.process = process
        self.corrupt = False


class Held:
    """What one worker holds of one slot; ``child`` tells whether it started the process itself,
    ``heard_at`` (ns) by when it has heard of the process: of its end it hears no sooner."""

    __slots__ = ("child", "heard_at", "holder", "watched")

    def __init__(self, holder: Supervisor) -> None:
        self.holder = holder
        self.watched: Process | None = None
        self.child = False
        self.heard_at = 0


class Machine:
    """One machine.

    Args:
        agenda, chance: the world's.
        name: of the host.
        clock: its own.
        tell: told of every beginning and end of a process.
        habits_of: how the processes of each service behave.
    """

    def __init__(
        self,
        agenda: Agenda,
        chance: Chance,
        name: HostName,
        clock: Clock,
        tell: Told,
        habits_of: Callable[[ServiceName], Habits],
    ) -> None:
        self._agenda = agenda
        self._chance = chance
        self._tell = tell
        self._habits_of = habits_of
        self.name = name
        self.clock = clock
        self.on = True
        self.worker_locks: dict[WorkerName, int] = {}
        """Which life holds each worker's lock."""
        self.processes: dict[SlotName, Process] = {}
        """The living main process of each slot."""
        self.records: dict[SlotName, Record] = {}
        self.held: dict[SlotName, Held] = {}
        self.files: dict[SlotName, RouteTable] = {}
        """What each balancer starts from."""
        self._newest_ask: dict[SlotName, FollowRoutes] = {}
        """What each balancer was last asked to follow."""
        self.known: Known | None = None
        """Whom there is, as its workers last knew it."""
        self.ports: dict[int, object] = {}
        """Who listens on each port."""
        self._remains: dict[SlotName, list[Process]] = {}
        """The dead main processes of each slot whose children live on."""
        self._pids: dict[int, None] = {}
        self._last_pid = 300

    def new_pid(self) -> int:
        """A pid that no process has just now."""
        while True:
            self._last_pid = 300 + (self._last_pid - 299) % PIDS
            if self._last_pid not in self._pids:
                self._pids[self._last_pid] = None
                return self._last_pid

    def take_pid(self, pid: int) -> None:
        """Another program has this pid now."""
        self._pids[pid] = None

    def free_pid(self, pid: int) -> None:
        """Any process may get it."""
        self._pids.pop(pid, None)

    def let_go(self, holder: Supervisor) -> None:
        """A worker's process is gone: its locks fall."""
        self.held = {slot: held for slot, held in self.held.items() if held.holder is not holder}

    def _later(self, holder: Supervisor, event: WorkerEvent, delay: int = QUICK) -> int:
        """Tell a worker something after about so long (ns), and say when that is."""
        at = self._agenda.now + 1 + self._chance.exponential(delay)
        self._agenda.at(at, holder.post, event)
        return at

    def _own(self, holder: Supervisor, slot: SlotName) -> Held | None:
        held = self.held.get(slot)
        return held if held is not None and held.holder is holder else None

    def _current(self, holder: Supervisor, slot: SlotName, incarnation: int) -> Held | None:
        held, record = self._own(holder, slot), self.records.get(slot)
        if held is None or record is None or record.process.incarnation != incarnation:
            return None
        return held

    # What supervision asks for

    def claim(self, holder: Supervisor, effect: Claim) -> None:
        slot = effect.slot
        held = self.held.get(slot)
        if held is not None and held.holder is not holder:
            self._later(holder, Claimed(slot, ClaimOutcome.LOCKED))
            return
        if held is None:
            held = self.held[slot] = Held(holder)
        record = self.records.get(slot)
        if record is None:
            self._later(holder, Claimed(slot, ClaimOutcome.ABSENT))
            return
        process = record.process
        if record.corrupt and not process.alive:
            self._lose_record(slot)
            self._later(holder, Claimed(slot, ClaimOutcome.GONE), 5 * MS)
            return
        record.corrupt = False  # made again from what the process itself says
        outcome = ClaimOutcome.ADOPTED if process.alive else ClaimOutcome.GONE
        pid = process.pid if process.alive else None
        if process.alive:
            held.watched = process
            self._tell(Adopted(self.name, slot, process.pid, holder.worker))
        claimed = Claimed(slot, outcome, process.incarnation, process.generation, pid, process.port)
        held.heard_at = self._later(holder, claimed)

    def _lose_record(self, slot: SlotName) -> None:
        del self.records[slot]
        self._tell(RecordLost(self.name, slot))

    def lose_files(self) -> None:
        """Its disks are replaced: no record, no balancer's file is left."""
        for slot in sorted(self.records):
            self._lose_record(slot)
        self.files.clear()
        self.known = None

    def keep(self, known: Known) -> None:
        """Whom there is, for a worker that has lost its log."""
        if self.known is None or self.known.index < known.index:
            self.known = known

    def release(self, holder: Supervisor, effect: Release | Forget) -> None:
        if self._own(holder, effect.slot) is not None:
            del self.held[effect.slot]

    def forget(self, holder: Supervisor, effect: Forget) -> None:
        if self._own(holder, effect.slot) is not None:
            self.records.pop(effect.slot, None)
            self.release(holder, effect)

    def spawn(self, holder: Supervisor, effect: Spawn) -> None:
        slot = effect.slot
        held = self._own(holder, slot)
        if held is None:
            raise InvariantViolation(f"{slot} is started without its record's lock")
        if held.watched is not None:
            raise InvariantViolation(f"{slot} is started while its process lives")
        if effect.port and effect.port in self.ports:
            reason = f"port {effect.port} is taken by another program"
            failed = SpawnFailed(slot, effect.incarnation, reason, port_taken=True)
            self._later(holder, failed)
            return
        process = self._new_process(effect)
        self._tell(
            ProcessBegan(
                self.name, slot, effect.incarnation, process.pid, effect.port, effect.epoch,
                holder.worker,
            )
        )  # fmt: skip
        self.records[slot] = Record(process)
        self.processes[slot] = process
        if effect.port:
            self.ports[effect.port] = process
        held.watched, held.child = process, True
        held.heard_at = self._later(holder, Spawned(slot, effect.incarnation, process.pid), MS)
        ends_after = process.begin(self._agenda.now, self._chance)
        if ends_after:
            self._agenda.after(ends_after, self.end, process, 1, Cause.OWN)
        if process.habits.leaks:
            self.leak(process, process.habits.leaks, process.habits.ends_at_limit)
        if isinstance(process, BalancerProcess) and slot in self.files:
            self._agenda.at(process.answers_at, self._start_from_file, process)

    def _new_process(self, effect: Spawn) -> Process:
        slot, pid = effect.slot, self.new_pid()
        habits = self._habits_of(service_of(slot))
        if service_of(slot) == BALANCER:
            return BalancerProcess(
                slot, effect.incarnation, effect.generation, pid, effect.epoch, habits
            )
        return Process(
            slot, effect.incarnation, effect.generation, pid, effect.port, effect.epoch, habits
        )

    def signal(self, holder: Supervisor, effect: Signal) -> None:
        held = self._current(holder, effect.slot, effect.incarnation)
        if held is None or held.watched is None or not held.watched.alive:
            return
        process = held.watched
        if effect.signal == "SIGKILL":
            self.end(process, KILLED, Cause.SIGNAL, holder.worker)
        elif not (process.ignores_term or process.hung or process.stopping):
            process.stopping = True
            delay = self._chance.spread(process.habits.stop)
            self._agenda.after(delay, self.end, process, 0, Cause.SIGNAL, holder.worker)

    def sweep(self, holder: Supervisor, effect: Sweep) -> None:
        held = self._own(holder, effect.slot)
        if held is None or held.watched is not None:
            return
        killed = 0
        for process in self._remains.pop(effect.slot, ()):
            killed += process.children
            process.children = 0
            self._free_port(process)
        swept = Swept(effect.slot, effect.incarnation, killed)
        self._later(holder, swept, 10 * MS if killed else QUICK)

    def probe(self, holder: Supervisor, effect: Probe) -> None:
        if self._current(holder, effect.slot, effect.incarnation) is None:
            detail = "its process is not supervised here"
            self._later(
                holder, Probed(effect.slot, effect.incarnation, effect.probe, False, detail)
            )
            return
        process = self.records[effect.slot].process
        delay = 1 + self._chance.exponential(MS) + process.slow
        delay = min(delay, seconds(effect.check.timeout))
        self._agenda.after(delay, self._answer, holder, effect, process, self._agenda.now)

    def _answer(self, holder: Supervisor, effect: Probe, process: Process, asked: int) -> None:
        now = self._agenda.now
        if self._own(holder, effect.slot) is None:
            return
        late = asked + seconds(effect.check.timeout)
        if process.alive and (process.hung or now >= late):
            if now < late:
                self._agenda.at(late, self._answer, holder, effect, process, asked)
                return
            detail, timed_out = "no answer in time", True
        else:
            detail, timed_out = process.complaint(now), False
        holder.post(
            Probed(effect.slot, effect.incarnation, effect.probe, not detail, detail, timed_out)
        )

    def leak(self, process: Process, typical: int, ends: int) -> None:
        """From now on a process takes ever more memory, unless it is told to stop that. At its
        limit, about so much later (ns), so often of a thousand times it ends; else it answers with
        errors until it does."""

        def reach_limit() -> None:
            if not (process.alive and process.leaking):
                return
            self._tell(OutOfMemory(self.name, process.slot, process.incarnation, process.pid))
            if self._chance.per_mille(ends):
                self.end(process, KILLED, Cause.OWN)
            else:
                process.ill += 1

        process.leaking = True
        self._agenda.after(self._chance.spread(typical), reach_limit)

    # Ends

    def end(
        self, process: Process, status: int, cause: Cause, by: WorkerName | None = None
    ) -> None:
        """A process dies; what it has started may live on."""
        if not process.alive:
            return
        process.alive = False
        del self.processes[process.slot]
        self.free_pid(process.pid)
        if process.children:
            self._remains.setdefault(process.slot, []).append(process)
        else:
            self._free_port(process)
        self._tell(
            ProcessEnded(self.name, process.slot, process.incarnation, process.pid, cause, by)
        )
        held = self.held.get(process.slot)
        if held is not None and held.watched is process:
            at = self._agenda.now + 1 + self._chance.exponential(MS)
            self._agenda.at(max(at, held.heard_at), self._died, held, process, status)

    def _died(self, held: Held, process: Process, status: int) -> None:
        """The pidfd fires, unless the slot was released meanwhile."""
        if self.held.get(process.slot) is not held or held.watched is not process:
            return
        held.watched = None
        told = status if held.child else None
        held.child = False
        held.holder.post(Exited(process.slot, process.incarnation, told))

    def _free_port(self, process: Process) -> None:
        if self.ports.get(process.port) is process:
            del self.ports[process.port]

    def lose_power(self) -> None:
        """Everything that runs here is gone at once; what is on its disks stays."""
        self.on = False
        self.held.clear()
        for process in list(self.processes.values()):
            self.end(process, KILLED, Cause.MACHINE)
        self._remains.clear()
        self.ports.clear()
        self.worker_locks.clear()

    def start(self) -> None:
        """The machine is on again, and its boot-time clock begins anew."""
        self.on = True
        self.clock.reboot(self._agenda.now)

    # Balancers

    def follow(self, holder: Supervisor, effect: FollowRoutes) -> None:
        self._newest_ask[effect.slot] = effect
        slowness = self._habits_of(BALANCER).follows_in
        delay = MS + self._chance.exponential(2 * MS)
        delay += self._chance.spread(slowness) if slowness else 0
        self._agenda.after(delay, self._publish, holder, effect, self._agenda.now)

    def _publish(self, holder: Supervisor, effect: FollowRoutes, asked: int) -> None:
        if not (holder.alive and self.on):
            return
        process = self.processes.get(effect.slot)
        now = self._agenda.now
        problem = ""
        busy: tuple[SlotName, ...] = ()
        known = self.files.get(effect.slot)
        if known is not None and _age(effect.table) < _age(known):
            problem = "it has followed a newer table"
        elif effect is not self._newest_ask[effect.slot]:
            problem = "it ended before it answered"  # another process has been asked since
        else:
            self.files[effect.slot] = effect.table
            if not isinstance(process, BalancerProcess) or now < process.answers_at:
                problem = "" if effect.incarnation == NO_PROCESS else "it does not answer"
            elif process.hung:
                if now < asked + PUBLISH_TIMEOUT:
                    later = asked + PUBLISH_TIMEOUT
                    self._agenda.at(later, self._publish, holder, effect, asked)
                    return
                problem = "" if effect.incarnation == NO_PROCESS else "it does not answer in time"
            elif self._chance.per_mille(self._habits_of(BALANCER).fails_to_follow):
                problem = "its socket does not answer"
            else:
                self._take_over(process, effect.table)
                busy = process.busy(now)
        holder.post(RoutesFollowed(effect.slot, effect.incarnation, effect.table, busy, problem))

    def _start_from_file(self, process: BalancerProcess) -> None:
        if process.alive:
            self._take_over(process, self.files[process.slot])

    def _take_over(self, process: BalancerProcess, table: RouteTable) -> None:
        process.follow(table, self._agenda.now, self._chance)
        self._tell(Followed(self.name, process.slot, table))

    def balancers(self) -> list[BalancerProcess]:
        """Those that accept requests, by slot."""
        now = self._agenda.now
        return [
            process
            for _, process in sorted(self.processes.items())
            if isinstance(process, BalancerProcess)
            and not process.hung
            and now >= process.answers_at
        ]


def _age(table: RouteTable) -> tuple[int, int]:
    return table.epoch, table.version
