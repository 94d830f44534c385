"""When a worker speaks up unasked: a report when something changed, a pulse when nothing did."""

from collections.abc import Callable

from interrex.core.messages import Alive, Report
from interrex.core.time import MS

SPACING = 5 * MS
"""Reports that change in a burst are sent at most this often (ns)."""


class Reporter:
    """Numbers this worker's reports and keeps the last one.

    Args:
        now: ns.
    """

    def __init__(self, now: int) -> None:
        self.latest: Report | None = None
        self.changed = True
        """Set when what the next report would say may differ from the last."""
        self._report_at = now
        self._pulse_at = now

    @property
    def wake_at(self) -> int:
        """When to speak next (ns)."""
        return min(self._pulse_at, self._report_at) if self.changed else self._pulse_at

    def report(self, make: Callable[[int], Report], now: int) -> Report | None:
        """The report that is due, made with its number; None where none is due."""
        if not self.changed or now < self._report_at:
            return None
        self.latest = make(self.latest.version + 1 if self.latest is not None else 1)
        self.changed = False
        self._report_at = now + SPACING
        return self.latest

    def pulse(self, interval: int, now: int) -> Alive | None:
        """A sign of life, if one is due."""
        if now < self._pulse_at:
            return None
        self._pulse_at = now + interval
        return Alive(self.latest.version if self.latest is not None else 0)
