"""What each worker is told to supervise."""

from collections.abc import Iterator

import msgspec

from interrex.core.ids import SlotName, WorkerName, service_of, slot_order
from interrex.core.replicas import ReplicaState, SlotAssignment
from interrex.core.spec import ServiceSpec
from interrex.core.state import ClusterState, Placement
from interrex.orchestration.fleet import Fleet


def slots_for(state: ClusterState, fleet: Fleet, worker: WorkerName) -> tuple[SlotAssignment, ...]:
    """The whole list for one worker: its placements, and what is to be stopped on its host.

    That is what was evicted from the host, and what the state knows nothing of there: a leader
    whose changes were lost when two sides merged has placed it.
    """
    mine = [p for p in state.placements.values() if p.worker == worker]
    mine += [
        msgspec.structs.replace(placement, wanted=False)
        for placement in state.evicted
        if worker == _stopper(fleet, placement)
    ]
    mine += _strays(state, fleet, worker, {placement.slot for placement in mine})
    return tuple(
        SlotAssignment(
            placement.slot,
            _spec_of(state, placement.slot),
            placement.port,
            placement.generation,
            placement.wanted,
        )
        for placement in sorted(mine, key=lambda placement: slot_order(placement.slot))
    )


def _spec_of(state: ClusterState, slot: SlotName) -> ServiceSpec:
    """How it runs or, of a service that the state does not know, how it is stopped."""
    service = state.services.get(service_of(slot))
    return service.spec if service is not None else ServiceSpec(name=service_of(slot), command=())


def _strays(
    state: ClusterState, fleet: Fleet, worker: WorkerName, told: set[SlotName]
) -> Iterator[Placement]:
    """What a worker supervises, was told nothing of, and nobody wants on its host: to be stopped.

    Also where another worker of the host stops it: that one may have done so already when a lost
    side of a merge started it again here, and let go of, it would run on unseen.
    """
    view = fleet.workers.get(worker)
    if view is None or not view.connected:
        return
    for slot, report in view.replicas.items():
        placement = state.placements.get(slot)
        if report.state is ReplicaState.STOPPED or slot in told:
            continue
        if placement and placement.host == view.host and placement.wanted:
            continue
        generation = report.generation
        yield Placement(slot, worker, view.host, report.port, generation, generation, False)


def _stopper(fleet: Fleet, placement: Placement) -> WorkerName | None:
    """Who stops an evicted slot: the worker that had it, else the first one back on its host."""
    connected = fleet.connected(placement.host)
    if placement.worker in connected:
        return placement.worker
    return connected[0] if connected else None
