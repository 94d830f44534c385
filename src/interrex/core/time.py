"""Time inside the cores: integer nanoseconds on CLOCK_BOOTTIME, handed in as ``now``."""

US = 1_000
MS = 1_000_000
S = 1_000_000_000


def seconds(value: float) -> int:
    """A duration in seconds as integer nanoseconds."""
    return round(value * S)


def earliest(*times: int | None) -> int | None:
    """The first of several wake-ups, None where nothing is waited for."""
    return min((time for time in times if time is not None), default=None)
