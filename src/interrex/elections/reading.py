"""Payloads as the messages that they are, or as none: read alike by every election."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from interrex.elections.interface import MalformedPayload

Message = TypeVar("Message")
Check = Callable[[Any], None]
NO_CHECKS: Mapping[type, Check] = {}


def reader(
    election: str, decode: Callable[[bytes], Message], checks: Mapping[type, Check] = NO_CHECKS
) -> Callable[[bytes], Message]:
    """Makes what reads an election's payloads.

    Args:
        election: its name, for the refusal.
        decode: of msgspec, for the union of its messages.
        checks: for kinds of messages whose fields may contradict each other, what raises
            MalformedPayload then.

    Returns:
        The message in a payload; raises MalformedPayload where there is none.
    """

    def read(payload: bytes) -> Message:
        try:
            message = decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedPayload(f"no message of {election}: {error}") from error
        check = checks.get(type(message))
        if check is not None:
            check(message)
        return message

    return read
