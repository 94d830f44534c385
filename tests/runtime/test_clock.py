"""The runtime's clock, and what it makes of the event loop's."""

import time

import pytest

from interrex.core.time import MS, S
from interrex.runtime import clock


@pytest.mark.parametrize("passed", [0, 1, MS // 2, MS - 1])
@pytest.mark.parametrize("left", [1, MS // 3, MS, 50 * MS - 1, 50 * MS])
def test_a_loop_that_rounds_its_clock_down_wakes_within_a_millisecond_after_a_time(
    passed: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = 7000 * MS
    monkeypatch.setattr(clock, "now_ns", lambda: 3 * S)
    monkeypatch.setattr(time, "monotonic_ns", lambda: shown + passed)
    woken = shown + round(clock.delay_s(3 * S + left) * S)
    assert 0 <= woken - (shown + passed + left) < MS


def test_what_is_due_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_ns", lambda: 3 * S)
    assert clock.delay_s(3 * S) == clock.delay_s(2 * S) == 0.0
