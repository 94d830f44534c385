"""A worker that was starved holds nothing against others that it was not there to hear."""

from itertools import count
from random import Random

import pytest

from interrex.core import spec
from interrex.core.spec import Check, CheckKind
from interrex.core.time import MS, S
from interrex.supervision.health import FORGIVEN_IN_A_ROW, Answer, Health, plan_of
from interrex.supervision.lateness import GRAIN, Lateness

LIVE = Check(kind=CheckKind.HTTP, interval=2.0, timeout=1.0, fall=3)


@pytest.mark.parametrize(
    ("due", "last", "now", "lost"),
    [
        (None, 0, 9 * S, 0),  # it had nothing to do
        (5 * S, 0, 5 * S, 0),
        (5 * S, 0, 5 * S + GRAIN, 0),
        (5 * S, 0, 6 * S, 1 * S),
        (5 * S, 0, 4 * S, 0),  # woken early, by an event
        (1 * S, 5 * S, 6 * S, 1 * S),  # overdue before already: time is lost once
        (1 * S, 6 * S, 6 * S, 0),
    ],
)
def test_lost_is_the_time_between_when_it_was_due_and_when_it_ran(
    due: int | None, last: int, now: int, lost: int
) -> None:
    lateness = Lateness()
    assert lateness.observe(due, last, now) == lost
    assert lateness.lost == lost


def test_people_are_told_of_a_second_that_was_lost_and_at_most_once_a_minute() -> None:
    lateness = Lateness()
    told = []
    for number in range(1, 1201):
        now = number * 100 * MS
        lateness.observe(now - 50 * MS, 0, now)
        told.append(lateness.news(now))
    assert [lost for lost in told if lost] == [1 * S, 30 * S]


class Asked:
    """A live replica whose probes all time out, asked by a worker that may be starved."""

    def __init__(self, check: Check = LIVE, start_timeout: float = 60.0) -> None:
        self.lateness = Lateness()
        health = spec.Health(liveness=check, start_timeout=start_timeout)
        self.core = Health(plan_of(health), Random(1), count(1), 0, self.lateness)
        self.core.start()

    def become_ready(self) -> None:
        [(number, _)] = self.core.due(0)
        self.core.answered(number, Answer(True, False, ""), 0)
        assert self.core.ready

    def time_out(self, lost: int) -> None:
        """One probe is not answered; meanwhile the worker loses so much of its time."""
        assert self.core.wake_at is not None
        sent = self.core.wake_at
        [(number, _)] = self.core.due(sent)
        self.lateness.lost += lost
        self.core.answered(number, Answer(False, True, "no answer"), sent + 1 * S)

    def verdicts(self) -> tuple[bool, bool]:
        """Whether it failed, and whether it hangs."""
        assert self.core.liveness is not None
        return self.core.liveness.failed, self.core.liveness.hung

    @property
    def failures(self) -> int:
        assert self.core.liveness is not None
        return self.core.liveness.bad


@pytest.mark.parametrize(
    ("lost", "counted"),
    [(0, True), (249 * MS, True), (250 * MS, False), (1 * S, False), (30 * S, False)],
)
def test_a_time_out_counts_unless_the_worker_was_away_for_a_quarter_of_it(
    lost: int, counted: bool
) -> None:
    asked = Asked()
    asked.become_ready()
    asked.time_out(lost)
    assert asked.failures == counted


def test_a_question_that_the_worker_could_not_put_says_nothing_however_often() -> None:
    asked = Asked()
    asked.become_ready()
    asked.time_out(0)
    for _ in range(10 * FORGIVEN_IN_A_ROW):
        assert asked.core.wake_at is not None
        now = asked.core.wake_at
        [(number, _)] = asked.core.due(now)
        asked.core.answered(number, Answer(False, detail="no descriptor", unasked=True), now)
    assert asked.failures == 1
    assert asked.core.ready
    asked.time_out(0)
    assert asked.failures == 2


def test_time_that_was_lost_before_a_probe_was_sent_excuses_nothing() -> None:
    asked = Asked()
    asked.become_ready()
    asked.lateness.lost += 9 * S
    asked.time_out(0)
    assert asked.failures == 1


def test_a_bad_answer_counts_however_late_it_is_heard() -> None:
    asked = Asked()
    asked.become_ready()
    assert asked.core.wake_at is not None
    [(number, _)] = asked.core.due(asked.core.wake_at)
    asked.lateness.lost += 9 * S
    asked.core.answered(number, Answer(False, False, "status 500"), 20 * S)
    assert asked.failures == 1


def test_what_is_not_counted_is_asked_again_as_ever() -> None:
    asked = Asked()
    asked.become_ready()
    first = asked.core.wake_at
    assert first is not None
    asked.time_out(1 * S)
    assert asked.core.wake_at == first + 2 * S


def test_a_hung_replica_is_found_on_a_host_that_is_overloaded_for_good() -> None:
    asked = Asked()
    asked.become_ready()
    for _ in range(3 * (FORGIVEN_IN_A_ROW + 1) - 1):
        asked.time_out(1 * S)
    assert asked.verdicts() == (False, False)
    asked.time_out(1 * S)
    assert asked.verdicts() == (True, True)


def test_the_time_to_start_counts_only_while_the_worker_runs() -> None:
    asked = Asked(start_timeout=10.0)
    asked.lateness.lost += 60 * S
    assert not asked.core.overdue(61 * S)
    assert asked.core.deadline == 70 * S
    assert not asked.core.overdue(70 * S - 1)
    assert asked.core.overdue(70 * S)
