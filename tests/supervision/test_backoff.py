"""Delays: at once first, then drawn below a growing ceiling, capped, for ever."""

from random import Random

import pytest

from interrex.core.spec import Restart
from interrex.core.time import MS, S
from interrex.supervision.backoff import (
    LEAST_CEILING,
    Backoff,
    Delays,
    blocked_delays,
    draw,
    reset_after,
    restart_delays,
    trial_delays,
)
from interrex.supervision.history import CRASH_LOOP, History


class Highest(Random):
    """Draws the highest number each time."""

    def getrandbits(self, k: int, /) -> int:
        return (1 << k) - 1


class Lowest(Random):
    def getrandbits(self, k: int, /) -> int:
        return 0


def test_the_first_delay_is_exact_and_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(Highest(), restart_delays(Restart(base_delay=0.5, max_delay=3.0)))
    assert [backoff.failed() for _ in range(6)] == [0, S // 2, S, 2 * S, 3 * S, 3 * S]


def test_full_jitter_reaches_down_to_zero_and_a_floor_lifts_it() -> None:
    assert Backoff(Lowest(), Delays(5, 10, 2.0, 40)).failed() == 5
    backoff = Backoff(Lowest(), blocked_delays(Restart()))
    assert [backoff.failed() for _ in range(3)] == [S, S, S]


def test_a_reset_begins_anew() -> None:
    backoff = Backoff(Highest(), restart_delays(Restart()))
    first = [backoff.failed() for _ in range(4)]
    backoff.reset()
    assert backoff.failures == 0
    assert [backoff.failed() for _ in range(4)] == first


def test_a_million_failures_do_not_overflow() -> None:
    backoff = Backoff(Highest(), restart_delays(Restart(factor=1000.0)))
    delays = {backoff.failed() for _ in range(5_000)}
    assert max(delays) == 30 * S


@pytest.mark.parametrize(
    "restart",
    [
        Restart(base_delay=0.0, max_delay=0.0, factor=0.0, reset_after=0.0),
        Restart(base_delay=-1.0, max_delay=-1.0, factor=-2.0, reset_after=-1.0),
        Restart(base_delay=60.0, max_delay=1.0),
    ],
)
def test_no_configuration_makes_it_spin_or_shrink(restart: Restart) -> None:
    for delays in (restart_delays(restart), blocked_delays(restart), trial_delays(restart)):
        backoff = Backoff(Highest(), delays)
        drawn = [backoff.failed() for _ in range(10)]
        assert all(delay >= LEAST_CEILING for delay in drawn[1:])
        assert drawn[1:] == sorted(drawn[1:])
    assert reset_after(restart) >= S


def test_draws_are_uniform_and_within_bounds() -> None:
    chance = Random(1)
    assert {draw(chance, 3) for _ in range(200)} == {0, 1, 2, 3}
    assert draw(Highest(), 10**18) == 10**18
    assert draw(Lowest(), 10**18) == 0
    assert draw(chance, 0) == 0
    mean = sum(draw(chance, 30 * S) for _ in range(4000)) / 4000
    assert 14 * S < mean < 16 * S


def test_other_delays_take_effect_without_forgetting_the_count() -> None:
    backoff = Backoff(Highest(), restart_delays(Restart(max_delay=30.0)))
    for _ in range(10):
        backoff.failed()
    backoff.configure(restart_delays(Restart(max_delay=2.0)))
    assert backoff.failures == 10
    assert backoff.failed() == 2 * S


def history(**restart: float) -> History:
    return History(Highest(), Restart(**restart))


def test_a_life_healthy_for_long_enough_is_forgiven() -> None:
    past = history(reset_after=60.0)
    for n in range(3):
        past.failed("died", n)
    past.healthy(10 * S)
    past.healthy(60 * S)
    past.failed("died", 70 * S)
    assert past.failures == 1
    assert past.start_at == 70 * S


def test_a_life_healthy_for_too_short_counts_on() -> None:
    past = history(reset_after=60.0)
    past.failed("died", 0)
    past.healthy(10 * S)
    past.failed("died", 70 * S - 1)
    assert past.failures == 2
    assert past.start_at == 70 * S - 1 + 500 * MS


def test_a_crash_loop_begins_once_and_ends_when_health_lasts() -> None:
    past = history(reset_after=60.0)
    begins = [past.failed("died", n) for n in range(CRASH_LOOP + 2)]
    assert begins.index(True) == CRASH_LOOP - 1
    assert sum(begins) == 1
    past.healthy(5 * S)
    assert past.loop_ends_at == 65 * S
    past.forgive()
    past.healthy(6 * S)
    assert past.loop_ends_at is None
