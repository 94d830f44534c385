"""How long this worker itself was not running: starved of its cores, stopped, or paused.

A worker that wakes late was not there to hear an answer that came in time. Whatever it waited for
meanwhile, a replica's answer or a peer's word, it must not hold that time against others: each
deadline counts only the time in which the worker ran.
"""

from interrex.core.time import MS, S

GRAIN = 10 * MS
"""A wake-up that comes later than this (ns) was not only rounded or waiting for its turn."""
WORTH_TELLING = 1 * S
TOLD_EVERY = 60 * S


class Lateness:
    """The sum of all the time (ns) by which this worker's wake-ups were late.

    ``lost`` only rises: whoever compares two of its values knows how long the worker was away
    between them.
    """

    __slots__ = ("_silent_until", "_told", "lost")

    def __init__(self) -> None:
        self.lost = 0
        self._told = 0
        self._silent_until = 0

    def observe(self, due: int | None, last: int, now: int) -> int:
        """Notes a step.

        Args:
            due: When the worker had asked to be woken (ns), None for never.
            last: When it ran last (ns): time is lost once.
            now: ns.

        Returns:
            How much was lost just now (ns).
        """
        if due is None:
            return 0
        late = now - (due if due > last else last)
        if late <= GRAIN:
            return 0
        self.lost += late
        return late

    def news(self, now: int) -> int:
        """What was lost since people were told last (ns); 0 while that is not worth telling."""
        untold = self.lost - self._told
        if untold < WORTH_TELLING or now < self._silent_until:
            return 0
        self._told, self._silent_until = self.lost, now + TOLD_EVERY
        return untold
