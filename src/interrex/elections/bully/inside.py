"""What a trace shows of Bully."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.bully import messages
from interrex.elections.bully.bully import Bully
from interrex.elections.bully.candidate import Candidate
from interrex.elections.bully.coordinator import Leading
from interrex.elections.bully.waiting import Waiting
from interrex.elections.inside import Inside


class BullyState(msgspec.Struct, frozen=True, kw_only=True):
    """The core after a step. ``phase`` is empty but for a candidate; numbers are 0 for none."""

    role: str
    phase: str
    epoch: int
    seen: int
    obeys: WorkerName | None
    seat: int
    commit: int
    version: int
    version_epoch: int
    persisted: int
    whole: int


def _state(election: Bully) -> BullyState:
    server = election._server
    node, role = server.node, server.role
    halter = role.halter if isinstance(role, Waiting) else None
    return BullyState(
        role="coordinator" if isinstance(role, Leading) else type(role).__name__.lower(),
        phase=role.phase.name.lower() if isinstance(role, Candidate) else "",
        epoch=node.promised,
        seen=node.seen,
        obeys=server.leader if halter is None else halter,
        seat=node.seat or 0,
        commit=node.commit,
        version=node.copy.version,
        version_epoch=node.copy.epoch,
        persisted=node.copy.persisted,
        whole=node.copy.floor,
    )


INSIDE = Inside(_state, messages.decode)
