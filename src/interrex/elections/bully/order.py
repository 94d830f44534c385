"""Who is above whom: the configured priority first, the identity where that is equal.

Source: paper, section IV: "the node with the highest identification number".
"""

from collections.abc import Mapping

from interrex.core.ids import WorkerName

Rank = tuple[int, str, int, str]


class Order:
    """The total order of workers by priority, then by name; ``worker-10`` is above ``worker-9``.

    Args:
        priority: of workers, higher ones above; 0 for who is not in it. The same on every worker.
    """

    def __init__(self, priority: Mapping[WorkerName, int]) -> None:
        self._priority = dict(priority)

    def rank(self, worker: WorkerName) -> Rank:
        """Sorts workers from the lowest to the highest."""
        prefix, _, number = worker.rpartition("-")
        if not (number.isascii() and number.isdigit()):
            prefix, number = worker, "0"
        return self._priority.get(worker, 0), prefix, int(number), worker

    def is_above(self, one: WorkerName, other: WorkerName) -> bool:
        """Whether one worker bullies the other."""
        return self.rank(one) > self.rank(other)
