"""The demo's words, as a reader sees them."""

from pathlib import Path

import pytest

from interrex.demo.faults import Fault, Kind, Part, Process
from interrex.demo.samples import Outcome as Ending
from interrex.demo.samples import Sample, Verdict
from interrex.demo.tally import Counts
from interrex.demo.telling import (
    Healing,
    Outcome,
    ending_of,
    names_of,
    opening_of,
    remarks_of,
    span,
    table_of,
    tips,
)

GOLDEN = Path(__file__).parent / "summary.txt"
LEADER = Process(Part.WORKER, "worker-2", 12, leads=True)
WORKER = Process(Part.WORKER, "worker-1", 11)
REPLICA = Process(Part.REPLICA, "shop.1", 21)


def _fault(kind: Kind) -> Fault:
    return Fault(kind, pause_s=1, replica=0, worker=0, balancer=0, absent_s=1)


def _counts(answered: int, failed: int = 0, retried: int = 0, cut: int = 0) -> Counts:
    counts = Counts()
    for number in range(answered):
        ended = (number % 20 + 1) * 1_000_000
        counts.add(Sample(0, 0, ended, "GET", Ending.OK, number < retried), False)
    for _ in range(failed):
        counts.add(
            Sample(0, 0, 50_000_000, "GET", Ending.FAILED, False, "GET /: status 503"), False
        )
    for _ in range(cut):
        counts.add(Sample(0, 0, 5_000_000, "POST", Ending.CUT), True)
    return counts


def _outcome() -> Outcome:
    return Outcome(
        [
            Healing(_fault(Kind.REPLICA), (REPLICA,), _counts(400, cut=1), 0.0042, 0.396),
            Healing(_fault(Kind.LEADER), (LEADER,), _counts(450, retried=2), 0.0121, 0.5633),
            Healing(_fault(Kind.ALL_WORKERS), (WORKER, LEADER), _counts(500), None, 2.213, 1.05),
        ],
        _counts(1350, retried=2, cut=1),
        Verdict(acknowledged=67, stored=1),
    )


def test_the_summary_reads_as_it_should() -> None:
    """Delete tests/demo/summary.txt to have it written anew; review the difference."""
    outcome = _outcome()
    text = "\n".join([*table_of(outcome), "", *remarks_of(outcome)]) + "\n"
    if not GOLDEN.exists():
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_nothing_failed_only_if_nothing_failed() -> None:
    assert not _outcome().failed
    for spoil in (
        lambda outcome: setattr(outcome, "total", _counts(1, failed=1)),
        lambda outcome: setattr(outcome, "verdict", Verdict(1, lost=("a",))),
        lambda outcome: setattr(outcome, "verdict", Verdict(1, altered=("a",))),
        lambda outcome: setattr(outcome, "verdict", Verdict(1, problem="no answer")),
        lambda outcome: outcome.healings[0].missing.append("shop: 2 of 3 ready"),
        lambda outcome: outcome.healings[1].disturbed.append("shop.0"),
    ):
        outcome = _outcome()
        spoil(outcome)
        assert outcome.failed
        assert "SOMETHING FAILED" in remarks_of(outcome)[-1]


def test_what_failed_is_named() -> None:
    healing = Healing(_fault(Kind.REPLICA), (REPLICA,), _counts(3, failed=1), 0.001, None)
    healing.missing.append("shop: 2 of 3 ready")
    healing.disturbed.append("worker-1")
    lines = ending_of(healing)
    assert "noticed after 1.0 ms, NOT HEALED: shop: 2 of 3 ready" in lines
    assert "NOT SPARED: worker-1 changed, and nobody killed it" in lines
    assert "FAILED: GET /: status 503" in lines


def test_a_kill_is_announced_by_name_and_pid() -> None:
    line = opening_of(5, 7, _fault(Kind.LEADER_AND_REPLICA), (LEADER, REPLICA))
    assert line == (
        "5/7  kill leader and replica together: "
        "SIGKILL to worker-2 (the leader, pid 12) and shop.1 (pid 21)"
    )
    assert names_of((WORKER, LEADER, REPLICA)) == (
        "worker-1 (pid 11), worker-2 (the leader, pid 12) and shop.1 (pid 21)"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.0042, "4.2 ms"), (0.563, "563 ms"), (0.9996, "1.00 s"), (2.213, "2.21 s")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_the_tips_name_pids_and_the_state_folder() -> None:
    lines = tips("http://127.0.0.1:8080/", "interrex", "/tmp/ixd-1", {"shop.1": 21, "worker-2": 9})
    assert "  kill -9 21   # shop.1" in lines
    assert "  kill -9 9    # worker-2" in lines
    assert "  interrex status --state /tmp/ixd-1" in lines
