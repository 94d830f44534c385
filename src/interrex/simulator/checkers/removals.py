"""A port is free for another service only when no balancer sends there any more what is asked of
the one that had it."""

from interrex.core.ids import BALANCER, HostName, ServiceName, SlotName, service_of
from interrex.core.routes import Endpoint, EndpointState, RouteTable
from interrex.core.state import ClusterState, port_of
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import ProcessBegan, ProcessEnded, RoutesFollowed, Step

Place = tuple[HostName, SlotName]
Port = tuple[HostName, int, ServiceName]
LOOPBACK = "127.0.0.1"


class Removals(Watch):
    """Compares each new replicated state with the one before, and the ports that no service has any
    more, nor is one barred for it, with the tables that living balancers follow."""

    promise = "a port is free when no balancer sends there"

    def __init__(self) -> None:
        super().__init__()
        self._newest = 0
        self._held: set[Port] = set()
        self._tables: dict[Place, RouteTable] = {}
        self._addresses: dict[HostName, str] = {}
        self.new_state = self._look
        self.occurrences = {
            RoutesFollowed: self._followed,
            ProcessBegan: self._changed,
            ProcessEnded: self._changed,
        }

    def _followed(self, at: int, followed: RoutesFollowed) -> None:
        self._tables[followed.host, followed.slot] = followed.table

    def _changed(self, at: int, process: ProcessBegan | ProcessEnded) -> None:
        """A balancer that begins follows nothing yet, one that has ended nothing any more."""
        if service_of(process.slot) == BALANCER:
            self._tables.pop((process.host, process.slot), None)

    def _look(self, step: Step) -> None:
        state = step.core.state
        if state.index <= self._newest:
            return
        self._newest = state.index
        held = _held(state)
        self._compare(state, self._held - held, list(self._tables.items()))
        self._held = held

    def _compare(
        self, state: ClusterState, free: set[Port], tables: list[tuple[Place, RouteTable]]
    ) -> None:
        for declared in (*state.spec.hosts, *state.departing):
            self._addresses[declared.name] = declared.address.rpartition(":")[0]
        for host, port, service in sorted(free):
            for (seen_from, balancer), table in tables:
                address = LOOPBACK if host == seen_from else self._addresses.get(host)
                if any(one.address == address and one.port == port for one in _to(table, service)):
                    raise self.broken(
                        f"port {port} of {host}, which {service} had, is free at {state.index}, "
                        f"and {balancer} on {seen_from} sends there, by table {table.version} of "
                        f"epoch {table.epoch}"
                    )


class RemovalsApart(Removals):
    """The same where each part of the cluster may have a leader: each is held to what it decides
    itself, and to the balancers that follow it or an older one. What a merge takes from the state
    no leader has freed, and a balancer that follows a newer one is another part's."""

    def __init__(self) -> None:
        super().__init__()
        self._held_by: dict[int, set[Port]] = {}
        """Epoch -> what its leader had placed or barred last."""

    def _look(self, step: Step) -> None:
        if not step.core.election.leading:
            return
        epoch, held = step.core.election.epoch, _held(step.core.state)
        before = self._held_by.get(epoch, held)
        self._held_by[epoch] = held
        mine = [(place, table) for place, table in self._tables.items() if table.epoch <= epoch]
        self._compare(step.core.state, before - held, mine)


def _held(state: ClusterState) -> set[Port]:
    placed = (port_of(placement) for placement in (*state.placements.values(), *state.evicted))
    return {(one.host, one.port, one.service) for one in (*placed, *state.barred)}


def _to(table: RouteTable, service: ServiceName) -> list[Endpoint]:
    """Where a balancer that follows the table sends a service's requests."""
    return [
        endpoint
        for route in table.services
        if route.service == service
        for endpoint in route.endpoints
        if endpoint.state is EndpointState.READY
    ]
