"""A machine's two clocks: the boot-time clock that cores live by, and the wall clock.

The boot-time clock never runs backwards, but may run faster or slower than the world; it begins
anew when the machine does. The wall clock may jump; nothing that decides may look at it.
"""

PPM = 1_000_000
BOOTED = 1_000_000_000
"""What the boot-time clock shows (ns) when a machine's first worker may start."""


class Clock:
    """One machine's clocks.

    Args:
        at: simulated time (ns).
        ppm: how many millionths faster than the world it runs.
    """

    def __init__(self, at: int, ppm: int = 0) -> None:
        self.usual_ppm = ppm
        self._rate = PPM + ppm
        self._since = at
        self._local = BOOTED
        self.wall_offset = 0

    def read(self, at: int) -> int:
        """What the boot-time clock shows (ns) at this simulated time."""
        return self._local + (at - self._since) * self._rate // PPM

    def when(self, local: int) -> int:
        """The first simulated time (ns) at which the boot-time clock shows at least this."""
        return self._since - (self._local - local) * PPM // self._rate

    def wall(self, at: int) -> int:
        """What the wall clock shows (ns)."""
        return at + self.wall_offset

    def run_at(self, at: int, ppm: int) -> None:
        """From now on, run so many millionths faster than the world."""
        self._local, self._since = self.read(at), at
        self._rate = PPM + ppm

    def jump(self, by: int) -> None:
        """Move the wall clock by so many ns."""
        self.wall_offset += by

    def reboot(self, at: int) -> None:
        """The machine starts anew."""
        self._since, self._local = at, BOOTED
