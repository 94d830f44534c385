"""Changes that users asked this worker for, until each is known to be applied.

A change keeps its id through every retry, and is applied once: so it may be sent again to
whoever leads whenever the last attempt was lost, and a user's write that was in flight when the
leader died is answered by the next one.
"""

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.messages import Submit
from interrex.core.state import Operation
from interrex.core.time import MS, S, earliest

RETRY_AFTER = 200 * MS
"""How long (ns) after an unlucky attempt a change is sent again to the same leader."""
GIVE_UP_AFTER = 30 * S


class _Submission(msgspec.Struct):
    """``sent_to`` None: waiting for a leader (or for its retry)."""

    request: int
    operations: tuple[Operation, ...]
    deadline: int
    sent_to: WorkerName | None = None
    not_before: int = 0


class Submissions:
    """The open changes, in the order they were asked for."""

    def __init__(self) -> None:
        self._open: dict[ChangeId, _Submission] = {}

    def add(
        self, change: ChangeId, request: int, operations: tuple[Operation, ...], now: int
    ) -> None:
        """Take on a user's change; the same id again takes the place of the older request."""
        self._open[change] = _Submission(request, operations, now + GIVE_UP_AFTER)

    @property
    def wake_at(self) -> int | None:
        """When a retry or a give-up is due (ns)."""
        found: int | None = None
        for submission in self._open.values():
            found = earliest(found, submission.deadline)
            if submission.sent_to is None and submission.not_before:
                found = earliest(found, submission.not_before)
        return found

    def due(self, leader: WorkerName | None, now: int) -> list[Submit]:
        """What to send to the leader now; each is then taken as sent."""
        sent = []
        for change, submission in self._open.items():
            if now < submission.not_before:
                continue
            submission.not_before = 0
            if leader is not None and submission.sent_to is None:
                submission.sent_to = leader
                sent.append(Submit(change, submission.operations))
        return sent

    def leader_changed(self) -> None:
        """Whatever was sent to the last leader may be lost: send it again."""
        for submission in self._open.values():
            submission.sent_to = None
            submission.not_before = 0

    def unlucky(self, change: ChangeId, now: int) -> None:
        """The leader could not do it (yet): try again a little later."""
        submission = self._open.get(change)
        if submission is not None:
            submission.sent_to = None
            submission.not_before = now + RETRY_AFTER

    def settle(self, change: ChangeId) -> int | None:
        """The change is applied.

        Returns:
            The request to answer, None if nobody waits for it here.
        """
        submission = self._open.pop(change, None)
        return submission.request if submission is not None else None

    def expired(self, now: int) -> list[int]:
        """The requests that have waited too long: told so, and forgotten."""
        late = [change for change, s in self._open.items() if now >= s.deadline]
        return [self._open.pop(change).request for change in late]
