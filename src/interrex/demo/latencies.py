"""Latencies, counted in spans 5 % wide, so that a demo left running for days stays small."""

import math
from collections import Counter

LEAST_S = 50e-6
_WIDTH = math.log(1.05)


class Latencies:
    """Adds latencies (seconds) and answers which share of them was under what."""

    def __init__(self) -> None:
        self._spans: Counter[int] = Counter()
        self.worst_s = 0.0

    def add(self, latency_s: float) -> None:
        self._spans[max(0, math.ceil(math.log(max(latency_s, LEAST_S) / LEAST_S) / _WIDTH))] += 1
        self.worst_s = max(self.worst_s, latency_s)

    def percentile_s(self, share: float) -> float:
        """What this share (0 to 1) of the latencies did not exceed, to within 5 %; 0 of none."""
        wanted = share * self._spans.total()
        counted = 0
        for span in sorted(self._spans):
            counted += self._spans[span]
            if counted >= wanted:
                return min(LEAST_S * math.exp(span * _WIDTH), self.worst_s)
        return 0.0
