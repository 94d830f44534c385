"""Reading bytes that others wrote: one kind of error, whatever is wrong with them."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

Decoded = TypeVar("Decoded")


def decoded(decode: Callable[[bytes | memoryview], Decoded], data: bytes | memoryview) -> Decoded:
    """What ``decode`` makes of the bytes.

    Raises:
        msgspec.DecodeError: they are no such thing, texts that are no UTF-8 included, for which
            msgspec itself raises UnicodeDecodeError.
    """
    try:
        return decode(data)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"a text in it is no UTF-8: {error}") from error
