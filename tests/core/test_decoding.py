"""Bytes that are no such thing have one kind of error, texts that are no UTF-8 included."""

from collections.abc import Callable

import msgspec
import pytest

from interrex.core import messages
from interrex.core.ids import WorkerName
from interrex.core.messages import LaunchWorker, encode
from interrex.core.state import decode_change, decode_state
from interrex.core.storage import Entry
from interrex.elections.bully import payload as bully
from interrex.elections.replicated import payload as replicated

NO_UTF8 = encode(LaunchWorker(1, WorkerName("abcd"))).replace(b"abcd", b"\xff\xfe\xfd\xfc")
DECODERS: list[Callable[[bytes], object]] = [
    messages.decode,
    decode_change,
    decode_state,
    replicated.snapshot_parts,
    bully.whole_parts,
    lambda data: replicated.configuration_of(Entry(1, 1, b"\x02" + data)),
    lambda data: bully.configuration_of(Entry(1, 1, b"\x02" + data)),
]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("data", [NO_UTF8, b"", b"\xc1", b"\x91\xa1\xff", b"\x92\x81\x01\xa1\xff"])
def test_whatever_is_wrong_is_a_decode_error(
    decode: Callable[[bytes], object], data: bytes
) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(data)


def test_a_name_that_is_no_utf8_is_no_message() -> None:
    with pytest.raises(msgspec.DecodeError, match="UTF-8"):
        messages.decode(NO_UTF8)
