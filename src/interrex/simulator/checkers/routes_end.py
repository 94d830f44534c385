"""In the end the routes that every balancer follows name exactly the ready replicas."""

from interrex.core.ids import BALANCER, HostName, SlotName, service_of
from interrex.core.routes import EndpointState, RouteTable
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Healed, ProcessBegan, ProcessEnded, RoutesFollowed

Place = tuple[HostName, SlotName]


class RoutesEnd(Watch):
    """Compares what the living balancer processes follow with the live processes of the exposed
    services, by slot and port.

    Only where the faults have stopped, and the world has given the fleet its time since. That the
    live processes are ready is another's promise.
    """

    promise = "the routes name exactly the ready replicas in the end"

    def __init__(self) -> None:
        super().__init__()
        self._healed = False
        self._live: dict[Place, ProcessBegan] = {}
        self._followed: dict[Place, RouteTable] = {}
        self.occurrences = {
            Healed: self._heals,
            ProcessBegan: self._began,
            ProcessEnded: self._ended,
            RoutesFollowed: self._follows,
        }

    def _heals(self, at: int, healed: Healed) -> None:
        self._healed = True

    def _began(self, at: int, began: ProcessBegan) -> None:
        self._live[began.host, began.slot] = began

    def _ended(self, at: int, ended: ProcessEnded) -> None:
        live = self._live.get((ended.host, ended.slot))
        if live is not None and live.pid == ended.pid:
            del self._live[ended.host, ended.slot]
            self._followed.pop((ended.host, ended.slot), None)

    def _follows(self, at: int, followed: RoutesFollowed) -> None:
        self._followed[followed.host, followed.slot] = followed.table

    def finish(self, at: int, cores: Cores) -> None:
        if not self._healed or not cores:
            return
        state = max((core.state for core in cores.values()), key=lambda state: state.index)
        exposed = {
            name for name, service in state.services.items() if service.spec.expose is not None
        }
        running = {
            (process.slot, process.port)
            for process in self._live.values()
            if service_of(process.slot) in exposed and service_of(process.slot) != BALANCER
        }
        for host, slot in self._live:
            if service_of(slot) == BALANCER:
                self._compare(host, slot, running)

    def _compare(self, host: HostName, slot: SlotName, running: set[tuple[SlotName, int]]) -> None:
        table = self._followed.get((host, slot), RouteTable())
        routed = {
            (endpoint.slot, endpoint.port)
            for route in table.services
            for endpoint in route.endpoints
            if endpoint.state is EndpointState.READY
        }
        if routed != running:
            raise self.broken(
                f"{slot} on {host} sends to {sorted(routed - running)}, which do not run, and not "
                f"to {sorted(running - routed)}, which do"
            )
