"""The only thing that workers tell each other in an election by ZooKeeper: their sessions."""

import msgspec


class SessionTold(msgspec.Struct, frozen=True, array_like=True):
    """The session of the process that sends this, and its node in the line."""

    session: int
    node: str


encode_payload = msgspec.msgpack.Encoder().encode
decode_payload = msgspec.msgpack.Decoder(SessionTold).decode
"""Raises msgspec.MsgspecError when the bytes are no such message."""
