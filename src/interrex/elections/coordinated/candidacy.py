"""For members that are not always candidates: programs that lead only while they ask to.

Several of them may go by one name by mistake. A name is whose candidate was there first; another
waits, because the first may be dead and its session not have run out. One that is still there after
two of its sessions is alive: a session outlives its client by at most one, and the service's own
change of leader gives it one more.
"""

import msgspec

from interrex.core.ids import WorkerName

SESSIONS_AWAITED = 2


class Candidacy(msgspec.Struct, frozen=True):
    """Stand, or stand no more and give up what is led, in favour of ``successor``.

    An event for elections that were made with ``who``.
    """

    stands: bool
    successor: WorkerName | None = None


class Who(msgspec.Struct, frozen=True):
    """Which process stands, for people, and how long (ns) its session lasts without it."""

    text: str
    session: int


class Rival:
    """Another candidate of this member's name, for as long as it is seen again and again."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = 0
        self.who: Who | None = None
        """Whoever has the name for certain; None while it may be a dead one's."""

    def saw(self, mark: object, who: Who, now: int) -> None:
        """It was there just now (ns); ``mark`` tells it from others."""
        if mark != self._seen:
            self._seen, self._since = mark, now
        elif now - self._since >= SESSIONS_AWAITED * who.session:
            self.who = who

    def unsure(self) -> None:
        """It was not seen, or nothing could be seen: what was waited for counts no more."""
        self._seen = None
