"""The systemd unit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from interrex.cli.exits import Exit
from interrex.cli.install import unit
from interrex.cli.starting import read_plan
from tests.cli.conftest import Interrex


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/opt/my tools/bin:/usr/bin")


def test_the_unit_of_a_user(file: Path, state: Path) -> None:
    program = f"{sys.executable} -P -m interrex"
    assert (
        unit(read_plan(file, state, None), for_system=False)
        == f"""\
# Written by interrex install, which would replace it: change the cluster file.
[Unit]
Description=Interrex fleet shop
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program} up {file} --guard --state {state}
ExecReload={program} apply {file} --state {state}
ExecStop={program} down --cluster shop --state {state}
# Nothing but the guard itself is ever killed by systemd: workers and services outlive it.
KillMode=process
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=2
TimeoutStopSec=70
OOMPolicy=continue
LimitNOFILE=65536
TasksMax=infinity
Environment="PATH=/opt/my tools/bin:/usr/bin"

[Install]
WantedBy=default.target
"""
    )


def test_the_unit_of_the_system_waits_for_the_network(file: Path, state: Path) -> None:
    text = unit(read_plan(file, state, None), for_system=True)
    assert "After=network-online.target\n" in text
    assert "WantedBy=multi-user.target\n" in text


def test_characters_that_mean_something_to_systemd_are_kept(state: Path, file: Path) -> None:
    odd = file.parent / 'a "b" 100% $HOME.toml'
    file.rename(odd)
    text = unit(read_plan(odd, state, None), for_system=False)
    assert r'/a \"b\" 100%% $$HOME.toml" --guard' in text


def test_print_writes_nothing(
    interrex: Interrex, file: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(state / "config"))
    said = interrex("install", file, "--print")
    assert said.code == Exit.OK
    assert "ExecStart=" in said.out
    assert not (state / "config").exists()


def test_a_users_unit_is_written_and_the_next_commands_are_told(
    interrex: Interrex, file: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() or 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(state / "config"))
    path = state / "config" / "systemd" / "user" / "interrex-shop.service"
    for _ in range(2):
        said = interrex("install", file)
        assert said.code == Exit.OK
        assert f"wrote {path}" in said.out
        assert "systemctl --user enable --now interrex-shop" in said.out
        assert "enable-linger" in said.out
    path.write_text("[Unit]\n")
    said = interrex("install", file)
    assert said.code == Exit.FAILED
    assert "was not written by interrex install" in said.err
    assert path.read_text() == "[Unit]\n"


@pytest.mark.parametrize("for_system", [True, False], ids=["system", "user"])
@pytest.mark.parametrize("name", ["shop", 'the $HOME of "100%"'], ids=["plain", "odd"])
def test_systemd_finds_nothing_wrong_with_the_unit(
    tmp_path: Path, state: Path, file: Path, for_system: bool, name: str
) -> None:
    moved = file.with_name(f"{name}.toml")
    file.rename(moved)
    path = tmp_path / "interrex-shop.service"
    path.write_text(unit(read_plan(moved, state, None), for_system))
    whose = [] if for_system else ["--user"]
    done = subprocess.run(
        ["systemd-analyze", *whose, "verify", "--man=no", path],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    ours = [line for line in done.stderr.splitlines() if "interrex" in line]
    assert (done.returncode, ours) == (0, []), done
