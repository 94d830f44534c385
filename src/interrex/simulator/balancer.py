"""A simulated HAProxy process, and the file that it starts from."""

from interrex.core.ids import ServiceName, SlotName
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.time import MS
from interrex.simulator.chance import Chance
from interrex.simulator.replica import Habits, Process

NO_BALANCER = "no balancer"
NOT_ROUTED = "no replica is routed"
NONE_ANSWERS = "no routed replica answers"
NONE_HEALTHY = "no healthy replica"
BAD_ANSWER = "the replica answers with an error"
HUNG_REPLICA = "the replica does not answer"
WRONG_SERVICE = "another service's replica answers"

RETRIES = 6
"""After the first attempt, how often a request is sent to another server."""
DRAIN = 40 * MS


class BalancerProcess(Process):
    """It follows one table; draining slots have requests for a while."""

    __slots__ = ("busy_until", "table", "turn")

    def __init__(
        self,
        slot: SlotName,
        incarnation: int,
        generation: int,
        pid: int,
        epoch: int,
        habits: Habits,
    ) -> None:
        super().__init__(slot, incarnation, generation, pid, 0, epoch, habits)
        self.table = RouteTable()
        self.turn = 0
        self.busy_until: dict[SlotName, int] = {}

    def follow(self, table: RouteTable, now: int, chance: Chance) -> None:
        """Take over a table; whoever is not sent to any more finishes what it has."""
        before, after = _serving(self.table), _serving(table)
        for slot in before:
            if slot not in after:
                self.busy_until[slot] = now + chance.exponential(DRAIN)
        for slot in after:
            self.busy_until.pop(slot, None)
        self.table = table

    def busy(self, now: int) -> tuple[SlotName, ...]:
        """The slots that get no new requests and still have some."""
        for slot in [slot for slot, until in self.busy_until.items() if until <= now]:
            del self.busy_until[slot]
        return tuple(sorted(self.busy_until))

    def route_of(self, service: ServiceName) -> ServiceRoute | None:
        return next((route for route in self.table.services if route.service == service), None)

    def attempts(self, service: ServiceName) -> list[Endpoint]:
        """The servers that a request is sent to, in order, until one takes it."""
        route = self.route_of(service)
        ready = [] if route is None else [e for e in route.endpoints if _is_ready(e)]
        self.turn += 1
        first = self.turn % len(ready) if ready else 0
        return [*ready[first:], *ready[:first]]


def _is_ready(endpoint: Endpoint) -> bool:
    return endpoint.state is EndpointState.READY


def _serving(table: RouteTable) -> dict[SlotName, None]:
    return {
        endpoint.slot: None
        for route in table.services
        for endpoint in route.endpoints
        if endpoint.state is EndpointState.READY
    }
