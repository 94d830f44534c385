"""A slot is forgotten, and its port free, only when no balancer sends it requests any more."""

from interrex.core.ids import BALANCER, HostName, SlotName, service_of
from interrex.core.routes import EndpointState, RouteTable
from interrex.core.state import ClusterState
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import ProcessBegan, ProcessEnded, RoutesFollowed, Step

Place = tuple[HostName, SlotName]


class Removals(Watch):
    """Compares each new replicated state with the one before, and the slots that are gone with
    the tables that living balancers follow."""

    promise = "a slot is forgotten when no balancer sends there"

    def __init__(self) -> None:
        super().__init__()
        self._newest = 0
        self._placed: set[SlotName] = set()
        self._tables: dict[Place, RouteTable] = {}
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
        placed = _placed(state)
        self._compare(state.index, self._placed - placed, list(self._tables.items()))
        self._placed = placed

    def _compare(
        self, index: int, gone: set[SlotName], tables: list[tuple[Place, RouteTable]]
    ) -> None:
        for slot in sorted(gone):
            for (host, balancer), table in tables:
                if slot in _ready(table):
                    raise self.broken(
                        f"{slot} is forgotten at {index}, and {balancer} on {host} sends "
                        f"there, by table {table.version} of epoch {table.epoch}"
                    )


class RemovalsApart(Removals):
    """The same where each part of the cluster may have a leader: each is held to what it decides
    itself, and to the balancers that follow it or an older one. What a merge takes from the state
    no leader has forgotten, and a balancer that follows a newer one is another part's."""

    def __init__(self) -> None:
        super().__init__()
        self._placed_by: dict[int, set[SlotName]] = {}
        """Epoch -> what its leader had placed last."""

    def _look(self, step: Step) -> None:
        if not step.core.election.leading:
            return
        epoch, placed = step.core.election.epoch, _placed(step.core.state)
        before = self._placed_by.get(epoch, placed)
        self._placed_by[epoch] = placed
        mine = [(place, table) for place, table in self._tables.items() if table.epoch <= epoch]
        self._compare(step.core.state.index, before - placed, mine)


def _placed(state: ClusterState) -> set[SlotName]:
    return {*state.placements, *(placement.slot for placement in state.evicted)}


def _ready(table: RouteTable) -> list[SlotName]:
    """Where a balancer that follows the table sends requests."""
    return [
        endpoint.slot
        for route in table.services
        for endpoint in route.endpoints
        if endpoint.state is EndpointState.READY
    ]
