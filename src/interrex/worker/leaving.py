"""Taking a host's part of the fleet down in order: balancers, then services, then the worker."""

import msgspec

from interrex.core.ids import BALANCER, service_of
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport, ReplicaState, SlotAssignment
from interrex.core.time import MS, S
from interrex.supervision.host import Supervisor

ANNOUNCE = 300 * MS
"""How long (ns) the first phase lasts at least: the other workers of the host learn of it."""
PATIENCE = 10 * S
"""How long (ns) other workers are waited for: until their balancers are stopped, and until they let
go of what this worker is to take up and stop."""


class Leaving:
    """Turns the assignment into its own end."""

    def __init__(self, request: int, now: int) -> None:
        self.request = request
        self._began = now
        self._services_too = False
        self._check_at = now + ANNOUNCE

    @property
    def wake_at(self) -> int | None:
        """When the phase may change without anything being heard (ns)."""
        return None if self._services_too else self._check_at

    def slots(
        self, assigned: tuple[SlotAssignment, ...], host_reports: list[Report], now: int
    ) -> tuple[SlotAssignment, ...]:
        """The same slots, the balancers unwanted, and the others too once no balancer is left."""
        if not self._services_too and now >= self._check_at:
            self._check_at = now + ANNOUNCE
            self._services_too = self._is_late(now) or not any(
                _is_up(replica)
                for report in host_reports
                if report.leaving
                for replica in report.replicas
                if service_of(replica.slot) == BALANCER
            )
        return tuple(
            msgspec.structs.replace(slot, wanted=False)
            if self._services_too or service_of(slot.slot) == BALANCER
            else slot
            for slot in assigned
        )

    def finished(self, supervisor: Supervisor, now: int) -> bool:
        """Whether nothing that this worker supervised is left. What another worker still holds is
        that one's to stop: it may never let go of it, as nobody tells it to while this one
        leads."""
        own = supervisor.reports()
        left = [replica.slot for replica in own if _is_up(replica)]
        if self._is_late(now):
            left = [slot for slot in left if not supervisor.is_held_elsewhere(slot)]
        return self._services_too and not left

    def _is_late(self, now: int) -> bool:
        return now - self._began >= PATIENCE


def _is_up(replica: ReplicaReport) -> bool:
    return replica.state is not ReplicaState.STOPPED
