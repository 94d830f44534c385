"""What a trace shows of Raft."""

import msgspec

from interrex.elections.inside import Inside
from interrex.elections.raft import messages
from interrex.elections.raft.raft import Raft


class RaftState(msgspec.Struct, frozen=True, kw_only=True):
    """The core after a step. ``vote`` is a member id, 0 for none; indices are 0 for none."""

    role: str
    term: int
    vote: int
    commit: int
    last_index: int
    last_term: int
    persisted: int
    snapshot: int


def _state(election: Raft) -> RaftState:
    server = election._server
    node = server.node
    return RaftState(
        role=type(server.role).__name__.lower(),
        term=node.term,
        vote=node.vote,
        commit=node.commit,
        last_index=node.log.last_index,
        last_term=node.log.last_term,
        persisted=node.log.persisted,
        snapshot=node.log.snapshot_index,
    )


INSIDE = Inside(_state, messages.decode)
