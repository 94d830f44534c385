"""The page of results: what it tells, and that it tells it of every bug there is."""

from pathlib import Path

from interrex.simulator.mutants.catalogue import MUTANTS
from interrex.simulator.mutants.results import Result, page, results_in

PAGE = Path(__file__).parents[3] / "docs" / "mutants.md"


def test_results_are_read_back_from_a_page() -> None:
    results = {
        "second-vote": Result("second-vote", 300, 41, 3, ("one vote", "one leader")),
        "half-a-quorum": Result("half-a-quorum", 300, 0, None, ()),
    }
    assert results_in(page(results)) == results


def test_a_bug_that_was_not_run_has_no_result() -> None:
    text = page({})
    assert text.count("| not run |") == len(MUTANTS)
    assert results_in(text) == {}


def test_the_page_tells_of_every_bug_and_of_none_that_survived() -> None:
    text = PAGE.read_text(encoding="utf-8")
    results = results_in(text)
    assert page(results) == text
    assert all(result.caught for result in results.values())
