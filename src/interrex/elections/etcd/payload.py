"""The only thing that workers tell each other in an election by etcd: their leases."""

import msgspec


class LeaseTold(msgspec.Struct, frozen=True, array_like=True):
    """The lease of the process that sends this."""

    lease: int


encode_payload = msgspec.msgpack.Encoder().encode
decode_payload = msgspec.msgpack.Decoder(LeaseTold).decode
"""Raises msgspec.MsgspecError when the bytes are no such message."""
