"""What a crash or a person left in a worker's events is skipped, and the rest is told."""

import pytest

from interrex.runtime.journal import parse_event


@pytest.mark.parametrize(
    "line", [b"", b"\xff\xfe", b'{"time": 1', b'{"kind": "\xff"}', b"{}", b"3"]
)
def test_a_damaged_line_is_no_event(line: bytes) -> None:
    assert parse_event(line) is None
