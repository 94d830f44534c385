"""The runtime's clock: durations on CLOCK_BOOTTIME, which goes on while the machine sleeps."""

import time


def now_ns() -> int:
    """Nanoseconds since the machine was started."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
