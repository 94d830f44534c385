"""A service's process is signalled only where its stop was asked for, or its health failed."""

import msgspec

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.replicas import SlotAssignment
from interrex.core.spec import Check
from interrex.core.storage import SetFact
from interrex.core.time import seconds
from interrex.elections.interface import Persisted
from interrex.simulator.checkers.stored import stored_assignment
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    Cause,
    DiskWritten,
    ProcessEnded,
    Step,
    WorkerBegan,
    WorkerEnded,
)
from interrex.supervision.interface import (
    Claimed,
    ClaimOutcome,
    Probe,
    Probed,
    Signal,
    Spawn,
    Spawned,
)
from interrex.worker.gate import ASSIGNMENT_FACT
from interrex.worker.interface import LeaveAsked


class _Process(msgspec.Struct):
    """What one life of a worker knows of a slot's process.

    ``bad`` counts the bad answers in a row to each check; ``may_end`` is set by the first signal
    that had a reason; ``starting`` until a check's answer was good.
    """

    incarnation: int
    generation: int
    port: int
    since: int
    adopted: bool
    bad: dict[Check, int] = {}
    starting: bool = True
    may_end: bool = False


class _Life(msgspec.Struct):
    """One life of a worker: what it has on disk, what it supervises, what it asked.

    ``stored``: the assignments on its disk with the tokens of their writes, the newest last. The
    first is the one that it obeys; of the others' writes it has not heard yet.
    """

    host: HostName
    stored: list[tuple[int, dict[SlotName, SlotAssignment]]]
    leaving: bool = False
    processes: dict[SlotName, _Process] = {}
    asked: dict[int, Check] = {}


class Stops(Watch):
    """Believes the assignments on the worker's disk, and the answers to its probes.

    A signal has a reason where the assignment that is obeyed, or a newer one on disk, does not want
    the process as it is, where the worker was asked to leave, where a check failed as often in a
    row as makes it count, and where no check was good in the time there is for starting.
    """

    promise = "a service process is stopped only where that was asked for"

    def __init__(self) -> None:
        super().__init__()
        self._lives: dict[int, _Life] = {}
        self._stopped: dict[tuple[HostName, SlotName, int], WorkerName] = {}
        self.events = {
            Claimed: self._claimed,
            Spawned: self._spawned,
            Probed: self._probed,
            Persisted: self._persisted,
            LeaveAsked: self._asked_to_leave,
        }
        self.effects = {Spawn: self._spawns, Probe: self._probes, Signal: self._signals}
        self.occurrences = {
            WorkerBegan: self._began,
            WorkerEnded: self._ended,
            DiskWritten: self._written,
            ProcessEnded: self._process_ended,
        }

    def _began(self, at: int, began: WorkerBegan) -> None:
        life = self._lives[began.life] = _Life(began.host, [(0, {})])
        stored = began.stored.facts.get(ASSIGNMENT_FACT)
        if stored is not None:
            self._assigned(life, 0, stored)
            self._obeyed(life, 0)

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._lives.pop(ended.life, None)

    def _written(self, at: int, written: DiskWritten) -> None:
        for record in written.records:
            if type(record) is SetFact and record.key == ASSIGNMENT_FACT:
                life = self._lives.get(written.life)
                if life is not None:
                    self._assigned(life, written.token, record.value)

    @staticmethod
    def _assigned(life: _Life, token: int, value: bytes) -> None:
        assignment = stored_assignment(value)
        if assignment is None:
            return
        slots = {slot.slot: slot for slot in assignment.slots}
        life.stored.append((token, slots))
        for slot, process in life.processes.items():
            wanted = slots.get(slot)
            if wanted is not None and _is_unwanted(wanted, process):
                process.may_end = True  # also if the next assignment is on disk before it is obeyed

    def _persisted(self, step: Step, event: Persisted) -> None:
        self._obeyed(self._lives[step.life], event.token)

    @staticmethod
    def _obeyed(life: _Life, token: int) -> None:
        """The worker knows that everything up to this token is on its disk."""
        while len(life.stored) > 1 and life.stored[1][0] <= token:
            del life.stored[0]

    def _asked_to_leave(self, step: Step, event: LeaveAsked) -> None:
        self._lives[step.life].leaving = True

    def _claimed(self, step: Step, claimed: Claimed) -> None:
        if claimed.outcome is ClaimOutcome.ADOPTED:
            self._lives[step.life].processes[claimed.slot] = _Process(
                claimed.incarnation, claimed.generation, claimed.port, step.now, adopted=True
            )

    def _spawns(self, step: Step, spawn: Spawn) -> None:
        self._lives[step.life].processes[spawn.slot] = _Process(
            spawn.incarnation, spawn.generation, spawn.port, step.now, adopted=False
        )

    def _spawned(self, step: Step, spawned: Spawned) -> None:
        process = self._lives[step.life].processes.get(spawned.slot)
        if process is not None and process.incarnation == spawned.incarnation:
            process.since = step.now

    def _probes(self, step: Step, probe: Probe) -> None:
        self._lives[step.life].asked[probe.probe] = probe.check

    def _probed(self, step: Step, probed: Probed) -> None:
        life = self._lives[step.life]
        check = life.asked.pop(probed.probe, None)
        process = life.processes.get(probed.slot)
        if check is None or process is None or process.incarnation != probed.incarnation:
            return
        if probed.ok:
            process.starting = False
            process.bad.pop(check, None)
        else:
            process.bad[check] = process.bad.get(check, 0) + 1

    def _signals(self, step: Step, signal: Signal) -> None:
        life = self._lives[step.life]
        process = life.processes.get(signal.slot)
        if process is None or process.incarnation != signal.incarnation:
            raise self.broken(
                f"{step.worker} signals {signal.slot}, incarnation {signal.incarnation}, "
                "which it neither started nor adopted"
            )
        wanted = [slots.get(signal.slot) for _, slots in life.stored]
        if not (process.may_end or life.leaving) and not any(
            one is not None and _has_reason(one, process, step.now) for one in wanted
        ):
            raise self.broken(
                f"{step.worker} sends {signal.signal} to {signal.slot}, incarnation "
                f"{signal.incarnation}, for no reason that was seen: {wanted}"
                f", bad answers in a row: {list(process.bad.values())}"
            )
        process.may_end = True
        self._stopped[life.host, signal.slot, signal.incarnation] = step.worker

    def _process_ended(self, at: int, ended: ProcessEnded) -> None:
        who = self._stopped.pop((ended.host, ended.slot, ended.incarnation), None)
        if ended.cause is Cause.SIGNAL and who is None:
            raise self.broken(
                f"{ended.by} killed {ended.slot} (pid {ended.pid}) on {ended.host}, unasked"
            )


def _has_reason(wanted: SlotAssignment, process: _Process, now: int) -> bool:
    """Whether an assignment, or the process's health, asks for its end."""
    if _is_unwanted(wanted, process):
        return True
    patience = seconds(wanted.spec.health.start_timeout)
    if process.starting and not process.adopted and now - process.since >= patience:
        return True
    return any(count >= check.fall for check, count in process.bad.items())


def _is_unwanted(wanted: SlotAssignment, process: _Process) -> bool:
    """Whether the process is not to run, or not as it is."""
    if process.generation == wanted.generation:
        return not wanted.wanted or process.port != wanted.port
    return not wanted.wanted or process.generation < wanted.generation
