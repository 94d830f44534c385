"""What a caller can pass wrongly is told at once, in words of its own."""

import math
from pathlib import Path
from typing import Any

import pytest

import interrex
from interrex.library.errors import BadMargin, MalformedUrl, UnknownOption, WrongPeers

FLEETS = "interrex:///shop/billing"


@pytest.mark.parametrize("url", [None, b"etcd://u:s3cret@h/x", Path("etcd://h/x"), 5, []])
def test_what_is_no_str_is_no_url_and_its_password_is_not_shown(url: Any) -> None:
    with pytest.raises(MalformedUrl, match=f"it is to be a str, not {type(url).__name__}") as told:
        interrex.election(url)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        f"{FLEETS}%00",
        f"{FLEETS}%ff",
        f"{FLEETS}\ud800",
        f"{FLEETS}?state=%00",
        "raft://127.0.0.1:1/x?self=0&secret_file=%00",
        "etcd://h/x?ca=%00",
        "etcd://u@h/x?password_file=%ff",
        "postgresql://u:s3cret%00@h/db/x",
    ],
)
def test_what_no_file_could_be_called_is_in_no_url(url: str) -> None:
    with pytest.raises(MalformedUrl, match=r"UTF-8, without NUL") as told:
        interrex.election(url)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("scheme", ["interrex://", "raft://127.0.0.1:1", "etcd://h"])
def test_a_name_is_no_longer_than_a_fleet_allows(scheme: str) -> None:
    path = f"{scheme}{'/shop' if scheme == 'interrex://' else ''}/{'x' * 201}"
    with pytest.raises(MalformedUrl, match="200 characters at most"):
        interrex.election(path)


@pytest.mark.parametrize(
    ("url", "option"),
    [
        (f"{FLEETS}?state=", "state"),
        ("raft://127.0.0.1:1/x?self=0&state=", "state"),
        ("raft://127.0.0.1:1/x?self=0&ca=a&certificate=&key=k", "certificate"),
        ("etcd://u:p@h/x?ca=", "ca"),
        ("zookeeper://u:p@h/x?ca=", "ca"),
        ("postgresql://u:p@h/db/x?ca=", "ca"),
    ],
)
def test_an_empty_option_is_not_taken_for_one_that_is_left_out(url: str, option: str) -> None:
    """Of a variable that is not set: a password would go out without TLS, votes lie anywhere."""
    with pytest.raises(UnknownOption, match=f"'{option}'.*it is empty"):
        interrex.election(url)


@pytest.mark.parametrize("host", [".", "a..b", "a" * 64, "ü" * 64])
def test_what_no_host_can_be_called_is_no_server_and_no_peer(host: str) -> None:
    for url in (f"etcd://{host}:1/x", f"zookeeper://{host}:1/x", f"postgresql://{host}:1/db/x"):
        with pytest.raises(MalformedUrl, match="no HOST:PORT"):
            interrex.election(url)
    with pytest.raises(WrongPeers, match="no HOST:PORT"):
        interrex.election(f"raft://{host}:1/x?self=0")


@pytest.mark.parametrize("identity", [b"a", 5, ["a"], ("a",), Path("a"), True, {}])
def test_an_identity_is_a_str(identity: Any) -> None:
    with pytest.raises(ValueError, match="an identity is a str"):
        interrex.election(FLEETS, identity=identity)


@pytest.mark.parametrize("margin", ["0.1", b"1", [], {}])
def test_a_margin_is_a_number(margin: Any) -> None:
    with pytest.raises(ValueError, match="a margin is a number of seconds"):
        interrex.election(FLEETS, margin=margin)


@pytest.mark.parametrize("margin", [10**400, math.inf, math.nan, -1])
def test_a_margin_that_is_no_time_does_not_fit(margin: float) -> None:
    with pytest.raises(BadMargin):
        interrex.election(FLEETS, margin=margin)


def test_a_place_is_written_in_ascii() -> None:
    with pytest.raises(UnknownOption, match="none of 0 to 0"):
        interrex.election("raft://127.0.0.1:1/x?self=\N{ARABIC-INDIC DIGIT ZERO}")
