"""docs/elections.md shows what the lab shows."""

from pathlib import Path

import pytest

from interrex.cli.lab_page import commands, printed
from interrex.elections.catalogue import ALGORITHMS
from interrex.lab.faults import FAULTS

TEXT = (Path(__file__).parents[2] / "docs" / "elections.md").read_text()


@pytest.mark.parametrize("words", commands(TEXT))
def test_a_transcript_on_the_page_is_what_the_command_prints(words: str) -> None:
    """Brought up to date by ``python -m interrex.cli.lab_page docs/elections.md``; the sentences
    beside it have to be read again then."""
    assert f"```\n$ interrex {words}\n{printed(words)}```" in TEXT


def test_every_election_has_its_chapter_and_every_fault_its_word() -> None:
    for algorithm in ALGORITHMS:
        assert f"\n## {algorithm.title}" in TEXT
    for fault in FAULTS:
        assert f"`{fault}`" in TEXT
