"""When a worker speaks up unasked: a report when something changed, a pulse when nothing did."""

from collections.abc import Callable, Iterable

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.messages import Alive, Report
from interrex.core.time import MS

SPACING = 5 * MS
"""Reports that change in a burst are sent at most this often (ns)."""
EARLY_SHARE = 8
"""A pulse may come by this share of its interval early, with what else wakes the worker."""


class Reporter:
    """Numbers this worker's reports and keeps the last one.

    Args:
        now: ns.
    """

    def __init__(self, now: int) -> None:
        self.latest: Report | None = None
        self.wake_at = now
        """When to speak next (ns)."""
        self.ready_at = now
        """From when on (ns) to speak where the worker is awake anyway."""
        self._changed = True
        self._report_at = now
        self._pulse_at = now
        self._pulse_from = now
        self._spoke: dict[WorkerName, int] = {}

    def change(self) -> None:
        """What the next report would say may differ from the last."""
        self._changed = True
        self._appoint()

    def _appoint(self) -> None:
        self.wake_at, self.ready_at = self._pulse_at, self._pulse_from
        if self._changed:
            self.wake_at = min(self.wake_at, self._report_at)
            self.ready_at = min(self.ready_at, self._report_at)

    def report(self, make: Callable[[int], Report], now: int) -> Report | None:
        """The report that is due, made with its number; None where none is due, or it would say
        what the last one did."""
        if not self._changed or now < self._report_at:
            return None
        self._changed = False
        self._appoint()
        said = self.latest.version if self.latest is not None else 0
        report = make(said)
        if report == self.latest:
            return None
        self.latest = msgspec.structs.replace(report, version=said + 1)
        self._report_at = now + SPACING
        return self.latest

    def spoke(self, peer: WorkerName, now: int) -> None:
        """A peer was sent something, which is a sign of life as well."""
        self._spoke[peer] = now

    def due(
        self, peers: Callable[[], Iterable[WorkerName]], interval: int, now: int
    ) -> list[WorkerName]:
        """Which of the peers need a sign of life now: those that were sent nothing of late, looked
        at once in an interval (ns)."""
        if now < self._pulse_from:
            return []
        self._pulse_at = now + interval
        self._pulse_from = self._pulse_at - interval // EARLY_SHARE
        self._appoint()
        lately = now - interval // 2
        due = [peer for peer in peers() if self._spoke.get(peer, lately) <= lately]
        self._spoke.clear()
        return due

    def alive(self) -> Alive:
        """The sign of life."""
        return Alive(self.latest.version if self.latest is not None else 0)
