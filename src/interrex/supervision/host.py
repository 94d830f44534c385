"""The supervision of one worker's slots: one entry point, one wake-up, one report."""

from collections import Counter
from heapq import heappop, heappush
from random import Random
from typing import assert_never

from interrex.core.ids import ServiceName, SlotName, service_of, slot_order
from interrex.core.replicas import ReplicaReport, SlotAssignment
from interrex.supervision.governor import Elsewhere, Governor
from interrex.supervision.interface import (
    Assigned,
    Claimed,
    Exited,
    Probed,
    ReportedElsewhere,
    Spawned,
    SpawnFailed,
    SupervisionEffect,
    SupervisionEvent,
    Swept,
    WakeUp,
)
from interrex.supervision.lateness import Lateness
from interrex.supervision.slot import Slot
from interrex.supervision.standing import Desk


class Supervisor:
    """Keeps this worker's slots as the leader asked for them.

    Pure: ``step`` takes an event and the time and returns effects, to be performed in order.
    Events about a slot that is not supervised here, or about an older incarnation, do nothing.

    Does not guarantee that no other worker runs the same slot: the record's lock does, and this
    core starts nothing before it was told that the lock is held.

    Args:
        chance: Draws the jitter; only its ``getrandbits`` is used.
        lateness: How long the worker was not running, as whoever steps it has noticed.
    """

    def __init__(self, chance: Random, lateness: Lateness | None = None) -> None:
        self.epoch = 0
        self.version = 0
        """Rises whenever a report has changed."""
        self._chance = chance
        self._desk = Desk(chance, lateness or Lateness())
        self._slots: dict[SlotName, Slot] = {}
        self._governors: dict[ServiceName, Governor] = {}
        self._slot_counts: Counter[ServiceName] = Counter()
        # The newest incarnation of each slot that was given up: its numbers must not come again.
        self._newest: dict[SlotName, int] = {}
        self._reports: dict[SlotName, ReplicaReport] = {}
        self._order: list[SlotName] = []
        self._reported: tuple[ReplicaReport, ...] | None = ()
        # (time, tie-break, whose). An entry holds while its time is its owner's ``queued_at``.
        self._elsewhere: tuple[ReplicaReport, ...] = ()
        self._queue: list[tuple[int, int, Slot | Governor]] = []
        self._queued = 0

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""
        queue = self._queue
        while queue and queue[0][0] != queue[0][2].queued_at:
            heappop(queue)
        return queue[0][0] if queue else None

    def reports(self) -> tuple[ReplicaReport, ...]:
        """How every assigned slot stands, by service and number. Cheap while nothing changes."""
        if self._reported is None:
            reports = self._reports
            self._reported = tuple(reports[slot] for slot in self._order if slot in reports)
        return self._reported

    def is_held_elsewhere(self, name: SlotName) -> bool:
        """Whether another worker held a slot's record when it was asked for last."""
        slot = self._slots.get(name)
        return slot is not None and slot.held_elsewhere

    def step(self, event: SupervisionEvent, now: int) -> list[SupervisionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """
        match event:
            case Probed():
                if (slot := self._slots.get(event.slot)) is not None:
                    slot.on_probed(event, now)
            case WakeUp():
                self._on_wake_up(now)
            case Exited():
                if (slot := self._slots.get(event.slot)) is not None:
                    slot.on_exited(event, now)
            case Swept():
                if (slot := self._slots.get(event.slot)) is not None:
                    slot.on_swept(event, now)
            case Spawned():
                if (slot := self._slots.get(event.slot)) is not None:
                    slot.on_spawned(event, now)
            case SpawnFailed():
                if (slot := self._slots.get(event.slot)) is not None:
                    slot.on_spawn_failed(event, now)
            case Claimed():
                if (slot := self._slots.get(event.slot)) is not None:
                    slot.on_claimed(event, now)
            case Assigned():
                self._on_assigned(event, now)
            case ReportedElsewhere():
                self._on_reported_elsewhere(event, now)
            case _:
                assert_never(event)
        self._settle_accounts()
        effects, self._desk.effects = self._desk.effects, []
        return effects

    def _on_assigned(self, event: Assigned, now: int) -> None:
        if event.epoch < self.epoch:
            return
        self.epoch = event.epoch
        assigned = {assignment.slot: assignment for assignment in event.slots}
        for name, slot in self._slots.items():
            if name not in assigned:
                slot.let_go(now)
        for name, assignment in assigned.items():
            known = self._slots.get(name)
            if known is None:
                known = self._slots[name] = self._new_slot(assignment, now)
            elif known.assignment.spec.restart != assignment.spec.restart:
                self._governor(name).configure(assignment.spec.restart)
            known.assign(assignment, event.epoch, event.confirmed, now)
        self._order = sorted(assigned, key=slot_order)

    def _on_reported_elsewhere(self, event: ReportedElsewhere, now: int) -> None:
        if event.replicas == self._elsewhere:
            return
        self._elsewhere = event.replicas
        for service, governor in self._governors.items():
            governor.heard(Elsewhere.of(service, event.replicas), now)
            self._enqueue(governor)

    def _new_slot(self, assignment: SlotAssignment, now: int) -> Slot:
        service = service_of(assignment.slot)
        governor = self._governors.get(service)
        if governor is None:
            governor = Governor(service, self._chance, assignment.spec.restart)
            self._governors[service] = governor
            governor.heard(Elsewhere.of(service, self._elsewhere), now)
        self._slot_counts[service] += 1
        newest = self._newest.pop(assignment.slot, 0)
        slot = Slot(assignment, self.epoch, self._desk, governor, newest)
        slot.claim(now)
        return slot

    def _governor(self, slot: SlotName) -> Governor:
        return self._governors[service_of(slot)]

    def _on_wake_up(self, now: int) -> None:
        queue = self._queue
        while queue and queue[0][0] <= now:
            time, _, sleeper = heappop(queue)
            if time == sleeper.queued_at:
                sleeper.queued_at = None
                sleeper.wake(now)
                if isinstance(sleeper, Governor):
                    self._enqueue(sleeper)

    def _settle_accounts(self) -> None:
        """Bring the queue and the reports up to date with the slots that this step touched."""
        touched = self._desk.touched
        if not touched:
            return
        for name in touched:
            slot = self._slots[name]
            if slot.gone:
                self._drop(slot)
                continue
            self._enqueue(slot)
            self._enqueue(self._governor(name))
            report = slot.report()
            if report != self._reports.get(name):
                self._publish(name, report)
        touched.clear()

    def _drop(self, slot: Slot) -> None:
        del self._slots[slot.name]
        slot.queued_at = None
        self._newest[slot.name] = slot.newest
        self._publish(slot.name, None)
        governor = self._governor(slot.name)
        self._slot_counts[governor.service] -= 1
        if self._slot_counts[governor.service] == 0:
            del self._governors[governor.service]
            governor.queued_at = None
        else:
            self._enqueue(governor)

    def _publish(self, name: SlotName, report: ReplicaReport | None) -> None:
        if report is None:
            if self._reports.pop(name, None) is None:
                return
        else:
            self._reports[name] = report
        self._reported = None
        self.version += 1

    def _enqueue(self, sleeper: Slot | Governor) -> None:
        wake_at = sleeper.wake_at
        if wake_at == sleeper.queued_at:
            return
        sleeper.queued_at = wake_at
        if wake_at is not None:
            self._queued += 1
            heappush(self._queue, (wake_at, self._queued, sleeper))
