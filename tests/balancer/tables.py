"""Route tables for tests."""

from interrex.core.ids import ServiceName, SlotName, slot_name
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import Check, CheckKind, Expose

READY, DRAIN, DOWN = EndpointState.READY, EndpointState.DRAIN, EndpointState.DOWN
CHECK = Check(kind=CheckKind.HTTP, path="/healthz")


def endpoint(
    slot: str, port: int, state: EndpointState = READY, address: str = "127.0.0.1"
) -> Endpoint:
    return Endpoint(SlotName(slot), address, port, state)


def route(
    *endpoints: Endpoint, service: str = "web", port: int = 8080, check: Check | None = CHECK
) -> ServiceRoute:
    return ServiceRoute(ServiceName(service), Expose(port=port), check, endpoints)


def table(*routes: ServiceRoute, epoch: int = 1, version: int = 1) -> RouteTable:
    return RouteTable(epoch, version, routes)


def web(*states: EndpointState, version: int = 1, first_port: int = 21000) -> RouteTable:
    """One service ``web`` with a slot in each of these states."""
    endpoints = [
        endpoint(slot_name(ServiceName("web"), number), first_port + number, state)
        for number, state in enumerate(states)
    ]
    return table(route(*endpoints), version=version)
