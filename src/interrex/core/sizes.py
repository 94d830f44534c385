"""How long a fleet's messages may become: what would need one that is never sent is refused.

The longest messages are those about all slots at once. How the slots will be spread nobody knows
(one worker may be the last of all), so each message is made here as it would be at its longest, for
one worker that has every slot, and measured.
"""

from collections.abc import Iterator

from interrex.core.ids import BALANCER, HostName, ServiceName, SlotName
from interrex.core.messages import (
    MAX_MESSAGE_BYTES,
    Assignment,
    BalancerReport,
    PeerMessage,
    Report,
    Routes,
    encode,
)
from interrex.core.replicas import MAX_REASON_BYTES, ReplicaReport, ReplicaState, SlotAssignment
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import ClusterSpec
from interrex.core.state import Change, ClusterState, encode_change, genesis

MAX_CHANGE_BYTES = 768 * 1024
"""The longest change: it travels in a message of the election's, beside what that has to say."""

_MOST = 2**62
_PORT = 65535
_LONGEST_ADDRESS = "x" * 64
_LONGEST_STATE = max(ReplicaState, key=len)


def refusal_of(spec: ClusterSpec) -> str:
    """Why a fleet cannot be so large; empty when it can."""
    return too_long(genesis(spec))


def refusal_of_change(change: Change) -> str:
    """Why a change cannot be made; empty when its size is no reason."""
    size = len(encode_change(change))
    if size <= MAX_CHANGE_BYTES:
        return ""
    return f"it is {size:,} bytes long, and {MAX_CHANGE_BYTES:,} are the most"


def too_long(state: ClusterState) -> str:
    """Which message a state would need that is never sent, with both sizes; empty for none."""
    size, what, count = longest(state)
    if size <= MAX_MESSAGE_BYTES:
        return ""
    return (
        f"{what} for {count:,} slots would take {size:,} bytes, and {MAX_MESSAGE_BYTES:,} are "
        "the most that one worker sends another"
    )


def longest(state: ClusterState) -> tuple[int, str, int]:
    """The longest message that a state may need: its size in bytes, what it says, for how many
    replicas."""
    slots = _slots(state)
    messages: dict[str, PeerMessage] = {
        "the list of a worker's replicas": _assignment(state, slots),
        "a worker's report": _report(slots),
        "the routes": _routes(state, slots),
    }
    size, what = max((len(encode(message)), what) for what, message in messages.items())
    return size, what, len(slots)


def _slots(state: ClusterState) -> dict[SlotName, ServiceName]:
    """All that are asked for or still there, with their services."""
    return dict(sorted(_each_slot(state)))


def _each_slot(state: ClusterState) -> Iterator[tuple[SlotName, ServiceName]]:
    for name, service in state.services.items():
        for number in range(service.spec.replicas):
            yield SlotName(f"{name}.{number}"), name
    for placement in (*state.placements.values(), *state.evicted):
        name = ServiceName(placement.slot.rpartition(".")[0])
        if name in state.services:
            yield placement.slot, name


def _assignment(state: ClusterState, slots: dict[SlotName, ServiceName]) -> Assignment:
    specs = {name: service.spec for name, service in state.services.items()}
    return Assignment(
        _MOST,
        _MOST,
        tuple(SlotAssignment(slot, specs[name], _PORT, _MOST) for slot, name in slots.items()),
    )


def _report(slots: dict[SlotName, ServiceName]) -> Report:
    reason = "x" * MAX_REASON_BYTES
    replicas = tuple(
        ReplicaReport(
            slot,
            _LONGEST_STATE,
            _MOST,
            _PORT,
            _MOST,
            _MOST,
            _MOST,
            False,
            reason,
            _MOST,
            asked=_MOST,
        )
        for slot in slots
    )
    balancers = tuple(
        BalancerReport(slot, _MOST, _MOST, tuple(slots), reason)
        for slot, name in slots.items()
        if name == BALANCER
    )
    return Report(HostName(_LONGEST_ADDRESS), _MOST, _MOST, replicas, balancers, False)


def _routes(state: ClusterState, slots: dict[SlotName, ServiceName]) -> Routes:
    services = []
    for name, service in state.services.items():
        expose = service.spec.expose
        if expose is not None:
            endpoints = tuple(
                Endpoint(slot, _LONGEST_ADDRESS, _PORT, EndpointState.READY)
                for slot, of in slots.items()
                if of == name
            )
            services.append(ServiceRoute(name, expose, service.spec.health.readiness, endpoints))
    return Routes(RouteTable(_MOST, _MOST, tuple(services)))
