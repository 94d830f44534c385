"""When each request of an open loop is due: by the clock alone, never by the answers."""

from interrex.core.time import S


class Pacer:
    """``rate`` requests a second from ``start`` (ns) on.

    A late call returns every request that has become due meanwhile, each with the time it was
    scheduled for, so that a stall counts in the latency of all requests that it delayed.
    """

    def __init__(self, rate: float, start: int) -> None:
        self._rate = rate
        self._start = start
        self._given = 0

    @property
    def wake_at(self) -> int:
        """When the next request is due (ns)."""
        return self._time_of(self._given)

    def due(self, now: int) -> list[int]:
        """The scheduled times (ns) of the requests that are to be sent now."""
        times = []
        while self.wake_at <= now:
            times.append(self.wake_at)
            self._given += 1
        return times

    def _time_of(self, number: int) -> int:
        return self._start + round(number * S / self._rate)
