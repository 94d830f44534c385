"""Many runs in one: what was run, what was found, and how the fleets did."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from interrex.core.time import S
from interrex.simulator.faults.catalogue import FAMILIES
from interrex.simulator.statistics import Numbers

PHASES = ("detect", "elect", "act", "route")
"""The parts of a fail-over, in the order in which they end."""


class Distribution(msgspec.Struct, frozen=True):
    """Times in simulated ns."""

    count: int
    p50: int
    p90: int
    p99: int
    worst: int


class Summary:
    """Adds runs up."""

    def __init__(self) -> None:
        self.runs = 0
        self.simulated = 0
        self.events = 0
        self.steps = 0
        self.messages = 0
        self.elections = 0
        self.faults: Counter[str] = Counter()
        self.phases: dict[str, list[int]] = {phase: [] for phase in PHASES}
        self.unfinished = 0
        """Fail-overs that had not come to their end when the run, or the next one's begin, did."""
        self.convergence: list[int] = []
        self.longest_gap = (0, 0)
        """The longest time without a leader (ns), and the seed that had it."""
        self.starts = 0
        self.restarts = 0
        self.split_brain = 0
        self.split_windows = 0
        self.acknowledged = 0
        self.refused = 0
        self.served = 0
        self.unserved = 0

    def add(
        self,
        seed: int,
        numbers: Numbers,
        faults: dict[str, int],
        until: int,
        counts: tuple[int, int, int],
        converged_in: int | None,
    ) -> None:
        """Adds one run.

        Args:
            seed: of the run.
            numbers: what it came to.
            faults: that happened, by family/name.
            until: simulated time at its end (ns).
            counts: its events, steps and messages.
            converged_in: how long after the last fault all was as asked (ns).
        """
        self.runs += 1
        self.simulated += until
        self.events += counts[0]
        self.steps += counts[1]
        self.messages += counts[2]
        self.faults.update(faults)
        self.elections += numbers.elections
        for failover in numbers.failovers:
            self.unfinished += failover.elect is None
            for phase in PHASES:
                took = getattr(failover, phase)
                if took is not None:
                    self.phases[phase].append(took)
        if converged_in is not None:
            self.convergence.append(converged_in)
        self.longest_gap = max(self.longest_gap, (numbers.longest_gap, seed))
        self.starts += numbers.starts
        self.restarts += numbers.restarts
        self.split_brain += numbers.split_brain
        self.split_windows += numbers.split_windows
        self.acknowledged += numbers.answered
        self.refused += numbers.refused
        self.served += numbers.served
        self.unserved += numbers.unserved

    @property
    def hours(self) -> float:
        """Simulated hours."""
        return self.simulated / (3600 * S)

    def families(self) -> dict[str, int]:
        """How many faults of each family happened."""
        totals = dict.fromkeys(FAMILIES, 0)
        for name, count in self.faults.items():
            totals[name.split("/")[0]] += count
        return totals

    def unseen(self, families: Sequence[str]) -> list[str]:
        """Kinds of fault of these families that never happened."""
        kinds = [f"{name}/{kind.name}" for name in families for kind in FAMILIES[name].kinds]
        return [kind for kind in kinds if not self.faults[kind]]


def distribution(times: Sequence[int]) -> Distribution | None:
    """None where there are no times."""
    if not times:
        return None
    ordered = sorted(times)

    def at(per_cent: int) -> int:
        return ordered[min(len(ordered) - 1, len(ordered) * per_cent // 100)]

    return Distribution(len(ordered), at(50), at(90), at(99), ordered[-1])
