"""The lab's curves on all cores: many small worlds, and of each only its count."""

import os
from collections.abc import Callable, Sequence

from interrex.cli.sim_seeds import job_pool
from interrex.elections.catalogue import ALGORITHMS, Algorithm
from interrex.lab.sweep import Curve, Point, faults_of, point

SMALL = 13
"""Up to so many processes it is quicker not to begin other ones for it."""

Work = tuple[str, str, int]
"""An election, a fault, and how many processes."""


def curves_of(
    algorithms: Sequence[Algorithm], sizes: Sequence[int], tell: Callable[[str], None]
) -> tuple[Curve, ...]:
    """Each election's curves, under each fault under which it is counted.

    Args:
        sizes: the numbers of processes.
        tell: takes a line of progress, as often as there is one.
    """
    if not sizes:
        return ()
    kinds = [(algorithm, fault) for algorithm in algorithms for fault in faults_of(algorithm)]
    work = [(one.name, fault, size) for size in reversed(sizes) for one, fault in kinds]
    found: dict[Work, Point] = {}
    if max(sizes) <= SMALL:
        for one in work:
            found[one] = _point(one)[1]
    else:
        with job_pool(os.cpu_count() or 1) as pool:
            for one, counted in pool.imap_unordered(_point, work):
                found[one] = counted
                tell(f"messages over the number of processes: {len(found)} of {len(work)} points")
    return tuple(
        Curve(one, fault, tuple(found[one.name, fault, size] for size in sizes))
        for one, fault in kinds
    )


def _point(work: Work) -> tuple[Work, Point]:
    name, fault, size = work
    algorithm = next(one for one in ALGORITHMS if one.name == name)
    return work, point(algorithm, fault, size)
