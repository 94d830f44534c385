"""When replicas are asked, and what their answers come to."""

from itertools import count, pairwise
from random import Random

import msgspec
import pytest

from interrex.core import spec
from interrex.core.spec import Check, CheckKind
from interrex.core.time import MS, S
from interrex.supervision.health import PHASES, Answer, Health, plan_of

A = Check(kind=CheckKind.HTTP, path="/a", interval=2.0)
B = Check(kind=CheckKind.HTTP, path="/b", interval=2.0, rise=2, fall=3)
C = Check(kind=CheckKind.TCP, interval=1.0)


class Watched:
    """A health core with a clock; ``up`` says what each path answers."""

    def __init__(self, health: spec.Health, *, adopted: bool = False, seed: int = 1) -> None:
        self.now = 0
        self.up: dict[str, bool] = {"/a": True, "/b": True, "/": True}
        self.core = Health(plan_of(health), Random(seed), count(1), 0)
        self.asked: list[tuple[int, Check]] = []
        self.timed_out = False
        if adopted:
            self.core.adopt()
        else:
            self.core.start()

    def run(self, until: int) -> None:
        """Ask and answer at once until a time."""
        while self.core.wake_at is not None and self.core.wake_at <= until:
            self.now = max(self.now, self.core.wake_at)
            probes = self.core.due(self.now)
            if not probes:
                return
            for number, check in probes:
                self.asked.append((self.now, check))
                ok = self.up[check.path]
                answer = Answer(ok, self.timed_out, "" if ok else "refused")
                self.core.answered(number, answer, self.now)
        self.now = until

    def ready(self) -> bool:
        return self.core.ready

    def liveness_failed(self) -> bool:
        assert self.core.liveness is not None
        return self.core.liveness.failed

    def hung(self) -> bool:
        assert self.core.liveness is not None
        return self.core.liveness.hung

    def times(self, check: Check) -> list[int]:
        return [time for time, asked in self.asked if asked == check]


def test_without_any_check_it_is_ready_as_soon_as_it_runs() -> None:
    watched = Watched(spec.Health())
    assert watched.ready()
    assert watched.core.wake_at is None


def test_a_starting_replica_is_asked_fast_then_ever_more_slowly() -> None:
    watched = Watched(spec.Health(startup=A, start_timeout=100.0))
    watched.up["/a"] = False
    watched.run(99 * S)
    times = watched.times(A)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 0
    assert pauses[:7] == [2 * MS, 4 * MS, 8 * MS, 16 * MS, 32 * MS, 50 * MS, 50 * MS]
    assert pauses == sorted(pauses)
    assert max(pauses) == 2 * S
    assert all(
        pause <= max(50 * MS, time // 32) for time, pause in zip(times, pauses, strict=False)
    )


def test_an_exec_check_is_never_asked_hundreds_of_times_a_second() -> None:
    check = Check(kind=CheckKind.EXEC, command=("ask",), path="/a")
    watched = Watched(spec.Health(startup=check))
    watched.up["/a"] = False
    watched.run(1 * S)
    assert len(watched.asked) <= 21


@pytest.mark.parametrize(
    ("health", "first"),
    [
        (spec.Health(startup=A, readiness=B, liveness=C), A),
        (spec.Health(readiness=B, liveness=C), B),
        (spec.Health(liveness=C), C),
    ],
)
def test_the_start_is_judged_by_startup_else_readiness_else_liveness(
    health: spec.Health, first: Check
) -> None:
    watched = Watched(health)
    watched.run(0)
    assert watched.asked[0] == (0, first)
    watched.run(10 * MS)
    assert watched.core.started
    assert watched.core.deadline is None


def test_after_the_start_readiness_is_asked_at_once_and_must_succeed_rise_times() -> None:
    watched = Watched(spec.Health(startup=A, readiness=B))
    watched.run(0)
    assert [check for _, check in watched.asked] == [A, B]
    assert watched.core.started
    assert not watched.ready()
    watched.run(2 * MS)
    assert watched.ready()


def test_the_start_too_needs_as_many_successes_as_its_check_says() -> None:
    watched = Watched(spec.Health(startup=B))
    watched.run(1 * MS)
    assert not watched.ready()
    watched.run(2 * MS)
    assert watched.ready()


def test_one_check_that_answers_several_questions_is_asked_once() -> None:
    watched = Watched(spec.Health(startup=A, readiness=A, liveness=A))
    watched.run(101 * S)
    assert watched.ready()
    assert 50 <= len(watched.asked) <= 53


def short_form() -> spec.Health:
    """What ``health.http = "/a"`` becomes: liveness is allowed three times as many failures."""
    asked = msgspec.structs.replace(A, interval=1.0, fall=2)
    return spec.Health(
        startup=asked, readiness=asked, liveness=msgspec.structs.replace(asked, fall=6)
    )


def test_checks_that_differ_only_in_what_their_answers_come_to_are_asked_once() -> None:
    watched = Watched(short_form())
    watched.run(101 * S)
    assert watched.ready()
    assert 100 <= len(watched.asked) <= 103


def test_each_of_them_counts_the_shared_answers_for_itself() -> None:
    watched = Watched(short_form())
    watched.run(5 * S)
    watched.up["/a"] = False
    before = len(watched.asked)
    while watched.ready():
        watched.run(watched.now + S)
    assert len(watched.asked) - before == 2
    assert not watched.liveness_failed()
    while not watched.liveness_failed():
        watched.run(watched.now + S)
    assert len(watched.asked) - before == 6
    watched.up["/a"] = True
    watched.run(watched.now + S)
    assert watched.ready()
    assert not watched.liveness_failed()


def test_readiness_may_need_more_successes_than_the_start_that_it_shares_its_answers_with() -> None:
    watched = Watched(spec.Health(startup=A, readiness=msgspec.structs.replace(A, rise=3)))
    watched.run(0)
    assert watched.core.started
    assert not watched.ready()
    watched.run(100 * MS)
    assert watched.ready()
    assert len(watched.asked) == 3


def test_failures_that_were_asked_for_fast_count_once_an_interval_against_liveness() -> None:
    watched = Watched(short_form(), adopted=True)
    watched.up["/a"] = False
    watched.run(5 * S - 1)
    assert len(watched.asked) > 20, "readiness is asked for fast"
    assert not watched.liveness_failed()
    watched.run(7 * S)
    assert watched.liveness_failed()


def test_readiness_is_lost_after_fall_failures_and_regained_after_rise() -> None:
    watched = Watched(spec.Health(readiness=B))
    watched.run(5 * S)
    assert watched.ready()
    watched.up["/b"] = False
    before = len(watched.asked)
    while watched.ready():
        watched.run(watched.now + 2 * S)
    assert len(watched.asked) - before == 3
    watched.up["/b"] = True
    before = len(watched.asked)
    while not watched.ready():
        watched.run(watched.now + 2 * S)
    assert len(watched.asked) - before == 2


def test_the_first_steady_probe_is_drawn_within_one_interval() -> None:
    firsts = []
    for seed in range(200):
        watched = Watched(spec.Health(liveness=A), seed=seed)
        watched.run(2 * S)
        firsts.append(watched.times(A)[1])
    assert all(0 < time <= 2 * S for time in firsts)
    for quarter in range(4):
        share = sum(quarter * S // 2 < time <= (quarter + 1) * S // 2 for time in firsts)
        assert 25 <= share <= 80


def test_the_steady_probes_of_many_slots_fall_on_few_moments() -> None:
    moments = set()
    for seed in range(100):
        watched = Watched(spec.Health(liveness=A), seed=seed)
        watched.run(20 * S)
        moments |= {time % (2 * S) for time in watched.times(A)[1:]}
    assert PHASES // 2 < len(moments) <= PHASES


def test_steady_probes_keep_their_interval_however_long_an_answer_takes() -> None:
    core = Health(plan_of(spec.Health(liveness=A)), Random(1), count(1), 0)
    core.start()
    ((number, _),) = core.due(0)
    core.answered(number, Answer(True), 0)
    sent = core.wake_at
    assert sent is not None
    ((number, _),) = core.due(sent)
    assert core.due(sent + 10 * S) == []
    core.answered(number, Answer(True), sent + S)
    assert core.wake_at == sent + 2 * S
    ((number, _),) = core.due(sent + 2 * S)
    core.answered(number, Answer(True), sent + 9 * S)
    assert core.wake_at == sent + 9 * S


def test_an_answer_to_another_probe_is_ignored() -> None:
    core = Health(plan_of(spec.Health(liveness=A)), Random(1), count(5), 0)
    core.start()
    core.due(0)
    assert core.answered(4, Answer(True), 0) is None
    assert not core.started
    assert core.answered(5, Answer(True), 0) is not None
    assert core.answered(5, Answer(False), 0) is None


def test_only_time_outs_in_a_row_make_it_hung() -> None:
    watched = Watched(spec.Health(liveness=A))
    watched.run(2 * S)
    watched.up["/a"], watched.timed_out = False, True
    watched.run(6 * S)
    assert not watched.liveness_failed()
    watched.run(8 * S)
    assert watched.liveness_failed()
    assert watched.hung()
    watched.timed_out = False
    watched.run(10 * S)
    assert watched.liveness_failed()
    assert not watched.hung()


def test_an_adopted_replica_is_asked_at_once_and_one_success_is_enough() -> None:
    watched = Watched(spec.Health(startup=A, readiness=B, liveness=C), adopted=True)
    assert watched.core.started
    assert not watched.ready()
    watched.run(0)
    assert watched.asked[0] == (0, B)
    assert watched.ready()
    assert watched.core.deadline is None


def test_an_adopted_replica_does_not_use_up_its_failures_by_being_asked_fast() -> None:
    watched = Watched(spec.Health(liveness=A), adopted=True)
    watched.up["/a"] = False
    watched.run(4 * S - 1)
    assert not watched.liveness_failed()


def test_an_adopted_replica_with_a_startup_check_only_is_asked_until_it_succeeds() -> None:
    watched = Watched(spec.Health(startup=A), adopted=True)
    watched.up["/a"] = False
    watched.run(100 * S)
    assert not watched.ready()
    watched.up["/a"] = True
    watched.run(104 * S)
    assert watched.ready()
    assert watched.core.wake_at is None


def test_it_is_overdue_when_the_time_to_start_is_over_and_not_before() -> None:
    watched = Watched(spec.Health(startup=A, start_timeout=3.0))
    watched.up["/a"] = False
    watched.run(3 * S - 1)
    assert not watched.core.overdue(3 * S - 1)
    assert watched.core.overdue(3 * S)
    assert watched.core.wake_at is not None


def test_changed_checks_keep_the_verdicts_so_far() -> None:
    watched = Watched(spec.Health(readiness=B))
    watched.run(5 * S)
    changed = Health(plan_of(spec.Health(readiness=A, liveness=C)), Random(1), count(100), 5 * S)
    changed.carry_on(watched.core, 5 * S)
    assert changed.started
    assert changed.ready
    assert changed.wake_at is not None
    assert 5 * S < changed.wake_at <= 7 * S


def test_changed_checks_do_not_give_a_starting_replica_its_time_again() -> None:
    watched = Watched(spec.Health(startup=A, start_timeout=10.0))
    watched.up["/a"] = False
    watched.run(8 * S)
    changed = Health(plan_of(spec.Health(startup=B, start_timeout=9.0)), Random(1), count(9), 8 * S)
    changed.carry_on(watched.core, 8 * S)
    assert changed.deadline == 9 * S
    assert [check for _, check in changed.due(8 * S)] == [B]
