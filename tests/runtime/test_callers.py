"""How many callers a worker's sockets have at a time, and who makes room for the next."""

import resource
from collections import Counter

import pytest

from interrex.runtime.callers import SHARE, Callers, affordable, allowance


class Caller:
    def __init__(self, is_idle: bool = True) -> None:
        self.is_idle = is_idle
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def allow(monkeypatch: pytest.MonkeyPatch, descriptors: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (descriptors, descriptors))


def test_who_is_idle_longest_makes_room_for_a_new_one() -> None:
    faults: Counter[str] = Counter()
    callers = Callers(3, faults)
    first, busy, third, new = Caller(), Caller(is_idle=False), Caller(), Caller()
    assert all(map(callers.came, (busy, first, third)))
    callers.heard(first)
    assert callers.came(new)
    assert [one.is_aborted for one in (busy, first, third, new)] == [False, False, True, False]
    assert faults == {"cut_off": 1}


def test_where_nobody_is_idle_the_new_one_is_turned_away() -> None:
    faults: Counter[str] = Counter()
    callers = Callers(2, faults)
    busy = [Caller(is_idle=False) for _ in range(2)]
    assert all(map(callers.came, busy))
    late = Caller()
    assert not callers.came(late)
    callers.left(late)
    assert not any(one.is_aborted for one in busy)
    assert faults == {"turned_away": 1}
    callers.left(busy[0])
    assert callers.came(Caller())


def test_who_was_cut_off_is_heard_no_more() -> None:
    callers = Callers(1, Counter())
    first, second = Caller(), Caller()
    assert callers.came(first)
    assert callers.came(second)
    callers.heard(first)
    callers.left(first)
    assert callers.came(Caller())
    assert second.is_aborted


@pytest.mark.parametrize(("descriptors", "most"), [(80, 10), (1024, 100), (-1, 100)])
def test_fewer_are_taken_where_few_descriptors_are_allowed(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, most: int
) -> None:
    allow(monkeypatch, descriptors)
    assert affordable(100) == most


@pytest.mark.parametrize("needed", [1, 140, 1000])
def test_what_the_fleet_needs_is_left_beside_the_callers_of_both_sockets(
    monkeypatch: pytest.MonkeyPatch, needed: int
) -> None:
    allowed = allowance(needed)
    allow(monkeypatch, allowed)
    assert allowed - 2 * affordable(10**6) >= needed
    assert allowance(needed) - needed <= needed * 2 // (SHARE - 2) + 1
