"""What is to happen in a simulated world, ordered by time and, at one time, by who asked first."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

AT_ONE_INSTANT = 200_000
"""So many calls while simulated time does not move: it will not move again."""

Item = tuple[int, int, Callable[..., object], tuple[Any, ...]]


class StandsStill(Exception):  # noqa: N818
    """What happens asks again and again for more to happen at once: time cannot go on."""


class Agenda:
    """A queue of calls. Time moves only in ``run_until``.

    ``now`` is simulated time (ns), of no clock in particular.
    """

    def __init__(self) -> None:
        self.now = 0
        self.done = 0
        """How many calls have been made."""
        self._queue: list[Item] = []
        self._sequence = 0

    def at(self, time: int, action: Callable[..., object], *arguments: Any) -> None:
        """Call ``action`` at this time (ns), not before now."""
        self._sequence = sequence = self._sequence + 1
        heappush(self._queue, (time, sequence, action, arguments))

    def after(self, delay: int, action: Callable[..., object], *arguments: Any) -> None:
        """Call ``action`` so many ns from now."""
        self._sequence = sequence = self._sequence + 1
        heappush(self._queue, (self.now + delay, sequence, action, arguments))

    def run_until(self, end: int) -> None:
        """Let everything happen that is due up to this time (ns), which is then now.

        Raises:
            StandsStill: there is no end to what is due at one instant.
        """
        queue = self._queue
        done = 0
        looked_at, look_again = -1, AT_ONE_INSTANT
        try:
            while queue and queue[0][0] <= end:
                time, _, action, arguments = heappop(queue)
                self.now = time
                done += 1
                if done == look_again:
                    if time == looked_at:
                        raise StandsStill(f"{AT_ONE_INSTANT:,} calls at {time} ns")
                    looked_at, look_again = time, done + AT_ONE_INSTANT
                action(*arguments)
        finally:
            self.done += done
        self.now = end
