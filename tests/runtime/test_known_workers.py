"""What a host's workers keep of whom there is."""

from pathlib import Path

import pytest

from interrex.core.ids import HostName
from interrex.core.messages import Known
from interrex.core.spec import HostSpec
from interrex.runtime.known_workers import keep_known, read_known

HOSTS = (HostSpec(name=HostName("a"), address="10.0.0.1:7700", workers=2),)


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    keep_known(tmp_path / "known.json", Known(7, 3, HOSTS))
    assert read_known(tmp_path / "known.json") == Known(7, 3, HOSTS)
    assert [path.name for path in tmp_path.iterdir()] == ["known.json"]


def test_an_older_word_never_takes_a_newer_ones_place(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    for known in (Known(7, 3, ()), Known(5, 1, ()), Known(8, 2, ())):
        keep_known(path, known)
    assert read_known(path) == Known(8, 2, ())


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff", b"null"])
def test_what_is_none_of_ours_is_nothing_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "known.json"
    path.write_bytes(data)
    assert read_known(path) is None
    keep_known(path, Known(1, 1, ()))
    assert read_known(path) == Known(1, 1, ())


def test_without_anything_kept_nothing_is_known(tmp_path: Path) -> None:
    assert read_known(tmp_path / "known.json") is None


def test_where_it_cannot_be_kept_the_worker_goes_on(tmp_path: Path) -> None:
    keep_known(tmp_path / "missing" / "known.json", Known(1, 1, ()))
    assert read_known(tmp_path / "missing" / "known.json") is None
