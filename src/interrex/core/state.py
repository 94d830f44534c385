"""The replicated state of a cluster: what is asked for and where it was placed.

It changes only by ``Change`` records that ``apply`` applies, each once however often it is
retried. Actual state (what runs, what is ready) is never in here: workers report it.
"""

from typing import assert_never

import msgspec

from interrex.core.balancer_service import balancer_service
from interrex.core.contests import (
    ContestOperation,
    Contests,
    Expire,
    Renew,
    Stand,
    Withdraw,
    apply_to_contests,
)
from interrex.core.decoding import decoded
from interrex.core.ids import (
    BALANCER,
    ChangeId,
    HostName,
    ServiceName,
    SlotName,
    WorkerName,
    service_of,
    slot_order,
)
from interrex.core.spec import ClusterSpec, HostSpec, ServiceSpec, hosts_of

REMEMBERED_CHANGES = 4096
"""How many applied change ids are kept: a retry later than that many changes is applied again."""


class Service(msgspec.Struct, frozen=True, array_like=True):
    """A declared service; ``generation`` is the newest that a replica of it can have."""

    spec: ServiceSpec
    generation: int


class Placement(msgspec.Struct, frozen=True, array_like=True):
    """A slot's place. ``generation`` is what its worker shall run, ``target`` what it will be
    brought to by a rolling replacement; ``wanted`` False means it is being stopped for good."""

    slot: SlotName
    worker: WorkerName
    host: HostName
    port: int
    generation: int
    target: int
    wanted: bool = True


class BarredPort(msgspec.Struct, frozen=True, array_like=True):
    """A port of a host to which balancers that cannot be heard may still send what is asked of a
    service: no slot of another service gets it."""

    host: HostName
    port: int
    service: ServiceName


class ClusterState(msgspec.Struct):
    """Everything that is replicated.

    ``workers`` maps each worker to its host. ``evicted`` holds placements that were moved away
    from a lost host: whoever comes back there stops them first. ``applied`` maps the ids of the
    latest changes, oldest first, to the index each was applied at. ``contests`` are the named
    leaderships that programs of the hosts compete for. ``departing`` are the hosts that the file
    names no more and that still have workers, with where these listen. ``barred`` are the ports of
    slots that were forgotten before every balancer had confirmed that it sends nothing there.

    Invariants: whatever is placed or evicted belongs to one of ``services``; whatever is placed on
    a barred port belongs to the service that it is barred for.
    """

    spec: ClusterSpec
    services: dict[ServiceName, Service] = {}
    placements: dict[SlotName, Placement] = {}
    workers: dict[WorkerName, HostName] = {}
    evicted: tuple[Placement, ...] = ()
    applied: dict[ChangeId, int] = {}
    index: int = 0
    contests: Contests = msgspec.field(default_factory=Contests)
    departing: tuple[HostSpec, ...] = ()
    barred: tuple[BarredPort, ...] = ()


# Operations: what a change is made of.


class ApplySpec(msgspec.Struct, frozen=True, tag=True):
    """The user's file, whole."""

    spec: ClusterSpec


class Scale(msgspec.Struct, frozen=True, tag=True):
    service: ServiceName
    replicas: int


class Restart(msgspec.Struct, frozen=True, tag=True):
    """Replace the processes of a service one at a time, or of one slot."""

    service: ServiceName
    slot: SlotName | None = None


class Outdate(msgspec.Struct, frozen=True, tag=True):
    """Replace the processes of a service one at a time by a generation above this one: a side of a
    merge had come to it whose changes are lost."""

    service: ServiceName
    generation: int


class Place(msgspec.Struct, frozen=True, tag=True):
    """Put a slot on a worker, or move it to another worker of the same host."""

    placement: Placement


class Advance(msgspec.Struct, frozen=True, tag=True):
    """Let a slot's worker replace its process by the target generation."""

    slot: SlotName


class Retire(msgspec.Struct, frozen=True, tag=True):
    """Stop a slot for good; it keeps its port until it is removed."""

    slot: SlotName


class Remove(msgspec.Struct, frozen=True, tag=True):
    """Forget a stopped slot: its port may go to another."""

    slot: SlotName


class Evict(msgspec.Struct, frozen=True, tag=True):
    """Take a slot from a lost host; whatever runs there is stopped when the host is back."""

    slot: SlotName


class ForgetEvicted(msgspec.Struct, frozen=True, tag=True):
    """An evicted slot has been stopped on the host that came back."""

    slot: SlotName
    host: HostName


class BarPort(msgspec.Struct, frozen=True, tag=True):
    """A slot leaves its port, and not every balancer is known to send nothing there."""

    barred: BarredPort


class FreePort(msgspec.Struct, frozen=True, tag=True):
    """Every balancer has confirmed since that it sends nothing there."""

    barred: BarredPort


class ForgetWorker(msgspec.Struct, frozen=True, tag=True):
    """A worker that the file no longer asks for holds nothing any more."""

    worker: WorkerName


Operation = (
    ApplySpec
    | Scale
    | Restart
    | Outdate
    | Place
    | Advance
    | Retire
    | Remove
    | Evict
    | ForgetEvicted
    | BarPort
    | FreePort
    | ForgetWorker
    | Stand
    | Withdraw
    | Renew
    | Expire
)


class Change(msgspec.Struct, frozen=True, array_like=True):
    """Operations applied together, once. ``epoch`` is the proposing leader's; 0 for a user's."""

    id: ChangeId
    epoch: int
    operations: tuple[Operation, ...]

    @property
    def is_of_contests(self) -> bool:
        """Whether it is all about programs' leaderships, so that the fleet stays as it was."""
        return all(isinstance(one, ContestOperation) for one in self.operations)


_change_decoder = msgspec.msgpack.Decoder(Change)
_state_decoder = msgspec.msgpack.Decoder(ClusterState)
_encoder = msgspec.msgpack.Encoder()


def encode_change(change: Change) -> bytes:
    return _encoder.encode(change)


def decode_change(data: bytes) -> Change:
    """Raises msgspec.MsgspecError where the bytes are no change."""
    return decoded(_change_decoder.decode, data)


def encode_state(state: ClusterState) -> bytes:
    return _encoder.encode(state)


def decode_state(data: bytes) -> ClusterState:
    """Raises msgspec.MsgspecError where the bytes are no state."""
    return decoded(_state_decoder.decode, data)


def workers_of(spec: ClusterSpec) -> dict[WorkerName, HostName]:
    """The workers that a file asks for: ``worker-1`` ..., or ``HOST-1`` ... where hosts are
    listed."""
    return {
        WorkerName(f"{host.name if spec.hosts else 'worker'}-{number}"): host.name
        for host in hosts_of(spec)
        for number in range(1, host.workers + 1)
    }


def genesis(spec: ClusterSpec) -> ClusterState:
    """The state before the first change: every worker of a new cluster starts from it."""
    state = ClusterState(spec=spec)
    _apply_spec(state, spec)
    return state


def apply(state: ClusterState, change: Change, index: int) -> bool:
    """Apply a committed change in place.

    Returns:
        Whether it was applied: False if its id was applied before.
    """
    state.index = index
    if change.id in state.applied:
        return False
    for operation in change.operations:
        _apply_operation(state, operation)
    state.applied[change.id] = index
    while len(state.applied) > REMEMBERED_CHANGES:
        del state.applied[next(iter(state.applied))]
    return True


def process_part(spec: ServiceSpec) -> tuple[object, ...]:
    """What of a service its processes are made from: a change of it needs new processes."""
    return (spec.command, spec.env, spec.directory, spec.user, spec.limits)


def ports_in_use(state: ClusterState, host: HostName) -> set[int]:
    """The ports that slots own on a host, those being stopped or evicted included."""
    return {
        placement.port
        for placement in (*state.placements.values(), *state.evicted)
        if placement.host == host
    }


def port_of(placement: Placement) -> BarredPort:
    """A slot's port, as it is barred when the slot leaves it."""
    return BarredPort(placement.host, placement.port, service_of(placement.slot))


def slots_of(state: ClusterState, service: ServiceName) -> list[Placement]:
    """A service's placements, by number."""
    placements = state.placements
    slots = [slot for slot in placements if service_of(slot) == service]
    slots.sort(key=slot_order)
    return [placements[slot] for slot in slots]


def _apply_operation(state: ClusterState, operation: Operation) -> None:
    match operation:
        case ApplySpec():
            _apply_spec(state, operation.spec)
        case Scale():
            _scale(state, operation)
        case Restart():
            _restart(state, operation)
        case Outdate():
            _outdate(state, operation)
        case Place():
            _place(state, operation.placement)
        case Advance():
            _replace(state, operation.slot, advance=True)
        case Retire():
            _replace(state, operation.slot, retire=True)
        case Remove():
            state.placements.pop(operation.slot, None)
            _drop_undeclared(state, service_of(operation.slot))
        case Evict():
            gone = state.placements.pop(operation.slot, None)
            if gone is not None:
                state.evicted = (*state.evicted, gone)
        case ForgetEvicted():
            state.evicted = tuple(
                placement
                for placement in state.evicted
                if (placement.slot, placement.host) != (operation.slot, operation.host)
            )
            _drop_undeclared(state, service_of(operation.slot))
        case BarPort():
            state.barred = (*_without(state.barred, operation.barred), operation.barred)
        case FreePort():
            state.barred = _without(state.barred, operation.barred)
        case ForgetWorker():
            state.workers.pop(operation.worker, None)
            _depart(state, state.departing)
        case Stand() | Withdraw() | Renew() | Expire():
            apply_to_contests(state.contests, operation, state.index)
        case _:
            assert_never(operation)


def _without(barred: tuple[BarredPort, ...], port: BarredPort) -> tuple[BarredPort, ...]:
    return tuple(other for other in barred if other != port)


def _place(state: ClusterState, placement: Placement) -> None:
    """Not what a leader asked for before it heard that the service is gone, with all its slots."""
    if service_of(placement.slot) in state.services:
        state.placements[placement.slot] = placement


def _apply_spec(state: ClusterState, spec: ClusterSpec) -> None:
    services = {}
    renewed = set()
    declared = dict(spec.services)
    balancer = balancer_service(spec)
    if balancer is not None:
        declared[BALANCER] = balancer
    for name, service in declared.items():
        old = state.services.get(name)
        if old is None:
            services[name] = Service(service, 1)
        elif process_part(old.spec) == process_part(service):
            services[name] = Service(service, old.generation)
        else:
            services[name] = Service(service, old.generation + 1)
            renewed.add(name)
    for name, old in state.services.items():
        if name not in services and _has_processes(state, name):
            services[name] = Service(msgspec.structs.replace(old.spec, replicas=0), old.generation)
    hosts = (*state.departing, *state.spec.hosts)
    state.spec = spec
    state.services = services
    state.workers = {**state.workers, **workers_of(spec)}
    _depart(state, hosts)
    for name, current in services.items():
        # A restart of one slot has raised the generation too: the other slots keep theirs.
        for placement in slots_of(state, name) if name in renewed else ():
            _retarget(state, placement, current.generation)


def _depart(state: ClusterState, hosts: tuple[HostSpec, ...]) -> None:
    """Which of these hosts, of which some may have been named by a file before, are being left."""
    named = {host.name for host in state.spec.hosts}
    there = set(state.workers.values()) - named
    state.departing = tuple(host for host in hosts if host.name in there)


def _has_processes(state: ClusterState, service: ServiceName) -> bool:
    return any(
        service_of(placement.slot) == service
        for placement in (*state.placements.values(), *state.evicted)
    )


def _drop_undeclared(state: ClusterState, service: ServiceName) -> None:
    """A service taken from the file is kept, with no replicas, until its last one is stopped."""
    known = state.services.get(service)
    undeclared = known is not None and known.spec.replicas == 0
    if undeclared and service not in state.spec.services and not _has_processes(state, service):
        del state.services[service]


def _scale(state: ClusterState, operation: Scale) -> None:
    """Only what the file declares: a service that is kept until its last process is stopped stays
    taken from the file, and how many balancers there are says the file itself."""
    service = state.services.get(operation.service)
    if service is None or operation.service not in state.spec.services:
        return
    spec = msgspec.structs.replace(service.spec, replicas=operation.replicas)
    state.services[operation.service] = Service(spec, service.generation)
    state.spec = msgspec.structs.replace(
        state.spec, services={**state.spec.services, operation.service: spec}
    )


def _restart(state: ClusterState, operation: Restart) -> None:
    service = state.services.get(operation.service)
    if service is None:
        return
    _raise(state, operation.service, service.generation + 1, operation.slot)


def _outdate(state: ClusterState, operation: Outdate) -> None:
    service = state.services.get(operation.service)
    if service is not None and service.generation <= operation.generation:
        _raise(state, operation.service, operation.generation + 1)


def _raise(
    state: ClusterState, service: ServiceName, generation: int, slot: SlotName | None = None
) -> None:
    """A service's newest generation, which all its slots are to run, or one."""
    state.services[service] = Service(state.services[service].spec, generation)
    for placement in slots_of(state, service):
        if slot in (None, placement.slot):
            _retarget(state, placement, generation)


def _retarget(state: ClusterState, placement: Placement, target: int) -> None:
    state.placements[placement.slot] = msgspec.structs.replace(placement, target=target)


def _replace(
    state: ClusterState, slot: SlotName, *, advance: bool = False, retire: bool = False
) -> None:
    placement = state.placements.get(slot)
    if placement is None:
        return
    state.placements[slot] = msgspec.structs.replace(
        placement,
        generation=placement.target if advance else placement.generation,
        wanted=placement.wanted and not retire,
    )
