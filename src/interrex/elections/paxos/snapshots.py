"""What the bytes of a snapshot mean: the state, and who the acceptors of the next slots are.

Source: PML 5.5 (snapshots), PMS 3 (a configuration governs a window of slots later: those that
were chosen lately belong to the state, or whoever begins from it would ask the wrong acceptors).
"""

import msgspec

from interrex.elections.paxos.membership import History


class StateWithMembers(msgspec.Struct, frozen=True, array_like=True):
    """The state after a slot, and the configurations that have to be known to go on there."""

    history: History
    data: bytes


def snapshot_data(history: History, data: bytes) -> bytes:
    """The bytes of a snapshot."""
    return msgspec.msgpack.encode(StateWithMembers(history, data))


def snapshot_parts(data: bytes) -> StateWithMembers:
    """The parts of a snapshot's bytes.

    Raises:
        msgspec.DecodeError: they are no snapshot.
    """
    parts = msgspec.msgpack.decode(data, type=StateWithMembers)
    if not parts.history:
        raise msgspec.ValidationError("a snapshot names its members")
    return parts
