"""A change is looked at soon, a burst of them once, and appointed times come true."""

from interrex.worker.looks import SPACING, Looks

NOW = 1_000 * SPACING


def settled() -> Looks:
    looks = Looks()
    looks.begin(NOW)
    return looks


def test_a_new_worker_looks_at_once() -> None:
    assert Looks().is_due(NOW)


def test_nothing_is_looked_at_twice_while_nothing_changes() -> None:
    looks = settled()
    assert not looks.is_due(NOW + 100 * SPACING)
    assert looks.wake_at is None


def test_a_change_soon_after_a_look_is_put_off_and_not_forgotten() -> None:
    looks = settled()
    looks.changed = True
    assert not looks.is_due(NOW + 1)
    assert looks.wake_at == NOW + SPACING
    assert looks.is_due(NOW + SPACING)


def test_an_appointed_time_counts_before_a_later_one() -> None:
    looks = settled()
    looks.appoint(NOW + 3)
    looks.appoint(NOW + 5)
    looks.appoint(None)
    assert looks.wake_at == NOW + 3
    assert looks.is_due(NOW + 3)


def test_a_time_that_is_over_already_is_appointed_without_a_tight_loop() -> None:
    looks = settled()
    looks.appoint_calmly(NOW - 1, NOW)
    assert looks.wake_at == NOW + SPACING
