"""Many elections beside the formulas. Nothing is fitted: the interval is the sample's own.

Means: mean +- z * sqrt(variance / count), by the central limit theorem. Rates: Wilson's score
interval (Wilson 1927), which also holds where a rate is small. Each interval covers the truth in
99 of 100 samples, so of a hundred comparisons one is expected outside even where all is right.
"""

from collections.abc import Sequence
from math import sqrt
from random import Random
from typing import NamedTuple

from interrex.simulator.formulas import published
from interrex.simulator.formulas.elections import TIMEOUT, Election, one_election

Z_99 = 2.575829303548901
"""The 99.5th percentile of the normal distribution: 99 % lie within plus and minus this."""


class Setup(NamedTuple):
    """A cluster: servers in all and alive; latency and write in thousandths of the time-out."""

    size: int
    alive: int
    latency: int
    write: int


SETUPS = (
    Setup(3, 2, 1, 0),
    Setup(3, 2, 50, 10),
    Setup(3, 2, 100, 20),
    Setup(3, 2, 200, 20),
    Setup(5, 4, 1, 10),
    Setup(5, 4, 50, 10),
    Setup(5, 4, 100, 20),
    Setup(5, 4, 200, 50),
    Setup(5, 3, 50, 10),
    Setup(5, 3, 100, 20),
    Setup(5, 3, 200, 20),
    Setup(7, 6, 100, 20),
    Setup(7, 6, 200, 20),
    Setup(7, 4, 100, 10),
    Setup(7, 4, 200, 20),
)


class Interval(NamedTuple):
    """What was simulated, with its 99 % interval."""

    value: float
    low: float
    high: float

    def covers(self, expected: float) -> bool:
        return self.low <= expected <= self.high


class Comparison(NamedTuple):
    """One quantity: what the formula says, what the cores do."""

    setup: Setup
    quantity: str
    expected: float
    simulated: Interval

    @property
    def agrees(self) -> bool:
        return self.simulated.covers(self.expected)


TIME = "time to a leader"
UNSPLIT = "  same, unsplit only"
RATE = "split votes"


def compare(setup: Setup, count: int, random: Random) -> tuple[Comparison, ...]:
    """Runs so many elections, and sets them beside what is published."""
    latency, write = setup.latency * TIMEOUT // 1000, setup.write * TIMEOUT // 1000
    return compared(
        setup, [one_election(setup.size, setup.alive, latency, write, random) for _ in range(count)]
    )


def compared(setup: Setup, elections: Sequence[Election]) -> tuple[Comparison, ...]:
    """The comparisons of a sample of which at least two elections are not split."""
    size, alive = setup.size, setup.alive
    latency, write = setup.latency / 1000, setup.write / 1000
    stood = [one.stood / TIMEOUT for one in elections]
    unsplit = [(one.stood / TIMEOUT, one.won / TIMEOUT) for one in elections if one.won is not None]
    won = [votes for _, votes in unsplit]
    return (
        Comparison(
            setup, TIME, published.election_time(alive, latency, write), mean_of_parts(stood, won)
        ),
        Comparison(
            setup,
            UNSPLIT,
            published.unsplit_first_timeout(size, alive, latency) + 2 * latency + write,
            mean_of_parts([first + votes for first, votes in unsplit]),
        ),
        Comparison(
            setup,
            RATE,
            published.split_vote_rate(size, alive, latency),
            rate(len(elections) - len(unsplit), len(elections)),
        ),
    )


def mean_of_parts(*samples: Sequence[float]) -> Interval:
    """The sum of the samples' means, with the sum of their variances.

    The samples may depend on one another where at most one of them varies: at constant latencies
    the time for the votes does not.
    """
    mean, variance = 0.0, 0.0
    for sample in samples:
        count = len(sample)
        own = sum(sample) / count
        mean += own
        variance += sum((value - own) ** 2 for value in sample) / (count - 1) / count
    half = Z_99 * sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def rate(hits: int, count: int) -> Interval:
    """A rate with Wilson's score interval."""
    share, squared = hits / count, Z_99 * Z_99
    centre = (share + squared / (2 * count)) / (1 + squared / count)
    spread = sqrt(share * (1 - share) / count + squared / (4 * count * count))
    half = Z_99 * spread / (1 + squared / count)
    return Interval(share, centre - half, centre + half)
