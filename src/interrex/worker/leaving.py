"""Taking a host's part of the fleet down in order: balancers, then services, then the worker."""

import msgspec

from interrex.core.ids import BALANCER, service_of
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport, ReplicaState, SlotAssignment
from interrex.core.time import MS, S

ANNOUNCE = 300 * MS
"""How long (ns) the first phase lasts at least: the other workers of the host learn of it."""
BALANCER_PATIENCE = 10 * S
"""How long (ns) other workers' balancers are waited for."""


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
            late = now - self._began >= BALANCER_PATIENCE
            self._services_too = late or not any(
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

    def finished(self, own: tuple[ReplicaReport, ...]) -> bool:
        """Whether nothing that this worker supervised is left."""
        return self._services_too and not any(_is_up(replica) for replica in own)


def _is_up(replica: ReplicaReport) -> bool:
    return replica.state is not ReplicaState.STOPPED
