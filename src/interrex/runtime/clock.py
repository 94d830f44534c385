"""The runtime's clock: durations on CLOCK_BOOTTIME, which goes on while the machine sleeps."""

import time

from interrex.core.time import MS, S


def now_ns() -> int:
    """Nanoseconds since the machine was started."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def delay_s(wake_at: int) -> float:
    """How long (s) uvloop is to wait so that it wakes within a millisecond after a time (ns).

    It counts whole milliseconds of the monotonic clock, and rounds down what that shows when the
    timer is set: what has passed of the current one is added, or every fifth timer of a worker
    comes too early and has to be set again.
    """
    left = wake_at - now_ns()
    if left <= 0:
        return 0.0
    return -(-(left + time.monotonic_ns() % MS) // MS) * MS / S
