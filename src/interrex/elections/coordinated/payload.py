"""What workers tell each other in a coordinated election.

msgpack arrays with an integer tag, in the order of the fields.
"""

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True):
    """Everything that is sent."""


class MarkTold(Message, frozen=True, tag=1):
    """What the process that sends this has at the service, and no other ever has: its lease, its
    node. On the proved death of that process the others end that very one."""

    mark: str


class Raise(Message, frozen=True, tag=2):
    """Obey no command of an older epoch from now on, also after a restart; answered by ``Raised``.

    Sent by whoever is about to lead in this epoch.
    """

    epoch: int


class Raised(Message, frozen=True, tag=3):
    """The epoch is on this worker's disk."""

    epoch: int


class Remembered(Message, frozen=True, tag=4):
    """Changes up to this index were acknowledged, and somebody has led in this epoch. A worker that
    has just joined may have a coordination service before it that has lost them."""

    index: int
    epoch: int


encode_payload = msgspec.msgpack.Encoder().encode
decode_payload = msgspec.msgpack.Decoder(MarkTold | Raise | Raised | Remembered).decode
"""Raises msgspec.MsgspecError when the bytes are no such message."""
