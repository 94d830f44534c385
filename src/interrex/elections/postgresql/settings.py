"""The numbers of an election by PostgreSQL."""

from interrex.core.time import MS, S
from interrex.elections.coordinated.settings import CoordinatedSettings


class PostgresSettings(CoordinatedSettings, frozen=True, kw_only=True):
    """Durations in nanoseconds.

    ``look_every``: how often who waits looks whether the leader is alive, of which nothing else
    tells. ``clock_error_per_mille``: how much faster the server's clock may run.
    """

    stagger: int = 100 * MS
    look_every: int = S // 4
    clock_error_per_mille: int = 100

    def believed(self, lasts_ms: int) -> int:
        """For how long (ns) a session is counted on, from when the last question was *asked* that
        was answered: the server begins to count when it has answered."""
        return lasts_ms * MS * (1000 - self.clock_error_per_mille) // 1000
