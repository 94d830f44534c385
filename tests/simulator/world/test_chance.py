"""Chance, time and the agenda: whole numbers, the same everywhere."""

import pytest

from interrex.core.time import S
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.clock import BOOTED, Clock


def test_what_is_drawn_depends_on_the_seed_alone() -> None:
    """These numbers must never change: seeds that failed are kept for ever."""
    chance = Chance(1)
    assert [chance.below(1000) for _ in range(4)] == [137, 582, 867, 821]
    assert [chance.exponential(1000) for _ in range(4)] == [327, 2765, 1371, 2157]


def test_numbers_stay_within_their_limits() -> None:
    chance = Chance(2)
    assert {chance.below(3) for _ in range(100)} == {0, 1, 2}
    assert {chance.between(5, 7) for _ in range(100)} == {5, 6, 7}
    assert all(10 <= chance.scale(10, 1000) <= 1000 for _ in range(500))
    assert all(50 <= chance.spread(100) <= 150 for _ in range(500))


def test_an_exponential_has_its_mean_and_a_long_tail() -> None:
    chance = Chance(3)
    drawn = [chance.exponential(1000) for _ in range(20_000)]
    assert 900 < sum(drawn) / len(drawn) < 1150
    assert max(drawn) > 5000
    assert min(drawn) >= 0


def test_every_power_of_two_of_a_scale_is_as_likely() -> None:
    chance = Chance(4)
    octaves = [(chance.scale(1000, 1_024_000) // 1000).bit_length() for _ in range(10_000)]
    for octave in range(1, 11):
        assert 850 < octaves.count(octave) < 1150


def test_an_order_is_of_the_same_things() -> None:
    chance = Chance(5)
    assert sorted(chance.shuffled(range(20))) == list(range(20))
    assert len(set(chance.some(range(20), 5))) == 5


def test_a_fork_does_not_depend_on_what_others_draw() -> None:
    one, other = Chance(6), Chance(6)
    fork = one.fork()
    again = other.fork()
    one.getrandbits(64)
    assert fork.getrandbits(64) == again.getrandbits(64)


def test_what_is_due_at_one_time_happens_in_the_order_in_which_it_was_asked_for() -> None:
    agenda = Agenda()
    seen: list[str] = []
    agenda.at(20, seen.append, "late")
    agenda.at(10, seen.append, "first")
    agenda.after(10, seen.append, "second")
    agenda.run_until(15)
    assert (seen, agenda.now) == (["first", "second"], 15)
    agenda.run_until(20)
    assert seen == ["first", "second", "late"]


@pytest.mark.parametrize("ppm", [-45_000, -1, 0, 3, 45_000])
def test_a_clock_shows_a_time_no_earlier_than_it_says(ppm: int) -> None:
    clock = Clock(5, ppm)
    for local in range(BOOTED, BOOTED + 10_000, 7):
        when = clock.when(local)
        assert clock.read(when) >= local
        assert when == 5 or clock.read(when - 1) < local


def test_a_clock_does_not_jump_when_its_rate_changes_nor_with_the_wall_clock() -> None:
    clock = Clock(0)
    before = clock.read(S)
    clock.run_at(S, 40_000)
    clock.jump(-3600 * S)
    assert clock.read(S) == before
    assert clock.read(2 * S) - before == S * 104 // 100
    clock.reboot(3 * S)
    assert clock.read(3 * S) == BOOTED
