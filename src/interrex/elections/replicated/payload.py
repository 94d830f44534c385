"""What the bytes of a log entry and of a snapshot mean.

The first byte of an entry's data is its kind, nothing at all is the no-op of a new leader.
A change is cut with slices instead of a codec: this runs once per committed write.
"""

import msgspec

from interrex.core.decoding import decoded
from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Entry

NOOP = b""
_CHANGE = 1
_CONFIGURATION = 2


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """Who votes, and who only receives the log; both map a member id to its worker's name."""

    voters: dict[int, WorkerName]
    learners: dict[int, WorkerName] = {}


class StateWithMembers(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot's bytes: the state and the configuration, both after the same entry."""

    configuration: Configuration
    data: bytes


_configuration = msgspec.msgpack.Decoder(Configuration)
_state_with_members = msgspec.msgpack.Decoder(StateWithMembers)


def change_data(change: ChangeId, data: bytes) -> bytes:
    """The entry data of a proposed change."""
    name = change.encode()
    return bytes((_CHANGE,)) + len(name).to_bytes(2, "big") + name + data


def change_of(data: bytes) -> tuple[ChangeId, bytes] | None:
    """The change in an entry's data, None where it holds something else."""
    if not data or data[0] != _CHANGE:
        return None
    start = 3 + int.from_bytes(data[1:3], "big")
    return ChangeId(data[3:start].decode(errors="replace")), data[start:]


def committed_data(data: bytes) -> bytes | None:
    """Only the bytes of the change in an entry's data, None where it holds something else."""
    if not data or data[0] != _CHANGE:
        return None
    return data[3 + (data[1] << 8 | data[2]) :]


def configuration_data(configuration: Configuration) -> bytes:
    """The entry data of a change of membership."""
    return bytes((_CONFIGURATION,)) + msgspec.msgpack.encode(configuration)


def configuration_of(entry: Entry) -> Configuration | None:
    """The configuration that an entry holds, None where it holds something else.

    Raises:
        msgspec.DecodeError: it claims to hold one and does not.
    """
    if not entry.data or entry.data[0] != _CONFIGURATION:
        return None
    return decoded(_configuration.decode, entry.data[1:])


def snapshot_data(configuration: Configuration, data: bytes) -> bytes:
    """The bytes of a snapshot."""
    return msgspec.msgpack.encode(StateWithMembers(configuration, data))


def snapshot_parts(data: bytes) -> StateWithMembers:
    """The parts of a snapshot's bytes.

    Raises:
        msgspec.DecodeError: they are no snapshot.
    """
    return decoded(_state_with_members.decode, data)
