"""Where the balancer sends requests: one small table, made by pure functions."""

from enum import StrEnum

import msgspec

from interrex.core.ids import ServiceName, SlotName
from interrex.core.spec import Check, Expose


class EndpointState(StrEnum):
    """What the balancer does with a slot: send, send nothing new, or nothing at all."""

    READY = "ready"
    DRAIN = "drain"
    DOWN = "down"


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """A slot's address for life, and what may be sent there now."""

    slot: SlotName
    address: str
    port: int
    state: EndpointState


class ServiceRoute(msgspec.Struct, frozen=True, array_like=True):
    """One exposed service: where to listen, how the balancer itself checks, and the endpoints."""

    service: ServiceName
    expose: Expose
    check: Check | None
    endpoints: tuple[Endpoint, ...]


class RouteTable(msgspec.Struct, frozen=True, array_like=True):
    """All routes of one host's balancers.

    ``epoch`` is that of the leadership that made it, ``version`` rises within an epoch.
    """

    epoch: int = 0
    version: int = 0
    services: tuple[ServiceRoute, ...] = ()
