"""Of each service one ready slot is replaced at a time."""

import msgspec

from interrex.core.ids import ServiceName, SlotName, WorkerName, service_of
from interrex.core.messages import Assignment, Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.time import S
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerEnded
from interrex.worker.interface import Send

LONG_READY = 5 * S
"""A slot that has been ready for so long (ns) is ready as its leader sees it too."""


class _Seen(msgspec.Struct):
    """A slot in its worker's last report, and since when it had been ready before (ns)."""

    state: ReplicaState
    generation: int
    ready_since: int | None


class Rollouts(Watch):
    """Believes reports: a slot that was ready, and then is stopped to be replaced by a newer
    generation, is being replaced until it is ready again, here or under another worker, is to be
    stopped for good (which a process that ends already does not say: its worker is told), or is not
    reported any more."""

    promise = "one ready slot of a service is replaced at a time"

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[WorkerName, dict[SlotName, _Seen]] = {}
        self._replaced: dict[ServiceName, dict[SlotName, WorkerName]] = {}
        self.messages = {Report: self._reported, Assignment: self._assigned}
        self.occurrences = {WorkerEnded: self._ended}

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        for slot in self._seen.pop(ended.worker, {}):
            self._done(slot, ended.worker)

    def _done(self, slot: SlotName, worker: WorkerName) -> None:
        replaced = self._replaced.get(service_of(slot), {})
        if replaced.get(slot) == worker:
            del replaced[slot]

    def _reported(self, step: Step, send: Send) -> None:
        report = send.message
        if type(report) is not Report or send.to is not None:
            return
        before = self._seen.get(step.worker, {})
        now = self._seen[step.worker] = {}
        for replica in report.replicas:
            now[replica.slot] = self._look(step, replica, before.get(replica.slot))
        for slot in before:
            if slot not in now:
                self._done(slot, step.worker)

    def _assigned(self, step: Step, send: Send) -> None:
        message, worker = send.message, send.to
        if type(message) is Assignment and worker is not None:
            for slot in message.slots:
                if not slot.wanted:
                    self._done(slot.slot, worker)

    def _look(self, step: Step, replica: ReplicaReport, before: _Seen | None) -> _Seen:
        slot, state = replica.slot, replica.state
        if state is ReplicaState.READY:
            self._replaced.get(service_of(slot), {}).pop(slot, None)
            return _Seen(state, replica.generation, replica.since)
        if state is ReplicaState.STOPPED:
            self._done(slot, step.worker)
        ready_since = before.ready_since if before is not None else None
        if state is ReplicaState.STOPPING and before is not None:
            if not replica.reason.startswith("replaced by"):
                self._done(slot, step.worker)
            elif before.state is ReplicaState.READY:
                self._replaces(step, replica, ready_since)
            ready_since = None
        return _Seen(state, replica.generation, ready_since)

    def _replaces(self, step: Step, replica: ReplicaReport, ready_since: int | None) -> None:
        replaced = self._replaced.setdefault(service_of(replica.slot), {})
        others = [slot for slot in replaced if slot != replica.slot]
        if others and ready_since is not None and replica.since - ready_since >= LONG_READY:
            raise self.broken(
                f"{step.worker} stops {replica.slot} to replace it, while {others[0]} is being "
                "replaced"
            )
        replaced[replica.slot] = step.worker
