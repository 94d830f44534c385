"""Ctrl-C, closed streams and odd letters end no command with a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPTED_WHILE_IT_IS_IMPORTED = """
import signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "cyclopts":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
{before}
from interrex.cli.entry import run
sys.argv = ["interrex", "--version"]
sys.exit(run())
"""


def run(before: str = "") -> subprocess.CompletedProcess[str]:
    script = INTERRUPTED_WHILE_IT_IS_IMPORTED.format(before=before)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_a_command_that_is_still_being_imported_just_ends() -> None:
    ended = run()
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_whoever_ignores_the_signal_goes_on_doing_so() -> None:
    ended = run("signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_command_hears_the_signal_once_all_is_imported() -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import signal; from interrex.cli.entry import run; run();"
            "raise SystemExit(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)",
        ],
        capture_output=True,
    )
    assert ended.returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_obstacle(closed: str) -> None:
    command = f"{sys.executable} -m interrex --version {closed}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert bool(ended.stdout) is (">&-" not in closed.replace("2>", ""))


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_the_output_cannot_show_is_escaped(tmp_path: Path, encoding: str) -> None:
    """A letter that the locale lacks, and a file's name that is no text."""
    file = os.fsencode(tmp_path) + b"/\xff.toml"
    with open(file, "w", encoding="utf-8") as written:
        written.write("[cluster]\nname = 'sh\u00f6p'\n")
    ended = subprocess.run(
        [sys.executable, "-m", "interrex", "check", file],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert (ended.returncode, ended.stderr) == (2, b"")
    assert b"\\udcff.toml:2: " in ended.stdout
