"""Counts what became of the requests, as a whole and for each fault."""

from bisect import bisect_right

from interrex.core.time import MS
from interrex.demo.latencies import Latencies
from interrex.demo.samples import Outcome, Sample

NOTICE = 100 * MS
"""How long (ns) after a kill a request may still have been passed on to the dead process: the
kernel tells of a death when it has freed the memory, some 80 ms a GB."""
PROBLEMS_KEPT = 20


class Counts:
    """Requests that ended in one span of time.

    ``interrupted``: writes that were under way in a process when it was killed, so that nobody may
    retry them. ``problems`` say what failed, the first of them.
    """

    def __init__(self) -> None:
        self.answered = 0
        self.retried = 0
        self.interrupted = 0
        self.failed = 0
        self.latencies = Latencies()
        self.problems: list[str] = []

    @property
    def total(self) -> int:
        return self.answered + self.interrupted + self.failed

    def add(self, sample: Sample, under_way: bool) -> None:
        """Count a request; ``under_way``: a process was killed while it may have executed it."""
        self.retried += sample.retried
        self.latencies.add(sample.latency_s)
        if sample.outcome is Outcome.OK:
            self.answered += 1
        elif sample.outcome is Outcome.CUT and under_way:
            self.interrupted += 1
        else:
            self.failed += 1
            if len(self.problems) < PROBLEMS_KEPT:
                self.problems.append(sample.detail)


class Tally:
    """Takes samples; a new span begins with each ``begin_span``."""

    def __init__(self) -> None:
        self.total = Counts()
        self._span = Counts()
        self._kills: list[int] = []
        self._anybody_kills = False

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

    def expect_kills(self) -> None:
        """From now on somebody else kills, and does not say when."""
        self._anybody_kills = True

    def add(self, sample: Sample) -> None:
        """Count a request."""
        cut = sample.outcome is Outcome.CUT
        under_way = cut and (self._anybody_kills or self._was_under_way(sample))
        self.total.add(sample, under_way)
        self._span.add(sample, under_way)

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
