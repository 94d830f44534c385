"""How many messages an election takes, over the number of processes, beside the known bounds."""

from collections.abc import Sequence

import msgspec

from interrex.elections.catalogue import Algorithm
from interrex.lab.faults import FAULTS
from interrex.lab.trial import run

SIZES = (3, 5, 8, 13, 21, 34, 55, 101)
SEEDS = 10
LARGE = 25
"""From so many processes on, one seed has to do for an election among all with all."""
AFTER_A_DEATH = "leader-killed"
OF_ALL = "none"


class Point(msgspec.Struct, frozen=True):
    """For ``nodes`` processes: the messages that it took to find the leader, announcements apart;
    the mean over the seeds, the fewest and the most."""

    nodes: int
    mean: float
    least: int
    most: int


class Curve(msgspec.Struct, frozen=True):
    """One election's points, by number of processes."""

    algorithm: Algorithm
    points: tuple[Point, ...]


def seeds_for(algorithm: Algorithm, nodes: int) -> Sequence[int]:
    """Which seeds are run."""
    if algorithm.lesson:
        return range(1, SEEDS + 1)
    return range(1, 2 if nodes > LARGE else 4)


def point(algorithm: Algorithm, nodes: int) -> Point:
    """Run what the bounds are about, and count."""
    fault = FAULTS[AFTER_A_DEATH if algorithm.counts == "take-over" else OF_ALL]
    found = [
        run(algorithm, fault, nodes, seed, briefly=True).search
        for seed in seeds_for(algorithm, nodes)
    ]
    return Point(nodes, sum(found) / len(found), min(found), max(found))


def sizes_to(most: int) -> tuple[int, ...]:
    """The numbers of processes that are looked at, up to this one."""
    return tuple(size for size in SIZES if size <= most)
