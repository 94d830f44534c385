"""What a trace shows of Paxos."""

import msgspec

from interrex.elections.inside import Inside
from interrex.elections.paxos import messages
from interrex.elections.paxos.paxos import Paxos


class PaxosState(msgspec.Struct, frozen=True, kw_only=True):
    """The core after a step. ``promised_to`` is a member id, 0 for nobody; slots are 0 for none."""

    role: str
    round: int
    promised_to: int
    chosen: int
    last: int
    last_round: int
    persisted: int
    snapshot: int


def _state(election: Paxos) -> PaxosState:
    server = election._server
    node = server.node
    return PaxosState(
        role=type(server.role).__name__.lower(),
        round=node.round,
        promised_to=node.promised_to,
        chosen=node.chosen,
        last=node.slots.last,
        last_round=node.slots.round_at(node.slots.last),
        persisted=node.slots.persisted,
        snapshot=node.slots.snapshot_index,
    )


INSIDE = Inside(_state, messages.decode)
