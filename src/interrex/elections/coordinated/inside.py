"""What a trace shows of every coordinated election."""

from typing import Any

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.election import CoordinatedElection


class CoordinatedState(msgspec.Struct, frozen=True, kw_only=True):
    """The core after a step. Indices and epochs are 0 for none, ``trusted_until`` is on this
    worker's own clock (ns); ``problem`` is empty where nothing is wrong."""

    role: str
    epoch: int
    led: int
    holder: WorkerName | None
    served: bool
    trusted_until: int
    applied: int
    snapshot: int
    remembered: int
    remembered_epoch: int
    problem: str


def shared_by_all(election: CoordinatedElection[Any]) -> dict[str, Any]:
    """The fields of ``CoordinatedState``."""
    holder, log = election._line.holder, election._log
    is_leader = election._leading is not None
    return {
        "role": "leader" if is_leader else "candidate" if election._claiming else "follower",
        "epoch": election.epoch,
        "led": election._led,
        "holder": None if holder is None else holder.worker,
        "served": election._is_served,
        "trusted_until": election._trusted_until,
        "applied": log.applied,
        "snapshot": log.head.index,
        "remembered": log.memory.index,
        "remembered_epoch": log.memory.epoch,
        "problem": election._problem,
    }
