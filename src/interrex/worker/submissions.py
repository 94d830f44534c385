"""Changes that users asked this worker for, until each is known to be applied.

A change keeps its id through every retry, and is applied once: so it may be sent again to
whoever leads whenever the last attempt was lost, and a user's write that was in flight when the
leader died is answered by the next one.
"""

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.messages import Submit
from interrex.core.state import Operation
from interrex.core.time import MS, S

RETRY_AFTER = 200 * MS
"""How long (ns) after an unlucky attempt a change is sent again to the same leader."""
GIVE_UP_AFTER = 30 * S


class _Submission(msgspec.Struct):
    request: int
    operations: tuple[Operation, ...]
    deadline: int


class Submissions:
    """The open changes, in the order they were asked for.

    Invariant: as each may take equally long, deadlines rise in that order, also while there is a
    common one. So however many are open, a step looks at the oldest and at those that are not sent.
    """

    def __init__(self) -> None:
        self.open: dict[ChangeId, _Submission] = {}
        """Those that somebody waits for."""
        self._unsent: dict[ChangeId, int] = {}
        """Those waiting for a leader, or for their retry: not before this time (ns)."""
        self._heir: tuple[WorkerName, int] | None = None
        self._entrusted: set[ChangeId] = set()
        """Those that this heir was told of."""
        self._common_deadline: int | None = None
        """Until when (ns) whoever waits is told, while something is in the way."""

    def add(
        self, change: ChangeId, request: int, operations: tuple[Operation, ...], now: int
    ) -> None:
        """Take on a user's change; the same id again takes the place of the older request."""
        self.open.pop(change, None)
        self.open[change] = _Submission(request, operations, now + GIVE_UP_AFTER)
        self._unsent[change] = 0

    @property
    def wake_at(self) -> int | None:
        """When a retry or a give-up is due (ns)."""
        if not self.open:
            return None
        oldest = next(iter(self.open.values()))
        retries = (time for time in self._unsent.values() if time)
        return min([self._deadline(oldest), *retries])

    def _deadline(self, submission: _Submission) -> int:
        common = self._common_deadline
        return submission.deadline if common is None else min(submission.deadline, common)

    def due(self, leader: WorkerName | None, now: int) -> list[Submit]:
        """What to send to the leader now; each is then taken as sent."""
        if not self._unsent:
            return []
        due = [change for change, not_before in self._unsent.items() if now >= not_before]
        if leader is None:
            self._unsent.update(dict.fromkeys(due, 0))
            return []
        for change in due:
            del self._unsent[change]
        return [Submit(change, self.open[change].operations) for change in due]

    def entrust(self, heir: WorkerName, epoch: int) -> list[Submit]:
        """What to tell whoever may lead this epoch, once. None of it is taken as sent."""
        if self._heir != (heir, epoch):
            self._heir = (heir, epoch)
            self._entrusted.clear()
        news = [change for change in self._unsent if change not in self._entrusted]
        self._entrusted.update(news)
        return [Submit(change, self.open[change].operations) for change in news]

    def send_again(self) -> None:
        """Whatever was sent may be lost, with the leader that it was sent to or on the way."""
        self._unsent = dict.fromkeys(self.open, 0)

    def unlucky(self, change: ChangeId, now: int) -> None:
        """The leader could not do it (yet): try again a little later."""
        if change in self.open:
            self._unsent[change] = now + RETRY_AFTER

    @property
    def are_unsent(self) -> bool:
        """Whether anything waits for a leader, or for its retry."""
        return bool(self._unsent)

    def hurry(self, deadline: int | None) -> None:
        """Nobody is to wait longer than until then (ns); None: each may take as long as ever."""
        self._common_deadline = deadline

    def settle(self, change: ChangeId) -> int | None:
        """The change is applied.

        Returns:
            The request to answer, None if nobody waits for it here.
        """
        self._unsent.pop(change, None)
        submission = self.open.pop(change, None)
        return submission.request if submission is not None else None

    def expired(self, now: int) -> list[int]:
        """The requests that have waited too long: told so, and forgotten."""
        late = []
        for change, submission in list(self.open.items()):
            if now < self._deadline(submission):
                break
            self._unsent.pop(change, None)
            late.append(self.open.pop(change).request)
        return late
