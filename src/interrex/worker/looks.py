"""When a worker looks at the fleet as a whole: when something changed, and at times set for it."""

from interrex.core.time import MS, earliest

SPACING = 5 * MS
"""What changes in a burst is looked at at most this often (ns)."""


class Looks:
    """``changed`` is set when a look may find something new; ``wake_at`` is when to look if
    nothing happens before (ns), None for never."""

    __slots__ = ("_last", "changed", "wake_at")

    def __init__(self) -> None:
        self.changed = True
        self.wake_at: int | None = None
        self._last = 0

    def is_due(self, now: int) -> bool:
        """Whether to look now; what changed too soon after the last look is put off."""
        if self.wake_at is not None and now >= self.wake_at:
            return True
        if not self.changed:
            return False
        next_at = self._last + SPACING
        if now < next_at:
            self.wake_at = earliest(self.wake_at, next_at)
        return now >= next_at

    def begin(self, now: int) -> None:
        """This is a look: what it finds says when the next one is."""
        self.changed = False
        self.wake_at = None
        self._last = now

    def appoint(self, time: int | None) -> None:
        """Look again at this time (ns)."""
        self.wake_at = earliest(self.wake_at, time)

    def appoint_calmly(self, time: int | None, now: int) -> None:
        """The same, but never in a tight loop."""
        if time is not None:
            self.appoint(max(time, now + SPACING))
