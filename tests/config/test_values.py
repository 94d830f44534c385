"""Durations, sizes, commands and placeholders."""

import shlex
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interrex.config.kinds import show_command
from interrex.config.problems import Refused, quoted
from interrex.config.values import (
    parse_command,
    parse_duration,
    parse_size,
    show_duration,
    show_size,
)
from interrex.core.placeholders import PLACEHOLDERS, StrayBrace, fill, placeholders_in

UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (2, 2.0),
        (0.25, 0.25),
        ("50ms", 0.05),
        ("2s", 2.0),
        ("1m30s", 90.0),
        ("1.5 h", 5400.0),
        ("1d", 86400.0),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_a_text(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@given(st.integers(0, 86_400), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_with_a_unit_is_the_nearest_number(count: int, unit: str) -> None:
    exact = count * UNITS[unit]
    if exact <= 86_400:
        assert parse_duration(f"{count}{unit}") == float(exact)


@given(st.integers(0, 86_400_000))
def test_a_shown_duration_reads_back(thousandths: int) -> None:
    assert parse_duration(show_duration(thousandths / 1000)) == thousandths / 1000


@given(st.floats(1e-6, 86_400))
@example(0.0015)
@example(1e-05)
def test_any_duration_can_be_shown(seconds: float) -> None:
    assert show_duration(seconds)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (4096, 4096),
        ("512MiB", 512 * 1024**2),
        ("2GB", 2 * 1000**3),
        ("1.5 KiB", 1536),
        ("0B", 0),
        ("4kB", 4000),
        ("4KB", 4000),
    ],
)
def test_a_size_is_a_number_of_bytes_or_a_text(written: object, size: int) -> None:
    assert parse_size(written) == size


@given(st.integers(0, 2**63 - 1))
def test_a_shown_size_reads_back(size: int) -> None:
    shown = show_size(size)
    if len(shown) <= 16:
        assert parse_size(shown) == size


@given(
    st.one_of(
        st.text(), st.text("0123456789.-smhdKMGTiB "), st.integers(), st.floats(), st.booleans(),
        st.none(), st.lists(st.integers()), st.dates(),
    )
)  # fmt: skip
def test_anything_is_read_or_refused_in_one_line(value: object) -> None:
    for parse in (parse_duration, parse_size):
        told = ""
        try:
            assert parse(value) >= 0
        except Refused as refusal:
            told = str(refusal)
        assert "\n" not in told
        assert len(told) < 200


@given(st.lists(st.text("ab '\"\\$é\t", min_size=1), min_size=1))
def test_a_command_is_split_as_a_shell_would(arguments: list[str]) -> None:
    if not arguments[0].strip():
        return
    assert parse_command(shlex.join(arguments), PLACEHOLDERS) == tuple(arguments)
    assert parse_command(arguments, PLACEHOLDERS) == tuple(arguments)
    assert parse_command(show_command(tuple(arguments)), PLACEHOLDERS) == tuple(arguments)


def test_placeholders_are_filled_in_and_doubled_braces_made_single() -> None:
    text = '--port {port} --json {{"a": {number}}} {{port}}'
    assert placeholders_in(text) == ("port", "number")
    values = {"port": "21000", "number": "2"}
    assert fill(text, values) == '--port 21000 --json {"a": 2} {port}'


@pytest.mark.parametrize("text", ["{", "}", "a}b", "{a b}", "{port", "{{}", "{po{rt}"])
def test_a_brace_alone_is_none(text: str) -> None:
    with pytest.raises(StrayBrace):
        placeholders_in(text)


@given(st.text("ab{} "))
def test_doubled_braces_come_out_as_they_were_meant(text: str) -> None:
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert placeholders_in(doubled) == ()
    assert fill(doubled, {}) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café", '"café"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a\nb\u200b", '"a\\nb\\u200b"'),
        ("a" * 60, f'"{"a" * 60}"'),
        ("a" * 61, f'"{"a" * 57}..."'),
        ("\0" * 60, '"' + "\\u0000" * 9 + '..."'),
    ],
)
def test_a_text_is_shown_on_one_short_line(text: str, shown: str) -> None:
    assert quoted(text) == shown
