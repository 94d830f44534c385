"""Who a worker is survives restarts, and is never guessed from a damaged file."""

from pathlib import Path

import pytest

from interrex.core.ids import WorkerName
from interrex.runtime.disk_file import StoreCorrupt
from interrex.runtime.identity import IDENTITY_NAME, Identity, load_identity, save_identity

ME = Identity(cluster="shop", cluster_id="c0ffee", worker=WorkerName("worker-1"), member=17)


def test_a_worker_without_a_past_has_no_identity(tmp_path: Path) -> None:
    assert load_identity(tmp_path) is None


def test_an_identity_is_found_again_and_can_be_replaced(tmp_path: Path) -> None:
    save_identity(tmp_path, ME)
    assert load_identity(tmp_path) == ME
    other = Identity(cluster="shop", cluster_id="c0ffee", worker=ME.worker, member=18)
    save_identity(tmp_path, other)
    assert load_identity(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == [IDENTITY_NAME]
    assert (tmp_path / IDENTITY_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", [("17", "18"), ("shop", "shoq"), ("{", ""), ("crc", "src")])
def test_a_changed_identity_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    save_identity(tmp_path, ME)
    path = tmp_path / IDENTITY_NAME
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(StoreCorrupt):
        load_identity(tmp_path)


def test_an_emptied_identity_is_refused(tmp_path: Path) -> None:
    (tmp_path / IDENTITY_NAME).touch()
    with pytest.raises(StoreCorrupt):
        load_identity(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    save_identity(tmp_path, ME)
    path = tmp_path / IDENTITY_NAME
    path.write_bytes(path.read_bytes().replace(b"shop", b"sh\xffp", 1))
    with pytest.raises(StoreCorrupt):
        load_identity(tmp_path)
