"""Round trips and their jitter, measured as in RFC 6298, in integer nanoseconds."""


class RoundTrips:
    """The measurements to one peer. ``smoothed`` and ``jitter`` are 0 before the first."""

    __slots__ = ("jitter", "smoothed")

    def __init__(self) -> None:
        self.smoothed = 0
        self.jitter = 0

    def measured(self, sample: int) -> None:
        """Takes one measured round trip."""
        if not self.smoothed:
            self.smoothed, self.jitter = sample, sample // 2
            return
        self.jitter += (abs(sample - self.smoothed) - self.jitter) // 4
        self.smoothed += (sample - self.smoothed) // 8

    @property
    def bound(self) -> int:
        """What a round trip seldom exceeds."""
        return self.smoothed + 4 * self.jitter
