"""A port of a host belongs to one slot, as long as anything of that slot may be there."""

from interrex.core.ids import BALANCER, HostName, SlotName, service_of
from interrex.core.state import ClusterState
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step


class Ports(Watch):
    """Looks at each new replicated state once: where slots are placed is written nowhere else."""

    promise = "a port belongs to one slot"

    def __init__(self) -> None:
        super().__init__()
        self._newest = 0
        self.new_state = self._look

    def _look(self, step: Step) -> None:
        state = step.core.state
        if state.index > self._newest:
            self._newest = state.index
            self._compare(state)

    def _compare(self, state: ClusterState) -> None:
        owners: dict[tuple[HostName, int], SlotName] = {}
        for placement in (*state.placements.values(), *state.evicted):
            if service_of(placement.slot) == BALANCER:
                continue
            owner = owners.setdefault((placement.host, placement.port), placement.slot)
            if owner != placement.slot:
                raise self.broken(
                    f"at {state.index}, port {placement.port} of {placement.host} belongs to "
                    f"{owner} and to {placement.slot}"
                )
