"""A port of a host belongs to one slot, as long as anything of that slot may be there; and none of
another service gets it while it is barred."""

from interrex.core.ids import BALANCER, HostName, SlotName, service_of
from interrex.core.state import ClusterState
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import RoutesFollowed, Step


class Ports(Watch):
    """Looks at each new replicated state once, where slots are placed and ports are barred; and at
    the routes that balancers follow, which name an address of each."""

    promise = "a port belongs to one slot"

    def __init__(self) -> None:
        super().__init__()
        self._newest = 0
        self.new_state = self._look
        self.occurrences = {RoutesFollowed: self._followed}

    def _followed(self, at: int, followed: RoutesFollowed) -> None:
        owners: dict[tuple[str, int], SlotName] = {}
        for route in followed.table.services:
            for endpoint in route.endpoints:
                place = endpoint.address, endpoint.port
                owner = owners.setdefault(place, endpoint.slot)
                if owner != endpoint.slot:
                    raise self.broken(
                        f"{followed.slot} on {followed.host} sends what is for {owner} and for "
                        f"{endpoint.slot} to port {endpoint.port} of {endpoint.address}"
                    )

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
        for barred in state.barred:
            slot = owners.get((barred.host, barred.port))
            if slot is not None and service_of(slot) != barred.service:
                raise self.broken(
                    f"at {state.index}, port {barred.port} of {barred.host} belongs to {slot}, and "
                    f"is barred but for {barred.service}"
                )
