"""The only thing that workers tell each other in a coordinated election."""

import msgspec


class MarkTold(msgspec.Struct, frozen=True, array_like=True):
    """What the process that sends this has at the service, and no other ever has: its lease, its
    node. On the proved death of that process the others end that very one."""

    mark: str


encode_payload = msgspec.msgpack.Encoder().encode
decode_payload = msgspec.msgpack.Decoder(MarkTold).decode
"""Raises msgspec.MsgspecError when the bytes are no such message."""
