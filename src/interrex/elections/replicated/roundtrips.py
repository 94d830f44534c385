"""Round trips and their jitter, measured as in RFC 6298, in integer nanoseconds."""


class RoundTrips:
    """The measurements to one peer. All are 0 before the first."""

    __slots__ = ("bound", "jitter", "smoothed")

    def __init__(self) -> None:
        self.smoothed = 0
        self.jitter = 0
        self.bound = 0
        """What a round trip seldom exceeds."""

    def measured(self, sample: int) -> None:
        """Takes one measured round trip."""
        if self.smoothed:
            self.jitter += (abs(sample - self.smoothed) - self.jitter) // 4
            self.smoothed += (sample - self.smoothed) // 8
        else:
            self.smoothed, self.jitter = sample, sample // 2
        self.bound = self.smoothed + 4 * self.jitter
