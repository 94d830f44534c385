"""What a program is told of leaderships: its own, and everybody's."""

import msgspec

from interrex.core.time import S
from interrex.library.errors import NotLeading
from interrex.runtime.clock import now_ns


class View(msgspec.Struct, frozen=True):
    """Who leads, as far as this member knows.

    ``leader`` is an identity, None while nobody is known to lead; ``epoch`` the newest that is
    known. A view is news, not a proof: only the epoch check of whoever receives is one.
    """

    leader: str | None
    epoch: int


class Leadership:
    """One's own leadership, from the moment it is granted.

    ``epoch`` is the fencing token: of two leaderships of different members the later one has the
    higher. Give it with everything that is done under it, and let the receiver refuse a lower one
    than it has seen (``interrex.library.guards``).

    Not guaranteed: that nobody else leads at this moment. A program that is stopped, or whose loop
    is blocked, learns of its end late; ``ended`` looks at the clock and ``epoch`` is for the rest.
    """

    def __init__(self, epoch: int, deadline: int) -> None:
        self.epoch = epoch
        self._deadline = deadline
        self._reason = ""
        self.lost = False
        """Whether it ended before its body did, which then was cancelled."""

    @property
    def deadline(self) -> int:
        """Until when this member may believe that it leads, unless renewed: ns on CLOCK_BOOTTIME,
        a monotonic clock that goes on while the machine sleeps."""
        return self._deadline

    def remaining(self) -> float:
        """Seconds until the deadline; 0 when it has passed or the leadership has ended."""
        return 0.0 if self._reason else max(0, self._deadline - now_ns()) / S

    @property
    def ended(self) -> bool:
        """Whether it is over: taken, given up, or past its deadline on this member's own clock."""
        return bool(self._reason) or now_ns() >= self._deadline

    @property
    def reason(self) -> str:
        """Why it ended, for people; empty while it has not."""
        if not self._reason and self.ended:
            return "its deadline has passed"
        return self._reason

    def check(self) -> None:
        """Raises NotLeading when it has ended: for long work that seldom awaits."""
        if self.ended:
            raise NotLeading(f"the leadership of epoch {self.epoch} has ended: {self.reason}")

    def renew(self, deadline: int) -> None:
        """For backends: the deadline moves; never back, and not once it has ended."""
        if not self._reason:
            self._deadline = max(self._deadline, deadline)

    def end(self, reason: str, *, lost: bool = True) -> None:
        """For backends and scopes: it is over. Said twice, the first time counts."""
        if not self._reason:
            self._reason, self.lost = reason, lost

    def __repr__(self) -> str:
        state = f"ended: {self.reason}" if self.ended else f"{self.remaining():.3f} s"
        return f"<Leadership epoch={self.epoch} {state}>"
