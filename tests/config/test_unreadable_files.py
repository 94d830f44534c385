"""Whatever lies where a cluster file should: it is refused at once, in one line."""

import os
import socket
from pathlib import Path

import pytest

from interrex.config import check
from tests.privileges import NOBODY, may_become


def refused(path: Path | str) -> str:
    """The one problem of a file, without its name."""
    spec, problems, _ = check(path)
    assert spec is None
    (problem,) = problems
    assert problem.file == str(path)
    return str(problem).removeprefix(f"{path}: ")


def test_a_missing_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "shop.toml") == "there is no such file"


def test_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path) == "is a folder, not a file"


def test_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shop.toml")
    assert refused(tmp_path / "shop.toml") == "is a pipe, not a file"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/null"])
def test_a_device(device: str) -> None:
    assert refused(device) == "is a device, not a file"


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("shop.toml")
        assert refused("shop.toml") == "cannot be read: No such device or address"


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").symlink_to("shop.toml")
    assert refused(tmp_path / "shop.toml") == "cannot be read: Too many levels of symbolic links"


def test_a_file_that_fails_when_it_is_read() -> None:
    assert refused("/proc/self/mem") == "cannot be read: Input/output error"


def test_a_file_of_somebody_else(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("[cluster]")
    file.chmod(0)
    me = os.geteuid()
    if me == 0 and not may_become(NOBODY):
        file = Path("/proc/1/mem")  # outside of this user namespace
    try:
        if may_become(NOBODY):
            os.seteuid(NOBODY)
        assert refused(file) == "cannot be read: Permission denied"
    finally:
        os.seteuid(me)


def test_a_file_of_100_megabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.touch()
    os.truncate(file, 100_000_000)
    message = "is 100000000 bytes large; a cluster file has at most 1048576"
    assert refused(file) == message


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_bytes(b'[cluster]\nname = "\xff"\n')
    assert refused(file) == f"{file}:2: is not written in UTF-8"


def test_a_name_that_no_file_has() -> None:
    assert refused("shop\0toml") == "cannot be read: its name is no file's name"
