"""The routes as the leader sees them: what is asked for, and what the workers report."""

from interrex.core.ids import BALANCER, HostName, SlotName
from interrex.core.replicas import ReplicaState
from interrex.core.routes import Endpoint, EndpointState, ServiceRoute
from interrex.core.spec import hosts_of
from interrex.core.state import ClusterState, Placement, slots_of
from interrex.orchestration.fleet import Fleet


def service_routes(
    state: ClusterState, fleet: Fleet, draining: set[SlotName], seen_from: HostName
) -> tuple[ServiceRoute, ...]:
    """The routes for the balancers of one host.

    A slot that is stopped for good is left out: once every balancer follows such a table, its
    port may go to another.
    """
    routes = []
    for name, service in sorted(state.services.items()):
        expose = service.spec.expose
        if expose is None or name == BALANCER:
            continue
        endpoints = []
        for placement in slots_of(state, name):
            endpoint = _endpoint(state, placement, fleet, draining, seen_from)
            if endpoint is not None:
                endpoints.append(endpoint)
        routes.append(ServiceRoute(name, expose, service.spec.health.readiness, tuple(endpoints)))
    return tuple(routes)


def _endpoint(
    state: ClusterState,
    placement: Placement,
    fleet: Fleet,
    draining: set[SlotName],
    seen_from: HostName,
) -> Endpoint | None:
    report = fleet.replica(placement.slot, placement.worker)
    if not placement.wanted and report is not None and report.state is ReplicaState.STOPPED:
        return None
    if not placement.wanted or placement.slot in draining:
        serves = EndpointState.DRAIN
    elif report is None or report.unproven:
        # Nobody has asked it yet; it may well be running: the balancer's own checks decide.
        serves = EndpointState.READY
    elif report.state is ReplicaState.READY and report.port == placement.port:
        serves = EndpointState.READY
    else:
        serves = EndpointState.DOWN
    address = address_of(state, placement.host, seen_from)
    return Endpoint(placement.slot, address, placement.port, serves)


def address_of(state: ClusterState, host: HostName, seen_from: HostName) -> str:
    """Where a host's replicas are reached from another, also while it is being left: loopback on
    the host itself."""
    if host == seen_from:
        return "127.0.0.1"
    for declared in (*hosts_of(state.spec), *state.departing):
        if declared.name == host and declared.address:
            return declared.address.rpartition(":")[0].strip("[]")
    return "127.0.0.1"
