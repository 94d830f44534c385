"""What is counted as failed, retried and interrupted, and where."""

import pytest

from interrex.core.time import MS, S
from interrex.demo.latencies import Latencies
from interrex.demo.samples import Outcome, Sample, Verdict, decode_line, encode_line
from interrex.demo.tally import NOTICE, Sparkline, Tally


def _sample(
    outcome: Outcome = Outcome.OK, sent: int = 0, ended: int = 2 * MS, retried: bool = False
) -> Sample:
    method = "POST" if outcome is Outcome.CUT else "GET"
    return Sample(sent, sent, ended, method, outcome, retried, "what went wrong")


def test_each_outcome_is_counted_once_in_the_span_and_in_the_whole() -> None:
    tally = Tally()
    tally.add(_sample())
    span = tally.begin_span()
    tally.add(_sample(retried=True))
    tally.add(_sample(Outcome.FAILED))
    assert (span.total, span.answered, span.retried, span.failed) == (2, 1, 1, 1)
    assert span.problems == ["what went wrong"]
    assert (tally.total.total, tally.total.answered, tally.total.failed) == (3, 2, 1)


@pytest.mark.parametrize(
    ("sent", "ended", "interrupted"),
    [
        (9 * S, 10 * S, True),  # under way at the kill
        (10 * S + NOTICE, 11 * S, True),  # sent before the death was known
        (10 * S + NOTICE + 1, 11 * S, False),  # sent to what should have been known to be dead
        (8 * S, 10 * S - 1, False),  # over before the kill
    ],
)
def test_a_write_is_interrupted_only_by_a_kill_that_it_was_under_way_at(
    sent: int, ended: int, interrupted: bool
) -> None:
    tally = Tally()
    tally.killed(10 * S)
    tally.add(_sample(Outcome.CUT, sent, ended))
    assert (tally.total.interrupted, tally.total.failed) == (interrupted, not interrupted)


def test_a_write_cut_off_without_any_kill_has_failed() -> None:
    tally = Tally()
    tally.add(_sample(Outcome.CUT))
    assert (tally.total.interrupted, tally.total.failed) == (0, 1)
    tally.expect_kills()
    tally.add(_sample(Outcome.CUT))
    assert (tally.total.interrupted, tally.total.failed) == (1, 1)


def test_percentiles_are_right_to_within_five_percent() -> None:
    latencies = Latencies()
    for number in range(1, 1001):
        latencies.add(number / 1000)
    assert latencies.percentile_s(0.5) == pytest.approx(0.5, rel=0.06)
    assert latencies.percentile_s(0.99) == pytest.approx(0.99, rel=0.06)
    assert latencies.percentile_s(1.0) == latencies.worst_s == 1.0
    assert Latencies().percentile_s(0.5) == 0.0


def test_the_sparkline_shows_the_worst_of_each_span_and_where_something_failed() -> None:
    sparks = Sparkline(4, width_s=1.0)
    sparks.add(_sample(sent=0, ended=1 * MS))
    sparks.add(_sample(sent=1 * S, ended=1 * S + 1 * MS))
    sparks.add(_sample(sent=1 * S, ended=1 * S + 200 * MS))
    sparks.add(_sample(Outcome.FAILED, sent=3 * S, ended=3 * S + 20 * MS))
    assert sparks.columns(3 * S) == [("▁", False), ("█", False), (" ", False), ("▅", True)]


def test_the_sparkline_forgets() -> None:
    sparks = Sparkline(4, width_s=1.0)
    for second in range(1000):
        sparks.add(_sample(sent=second * S, ended=second * S))
    assert len(sparks._worst) <= 8


@pytest.mark.parametrize(
    "line", [_sample(Outcome.CUT), _sample(), Verdict(3, ("a",), (), 1, 2, "no")]
)
def test_lines_between_the_processes_come_back_as_they_were(line: Sample | Verdict) -> None:
    assert decode_line(encode_line(line)) == line
