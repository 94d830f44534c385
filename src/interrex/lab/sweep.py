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
OF_ALL = "none"
PROVED, SILENT = "leader-killed", "leader-stopped"
"""The two ways to lose a leader: its death is proved; or nothing more is heard of it."""


class Point(msgspec.Struct, frozen=True):
    """For ``nodes`` processes: the messages that it took to find the leader, announcements apart;
    the mean over the seeds, the fewest and the most."""

    nodes: int
    mean: float
    least: int
    most: int


class Curve(msgspec.Struct, frozen=True):
    """One election's points under one fault, by number of processes."""

    algorithm: Algorithm
    fault: str
    points: tuple[Point, ...]


def faults_of(algorithm: Algorithm) -> tuple[str, ...]:
    """Under which faults messages are counted: first the one that the bounds are about."""
    return (OF_ALL,) if algorithm.counts == "election" else (PROVED, SILENT)


def seeds_for(algorithm: Algorithm, nodes: int) -> Sequence[int]:
    """Which seeds are run."""
    if algorithm.lesson:
        return range(1, SEEDS + 1)
    return range(1, 2 if nodes > LARGE else 4)


def point(algorithm: Algorithm, fault: str, nodes: int) -> Point:
    """Run it, and count."""
    found = [
        run(algorithm, FAULTS[fault], nodes, seed, briefly=True).search
        for seed in seeds_for(algorithm, nodes)
    ]
    return Point(nodes, sum(found) / len(found), min(found), max(found))


def sizes_to(most: int) -> tuple[int, ...]:
    """The numbers of processes that are looked at, up to this one."""
    return tuple(size for size in SIZES if size <= most)
