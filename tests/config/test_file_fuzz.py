"""Whatever a file holds, it is read or refused with problems: never an exception."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interrex.config import Checked, check
from interrex.config.document import read
from interrex.config.reading import Reading
from interrex.config.schema import SECTIONS

EXAMPLES = [file.read_bytes() for file in (Path(__file__).parents[2] / "examples").glob("*.toml")]
bounded = settings(max_examples=150)

leaves = st.one_of(
    st.sampled_from(
        [
            "",
            "web",
            "10s",
            "512MiB",
            "{port}",
            "{",
            "0.0.0.0:80",
            "[::]:80",
            "1-2",
            "/",
            "raft",
            "\0",
        ]
    ),
    st.text(max_size=6),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.just(date(2024, 1, 1)),
)
words = st.sampled_from(
    sorted({key.name for section in SECTIONS for key in section.keys} | {"web", "A", "x y"})
)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=5)),
    max_leaves=12,
)
tables = st.sampled_from(["cluster", "balancer", "service", "host", "tls", "other"])


def is_told_well(result: Checked) -> None:
    assert (result.spec is None) == bool(result.problems)
    for problem in (*result.problems, *result.warnings):
        text = str(problem)
        assert "\n" not in text
        assert "\0" not in text
        assert len(problem.message) < 400
        for foreign in ("Traceback", "msgspec", "Struct", "object at", "<class", "None", "$."):
            assert foreign not in problem.message


@bounded
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "shop.toml"
    file.write_bytes(data)
    is_told_well(check(file))


@bounded
@given(data=st.data())
def test_a_damaged_example_is_read_or_refused_in_words(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = at + data.draw(st.integers(0, 12))
        content[at:end] = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from(
            [b'"', b"\n", b"[", b"]", b"= 1", b"-1", b"{", b"true", b"[a]", b"[[b]]", b"'''"]
        )))  # fmt: skip
    file = tmp_path / "shop.toml"
    file.write_bytes(content)
    is_told_well(check(file))


@bounded
@given(root=st.dictionaries(tables, values, max_size=5))
def test_any_values_are_read_or_refused_in_words(root: dict[str, Any]) -> None:
    is_told_well(read(Reading("shop.toml", "/srv", "", root)))


@bounded
@given(
    service=st.dictionaries(words, values, max_size=8),
    host=st.lists(st.dictionaries(words, values, max_size=3), max_size=3),
)
def test_any_services_and_hosts_are_read_or_refused_in_words(
    service: dict[str, Any], host: list[dict[str, Any]]
) -> None:
    root = {"cluster": {"name": "shop"}, "service": {"web": service}, "host": host}
    is_told_well(read(Reading("shop.toml", "/srv", "", root)))


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000 + "]" * 5000, "a = " + "{a=" * 300, ".".join("a" * 300) + " = 1"]
)
def test_nesting_is_bounded(tmp_path: Path, text: str) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(text)
    is_told_well(check(file))


def test_the_examples_are_toml() -> None:
    assert all(tomllib.loads(data.decode()) for data in EXAMPLES)
