"""The lab's curves on all cores: many small worlds, and of each only its count."""

import multiprocessing
import os
from collections.abc import Callable, Sequence

from interrex.cli.sim_seeds import begin_job
from interrex.elections.catalogue import ALGORITHMS, Algorithm
from interrex.lab.sweep import Curve, Point, point

SMALL = 13
"""Up to so many processes it is quicker not to begin other ones for it."""

Work = tuple[str, int]


def curves_of(
    algorithms: Sequence[Algorithm], sizes: Sequence[int], tell: Callable[[str], None]
) -> tuple[Curve, ...]:
    """Each election's curve.

    Args:
        sizes: the numbers of processes.
        tell: takes a line of progress, as often as there is one.
    """
    if not sizes:
        return ()
    work = [(algorithm.name, size) for size in reversed(sizes) for algorithm in algorithms]
    found: dict[Work, Point] = {}
    if max(sizes) <= SMALL:
        for one in work:
            found[one] = _point(one)[1]
    else:
        context = multiprocessing.get_context("spawn")
        with context.Pool(os.cpu_count(), begin_job) as pool:
            for one, counted in pool.imap_unordered(_point, work):
                found[one] = counted
                tell(f"messages over the number of processes: {len(found)} of {len(work)} points")
    return tuple(
        Curve(algorithm, tuple(found[algorithm.name, size] for size in sizes))
        for algorithm in algorithms
    )


def _point(work: Work) -> tuple[Work, Point]:
    name, size = work
    algorithm = next(one for one in ALGORITHMS if one.name == name)
    return work, point(algorithm, size)
