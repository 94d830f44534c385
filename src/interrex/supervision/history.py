"""A slot's failures and how they are forgiven: when it is started next, and whether it loops."""

from random import Random

from interrex.core.spec import Restart
from interrex.supervision.backoff import (
    LOCKED,
    Backoff,
    blocked_delays,
    reset_after,
    restart_delays,
)

CRASH_LOOP = 5
"""So many failures in a row, no life between them healthy for ``reset_after``, are a loop."""


class History:
    """What went wrong in a slot, one life after another.

    ``start_at``: when it may be started next (ns). ``restarts``: starts after an end that nobody
    asked for. ``recovered``: it has been ready since its last failure. ``failure``: what that was.
    ``loop_ends_at``: when a crash loop is over if the present life goes on well.
    """

    __slots__ = (
        "_blocked",
        "_healthy_since",
        "_locked",
        "_reset_after",
        "_restart_counts",
        "_restarts",
        "blocked_by",
        "crash_looping",
        "failure",
        "recovered",
        "restarts",
        "start_at",
    )  # fmt: skip

    def __init__(self, chance: Random, restart: Restart) -> None:
        self._restarts = Backoff(chance, restart_delays(restart))
        self._blocked = Backoff(chance, blocked_delays(restart))
        self._locked = Backoff(chance, LOCKED)
        self._reset_after = reset_after(restart)
        self._healthy_since: int | None = None
        self._restart_counts = False
        self.restarts = 0
        self.start_at = 0
        self.crash_looping = False
        self.recovered = True
        self.failure = ""
        self.blocked_by = ""

    def configure(self, restart: Restart) -> None:
        self._restarts.configure(restart_delays(restart))
        self._blocked.configure(blocked_delays(restart))
        self._reset_after = reset_after(restart)

    @property
    def failures(self) -> int:
        """How many in a row, no life between them healthy for long enough."""
        return self._restarts.failures

    @property
    def loop_ends_at(self) -> int | None:
        if not self.crash_looping or self._healthy_since is None:
            return None
        return self._healthy_since + self._reset_after

    def failed(self, words: str, now: int) -> bool:
        """A life has ended, or is being ended, unasked.

        Returns:
            Whether a crash loop begins with this.
        """
        since, self._healthy_since = self._healthy_since, None
        if since is not None and now - since >= self._reset_after:
            self.forgive()
        self.failure = words
        self.recovered = False
        self._restart_counts = True
        self.start_at = now + self._restarts.failed()
        begins = self.failures >= CRASH_LOOP and not self.crash_looping
        self.crash_looping |= begins
        return begins

    def found_dead(self, now: int) -> None:
        """It died while nobody looked: no reason to wait."""
        self._restart_counts = True
        self.start_at = now

    def blocked(self, reason: str, now: int) -> bool:
        """It could not be started.

        Returns:
            Whether that is news.
        """
        self.start_at = now + self._blocked.failed()
        news, self.blocked_by = reason != self.blocked_by, reason
        return news

    def locked(self) -> int:
        """Its record is held by another worker.

        Returns:
            How long (ns) to wait before trying again.
        """
        return self._locked.failed()

    def claimed(self) -> None:
        self._locked.reset()

    def starting(self) -> None:
        self.restarts += self._restart_counts
        self._restart_counts = False

    def spawned(self) -> None:
        self._blocked.reset()
        self.blocked_by = ""

    def healthy(self, now: int) -> None:
        """The present life goes well; only the first such call of a life counts."""
        if self._healthy_since is None:
            self._healthy_since = now

    def stopped(self) -> None:
        """It ended as asked: the next start is no restart."""
        self._healthy_since = None
        self._restart_counts = False

    def forgive(self) -> None:
        """Count anew from here."""
        self._restarts.reset()
        self._blocked.reset()
        self.blocked_by = ""
        self.failure = ""
        self.crash_looping = False
