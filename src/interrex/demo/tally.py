"""Counts what became of the requests, as a whole and for each fault."""

from bisect import bisect_right

import msgspec

from interrex.core.time import MS
from interrex.demo.samples import Outcome, Sample

NOTICE = 100 * MS
"""How long (ns) after a kill a request may still have been passed on to the dead process: the
kernel tells of a death when it has freed the memory, some 80 ms a GB."""


class Counts(msgspec.Struct):
    """Requests that ended in one span of time.

    ``interrupted``: writes that were under way in a process when it was killed, so that nobody may
    retry them. ``latencies`` are in seconds, unsorted; ``problems`` say what failed.
    """

    answered: int = 0
    retried: int = 0
    interrupted: int = 0
    failed: int = 0
    latencies: list[float] = []
    problems: list[str] = []

    @property
    def total(self) -> int:
        return self.answered + self.interrupted + self.failed

    @property
    def worst_s(self) -> float:
        return max(self.latencies, default=0.0)

    def percentile_s(self, share: float) -> float:
        """The latency that this share (0 to 1) of the requests did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Tally:
    """Takes samples; a new span begins with each ``begin_span``."""

    def __init__(self) -> None:
        self.total = Counts()
        self._span = Counts()
        self._kills: list[int] = []

    @property
    def span(self) -> Counts:
        """The counts since the last span began."""
        return self._span

    def begin_span(self) -> Counts:
        """Begin another span; it counts what ends from now on."""
        self._span = Counts()
        return self._span

    def killed(self, at: int) -> None:
        """A replica or a balancer was killed (ns): what it was executing is cut off."""
        self._kills.append(at)

    def add(self, sample: Sample) -> None:
        """Count a request."""
        for counts in (self.total, self._span):
            self._add_to(counts, sample)

    def _add_to(self, counts: Counts, sample: Sample) -> None:
        counts.retried += sample.retried
        counts.latencies.append(sample.latency_s)
        if sample.outcome is Outcome.OK:
            counts.answered += 1
        elif sample.outcome is Outcome.CUT and self._was_under_way(sample):
            counts.interrupted += 1
        else:
            counts.failed += 1
            counts.problems.append(sample.detail)

    def _was_under_way(self, sample: Sample) -> bool:
        """Whether a process was killed between the sending of a write and the loss of its answer.

        A write that was cut off at any other time has failed.
        """
        return any(
            sample.sent <= killed + NOTICE and sample.ended >= killed for killed in self._kills
        )


class Sparkline:
    """The worst latency of each of the last spans of ``width_s``, as a line of bars."""

    BARS = "▁▂▃▄▅▆▇█"
    LIMITS_S = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)

    def __init__(self, length: int, width_s: float = 0.25) -> None:
        self._length = length
        self._width = round(width_s * 1e9)
        self._worst: dict[int, float] = {}
        self._failed: set[int] = set()

    def add(self, sample: Sample) -> None:
        """Take a request, at the time it was due."""
        column = sample.due // self._width
        self._worst[column] = max(self._worst.get(column, 0.0), sample.latency_s)
        if sample.outcome is not Outcome.OK:
            self._failed.add(column)
        if len(self._worst) > 2 * self._length:
            for old in sorted(self._worst)[: self._length]:
                del self._worst[old]
                self._failed.discard(old)

    def columns(self, now: int) -> list[tuple[str, bool]]:
        """The bars until now (ns), oldest first, each with whether a request failed in it."""
        last = now // self._width
        return [
            (self._bar(column), column in self._failed)
            for column in range(last - self._length + 1, last + 1)
        ]

    def _bar(self, column: int) -> str:
        worst = self._worst.get(column)
        return " " if worst is None else self.BARS[bisect_right(self.LIMITS_S, worst)]
