"""Who led when, as a fleet's workers have written it down."""

from collections.abc import Iterable

from bench.fleet import Fleet
from interrex.core.ids import WorkerName
from interrex.runtime.journal import read_events


class Reigns:
    """The leaderships of a fleet, from the time on when this is made.

    Args:
        fleets: the fleet, or the parts of it that are on several hosts.
    """

    def __init__(self, fleets: Iterable[Fleet]) -> None:
        self._events = [fleet.layout.events(name) for fleet in fleets for name in fleet.workers]
        self._before = self._all()

    def since(self) -> list[tuple[int, WorkerName]]:
        """The epochs that began since, and whose they are; no two leaders ever had the same."""
        reigns = self._all()
        assert len({epoch for epoch, _ in reigns}) == len(reigns), reigns
        return sorted(reigns - self._before)

    def _all(self) -> set[tuple[int, WorkerName]]:
        return {
            (event.epoch, event.by)
            for event in read_events(self._events)
            if event.kind == "leader.elected" and event.epoch is not None
        }
