"""What each worker is told to supervise."""

import msgspec

from interrex.core.ids import WorkerName, service_of, slot_order
from interrex.core.replicas import SlotAssignment
from interrex.core.state import ClusterState, Placement
from interrex.orchestration.fleet import Fleet


def slots_for(state: ClusterState, fleet: Fleet, worker: WorkerName) -> tuple[SlotAssignment, ...]:
    """The whole list for one worker: its placements, and what is to be stopped on its host."""
    mine = [p for p in state.placements.values() if p.worker == worker]
    mine += [
        msgspec.structs.replace(placement, wanted=False)
        for placement in state.evicted
        if worker == _stopper(fleet, placement)
    ]
    return tuple(
        SlotAssignment(
            placement.slot,
            state.services[service_of(placement.slot)].spec,
            placement.port,
            placement.generation,
            placement.wanted,
        )
        for placement in sorted(mine, key=lambda placement: slot_order(placement.slot))
    )


def _stopper(fleet: Fleet, placement: Placement) -> WorkerName | None:
    """Who stops an evicted slot: the worker that had it, else the first one back on its host."""
    connected = fleet.connected(placement.host)
    if placement.worker in connected:
        return placement.worker
    return connected[0] if connected else None
