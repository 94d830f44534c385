"""Time inside the cores: integer nanoseconds on CLOCK_BOOTTIME, handed in as ``now``."""

from functools import lru_cache

US = 1_000
MS = 1_000_000
S = 1_000_000_000


@lru_cache(maxsize=1024)
def seconds(value: float) -> int:
    """A duration in seconds as integer nanoseconds."""
    return round(value * S)


def is_due(wake_at: int | None, now: int) -> bool:
    """Whether a wake-up's time has come."""
    return wake_at is not None and now >= wake_at


def earliest(*times: int | None) -> int | None:
    """The first of several wake-ups, None where nothing is waited for."""
    first: int | None = None
    for time in times:
        if time is not None and (first is None or time < first):
            first = time
    return first
