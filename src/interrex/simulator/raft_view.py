"""What a trace shows of the Raft core: its state after a step, and what its mail says."""

import msgspec

from interrex.elections.interface import Election, MalformedPayload
from interrex.elections.raft import messages
from interrex.elections.raft.raft import Raft

Fields = dict[str, object]


class RaftState(msgspec.Struct, frozen=True):
    """The core after a step. ``vote`` is a member id, 0 for none; indices are 0 for none."""

    role: str
    term: int
    vote: int
    commit: int
    last_index: int
    last_term: int
    persisted: int
    snapshot: int


def state_of(election: Election) -> RaftState | None:
    """What a trace shows of an election's core; None where it is no Raft."""
    if not isinstance(election, Raft):
        return None
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


def mail_fields(payload: bytes) -> Fields:
    """What a mail says: its kind, and every field but the bytes of entries and of snapshots."""
    try:
        message = messages.decode(payload)
    except MalformedPayload as error:
        return {"kind": "malformed", "why": str(error)}
    fields: Fields = {"kind": type(message).__name__}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if isinstance(message, messages.AppendEntries) and name == "entries":
            fields["entries"] = [[entry.index, entry.epoch] for entry in message.entries]
        elif isinstance(value, bytes):
            fields[f"{name}_bytes"] = len(value)
        else:
            fields[name] = value
    return fields
