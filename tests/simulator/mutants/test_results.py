"""The page of results: what it tells, and that it tells it of every bug there is."""

from interrex.simulator.mutants.catalogue import MUTANTS
from interrex.simulator.mutants.results import Result, page, results_in


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
