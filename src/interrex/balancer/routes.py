"""The routes that a host's balancers follow: the leader's table and the host's own view, merged.

The leader says which slots there are and which are to be drained. Whether a replica of this very
host is ready is known here first, and known here too when there is no leader: for those the
host's own view wins. For replicas of other hosts the leader's word stands, and HAProxy's checks.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

import msgspec

from interrex.core.ids import SlotName
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.routes import Endpoint, EndpointState, RouteTable

_OWN_VIEW: dict[ReplicaState, EndpointState] = {
    ReplicaState.READY: EndpointState.READY,
    ReplicaState.STOPPING: EndpointState.DRAIN,
}


def merge(table: RouteTable, own: Iterable[ReplicaReport]) -> RouteTable:
    """The effective table.

    Args:
        table: the leader's.
        own: what this host's workers say of the replicas they supervise. Of two reports on one
            slot the one counts whose state began later.
    """
    views: dict[SlotName, ReplicaReport] = {}
    for report in own:
        other = views.get(report.slot)
        if other is None or _age(report) > _age(other):
            views[report.slot] = report
    services = tuple(
        msgspec.structs.replace(
            route,
            endpoints=tuple(_merged(endpoint, views) for endpoint in route.endpoints),
        )
        for route in table.services
    )
    return msgspec.structs.replace(table, services=services)


def _age(report: ReplicaReport) -> tuple[int, int]:
    return report.since, report.incarnation


def _merged(endpoint: Endpoint, views: dict[SlotName, ReplicaReport]) -> Endpoint:
    view = views.get(endpoint.slot)
    if view is None or view.port != endpoint.port or _is_unknown(view):
        return endpoint
    if not _is_local(endpoint.address):
        return endpoint
    state = _OWN_VIEW.get(view.state, EndpointState.DOWN)
    if endpoint.state is EndpointState.DRAIN and state is EndpointState.READY:
        state = EndpointState.DRAIN
    if state is endpoint.state:
        return endpoint
    return msgspec.structs.replace(endpoint, state=state)


def _is_unknown(view: ReplicaReport) -> bool:
    """Its process may be running, and is just being taken up by another worker."""
    return view.state is ReplicaState.CLAIMING or view.unproven


@lru_cache(maxsize=1024)
def _is_local(address: str) -> bool:
    """A host's own replicas are on loopback in its table; those of others never are."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
