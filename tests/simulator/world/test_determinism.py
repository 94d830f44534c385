"""The same seed is the same run, byte for byte: whatever the hashes' seed and Python's version."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
PROGRAM = """
import sys
from interrex.simulator.run import run_seed
from interrex.simulator.trace import Digest
for seed in map(int, sys.argv[1:]):
    digest = Digest()
    outcome = run_seed(None, seed, duration=12 * 10**9, trace=digest.trace)
    print(seed, digest.hex, outcome.events, outcome.until)
"""
SEEDS = ("3", "5", "7", "10")


def _digests(interpreter: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": _path()}
    finished = subprocess.run(
        [interpreter, "-P", "-c", PROGRAM, *SEEDS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return finished.stdout


def _path() -> str:
    return str(SOURCE)


@pytest.fixture(scope="module")
def usual() -> str:
    return _digests(sys.executable, "1")


def test_the_seed_of_the_hashes_changes_nothing(usual: str) -> None:
    assert usual.count("\n") == len(SEEDS)
    assert _digests(sys.executable, "4242") == usual


def test_another_seed_is_another_run(usual: str) -> None:
    digests = [line.split()[1] for line in usual.splitlines()]
    assert len(set(digests)) == len(SEEDS)


def test_other_versions_of_python_run_the_same(usual: str) -> None:
    """Those of 3.12 and 3.13 that are found here and have what the simulator imports."""
    for version in ("3.12", "3.13"):
        interpreter = shutil.which(f"python{version}")
        if interpreter is not None and _can_import(interpreter):
            assert _digests(interpreter, "7") == usual


def _can_import(interpreter: str) -> bool:
    found = subprocess.run(
        [interpreter, "-P", "-c", "import msgspec"], capture_output=True, timeout=20, check=False
    )
    return found.returncode == 0
