"""When something that failed is tried again: ever later, and not by all at the same moment."""

from random import Random


class Backoff:
    """One thing that is to be tried. ``at`` is when (ns), 0 for at once.

    Args:
        first: how long to wait after a first failure (ns); each further one doubles it, up to
            ``last``, and up to half as much is added by chance.
        random: only ``getrandbits`` is used.
    """

    def __init__(self, first: int, last: int, random: Random) -> None:
        self._first = first
        self._last = last
        self._random = random
        self._delay = first
        self.at = 0

    def is_due(self, now: int) -> bool:
        """Whether it may be tried now."""
        return now >= self.at

    def failed(self, now: int) -> None:
        """It failed just now."""
        self.at = now + self._delay + (self._delay * self._random.getrandbits(16) >> 17)
        self._delay = min(2 * self._delay, self._last)

    def succeeded(self) -> None:
        """The next failure is a first one again."""
        self._delay = self._first
        self.at = 0
