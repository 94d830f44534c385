"""What the bytes of an entry and of a whole copy mean.

A change is written as Raft's entries write it; a configuration is of this election alone, because
members have seats.
"""

import msgspec

from interrex.core.decoding import decoded
from interrex.core.ids import WorkerName
from interrex.core.storage import Entry
from interrex.elections.replicated.payload import NOOP, change_data, change_of, committed_data

__all__ = ["NOOP", "change_data", "change_of", "committed_data"]

_CONFIGURATION = 2


class Seat(msgspec.Struct, frozen=True, array_like=True):
    """A member's worker, and the number that its epochs end in (1 to 999)."""

    worker: WorkerName
    number: int


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """The members: maps each member id to its seat."""

    members: dict[int, Seat]

    def member_of(self, worker: WorkerName) -> int | None:
        """The member that a worker is."""
        return next((one for one, seat in self.members.items() if seat.worker == worker), None)

    @property
    def workers(self) -> set[WorkerName]:
        """The members' workers."""
        return {seat.worker for seat in self.members.values()}

    @property
    def highest_seat(self) -> int:
        """0 where there is none."""
        return max((seat.number for seat in self.members.values()), default=0)


EMPTY = Configuration({})


class WholeState(msgspec.Struct, frozen=True, array_like=True):
    """The bytes of a whole copy: members and history beside the state, after the same version."""

    configuration: Configuration
    runs: tuple[tuple[int, int], ...]
    data: bytes


_configuration = msgspec.msgpack.Decoder(Configuration)
_whole_state = msgspec.msgpack.Decoder(WholeState)


def configuration_data(configuration: Configuration) -> bytes:
    """The entry data of a change of the members."""
    return bytes((_CONFIGURATION,)) + msgspec.msgpack.encode(configuration)


def configuration_of(entry: Entry) -> Configuration | None:
    """The configuration that an entry holds, None where it holds something else.

    Raises:
        msgspec.DecodeError: it claims to hold one and does not.
    """
    if not entry.data or entry.data[0] != _CONFIGURATION:
        return None
    return decoded(_configuration.decode, entry.data[1:])


def whole_data(whole: WholeState) -> bytes:
    """The bytes of a whole copy."""
    return msgspec.msgpack.encode(whole)


def whole_parts(data: bytes) -> WholeState:
    """The parts of a whole copy.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return decoded(_whole_state.decode, data)
