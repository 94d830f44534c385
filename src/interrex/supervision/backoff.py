"""How long to wait before the next try: exponential, jittered, capped, and for ever."""

from dataclasses import dataclass
from random import Random

from interrex.core.spec import Restart
from interrex.core.time import MS, S, seconds

LEAST_CEILING = 10 * MS
"""No configuration makes a failing replica spin: the second delay is drawn up to at least this."""

LEAST_RESET = 1 * S
"""A life shorter than this never counts as healthy, however small ``reset_after`` is."""


def draw(chance: Random, ceiling: int) -> int:
    """A uniform integer from 0 to ``ceiling``, both included."""
    return (ceiling + 1) * chance.getrandbits(64) >> 64


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays (ns) after the first failure in a row, the second, ...

    ``first`` is exact; then each delay is drawn between ``floor`` and a ceiling that begins at
    ``base`` and grows by ``factor`` up to ``cap``. With a floor of 0 that is "full jitter" (Marc
    Brooker, "Exponential Backoff And Jitter", 2015), which spreads competing retries best.
    """

    first: int
    base: int
    factor: float
    cap: int
    floor: int = 0


LOCKED = Delays(first=10 * MS, base=20 * MS, factor=2.0, cap=1 * S, floor=10 * MS)
"""The holder of a record is alive: either it is about to let go, or it will hold on for long."""


def restart_delays(restart: Restart) -> Delays:
    """A service's own delays between restarts."""
    base = max(seconds(restart.base_delay), LEAST_CEILING)
    return Delays(
        first=seconds(restart.first_delay),
        base=base,
        factor=max(restart.factor, 1.0),
        cap=max(seconds(restart.max_delay), base),
    )


def blocked_delays(restart: Restart) -> Delays:
    """Between attempts to start what could not be started: a stranger's port, a missing program."""
    cap = max(seconds(restart.max_delay), 2 * S)
    return Delays(first=1 * S, base=2 * S, factor=2.0, cap=cap, floor=1 * S)


def trial_delays(restart: Restart) -> Delays:
    """Between the trial starts of a service that is held: the first at once."""
    cap = max(seconds(restart.max_delay), 2 * S)
    return Delays(first=0, base=1 * S, factor=2.0, cap=cap, floor=S // 2)


def reset_after(restart: Restart) -> int:
    """How long (ns) a life must have been healthy for the count of failures to start anew."""
    return max(seconds(restart.reset_after), LEAST_RESET)


class Backoff:
    """Counts failures in a row and draws the delay after each."""

    __slots__ = ("_ceiling", "_chance", "_delays", "failures")

    def __init__(self, chance: Random, delays: Delays) -> None:
        self._chance = chance
        self._delays = delays
        self._ceiling = delays.base
        self.failures = 0

    def configure(self, delays: Delays) -> None:
        """Take other delays from now on; the count stays."""
        self._ceiling = min(max(self._ceiling, delays.base), delays.cap)
        self._delays = delays

    def failed(self) -> int:
        """Count one more failure.

        Returns:
            How long (ns) to wait before the next try.
        """
        self.failures += 1
        delays = self._delays
        if self.failures == 1:
            return delays.first
        delay = delays.floor + draw(self._chance, max(self._ceiling - delays.floor, 0))
        # Grown step by step: factor ** failures would overflow a float after a bad week.
        self._ceiling = min(round(self._ceiling * delays.factor), delays.cap)
        return delay

    def reset(self) -> None:
        self.failures = 0
        self._ceiling = self._delays.base
