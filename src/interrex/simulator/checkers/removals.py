"""A slot is forgotten, and its port free, only when no balancer sends it requests any more."""

from interrex.core.ids import BALANCER, HostName, SlotName, service_of
from interrex.core.routes import EndpointState, RouteTable
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import ProcessBegan, ProcessEnded, RoutesFollowed, Step


class Removals(Watch):
    """Compares each new replicated state with the one before, and the slots that are gone with
    the tables that living balancers follow."""

    promise = "a slot is forgotten when no balancer sends there"

    def __init__(self) -> None:
        super().__init__()
        self._newest = 0
        self._placed: set[SlotName] = set()
        self._tables: dict[tuple[HostName, SlotName], RouteTable] = {}
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
        evicted = {placement.slot for placement in state.evicted}
        gone = sorted(self._placed - state.placements.keys() - evicted)
        self._placed = {*state.placements, *evicted}
        for slot in gone:
            for (host, balancer), table in self._tables.items():
                if slot in _ready(table):
                    raise self.broken(
                        f"{slot} is forgotten at {state.index}, and {balancer} on {host} sends "
                        f"there, by table {table.version} of epoch {table.epoch}"
                    )


def _ready(table: RouteTable) -> list[SlotName]:
    """Where a balancer that follows the table sends requests."""
    return [
        endpoint.slot
        for route in table.services
        for endpoint in route.endpoints
        if endpoint.state is EndpointState.READY
    ]
