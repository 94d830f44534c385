"""Ends and durations in words."""

import signal

import pytest

from interrex.core.time import MS, S
from interrex.supervision.words import exit_words, signal_name, span


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (1, "exited with status 1"),
        (-9, "was killed by SIGKILL"),
        (-11, "was killed by SIGSEGV"),
        (-34, "was killed by signal 34"),
        (None, "died; its exit status is unknown because it was adopted"),
    ],
)
def test_an_exit_status_is_said_in_words(status: int | None, words: str) -> None:
    assert exit_words(status) == words


def test_the_signal_names_are_those_of_this_system() -> None:
    for number in range(1, 32):
        assert getattr(signal, signal_name(number), number) == number


def test_durations_are_said_in_a_fitting_unit() -> None:
    assert [span(3 * MS), span(1500 * MS), span(60 * S)] == ["3 ms", "1.5 s", "60.0 s"]
