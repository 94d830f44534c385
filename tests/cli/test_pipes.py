"""Commands whose output goes to somebody who stops reading."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from interrex.cli.exits import Exit
from interrex.core.ids import HostName, WorkerName
from interrex.core.journal import Note
from interrex.runtime.journal import Journal
from interrex.runtime.layout import Layout
from tests.cli.fake_worker import FakeWorker, a_status


def read_no_more(state: Path, *words: str, lines: int = 0) -> int:
    """The exit code of a command of whose output so many lines are read."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "interrex", *words],
        stdout=subprocess.PIPE,
        env={**os.environ, "INTERREX_STATE": str(state)},
    )
    try:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        return process.wait(60)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("words", [("--help",), ("up", "--help"), ("--version",), ("status",)])
def test_output_that_nobody_reads_is_told_by_the_exit_code(
    shop: Layout, workers: list[FakeWorker], words: tuple[str, ...]
) -> None:
    workers[0].says("GET", "/v1/status", a_status())
    assert read_no_more(shop.root, *words) == Exit.NOBODY_READS


@pytest.mark.parametrize("words", [("events", "-f"), ("status", "--watch")])
def test_who_follows_ends_with_the_reader_although_nothing_more_happens(
    shop: Layout, workers: list[FakeWorker], words: tuple[str, ...]
) -> None:
    workers[0].says("GET", "/v1/status", a_status())
    worker = WorkerName("worker-1")
    journal = Journal(shop.events(worker), worker, HostName("local"))
    journal.write(Note(kind="test", text="it happened"), 1)
    journal.close()
    assert read_no_more(shop.root, *words, lines=1) == Exit.NOBODY_READS
