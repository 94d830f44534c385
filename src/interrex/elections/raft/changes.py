"""Changes of membership: one server at a time, one change at a time.

A worker's identity is replaced in up to three entries: the new member learns the log without a
vote, the old one goes, the new one votes. So the time in which the cluster bears one failure less
is one commit long, and not as long as the transfer of a log.

Source: thesis 4.1 to 4.2; the rule that a leader first commits an entry of its own term is the
correction of 2015-07-10 (raft-dev, "bug in single-server membership changes").

Differs from the thesis: the new server is added without a vote before the old one is removed.
"""

from collections import deque
from enum import Enum

from interrex.core.ids import ChangeId, WorkerName
from interrex.elections.interface import ReplaceMember
from interrex.elections.raft.payload import Configuration
from interrex.elections.raft.settings import MAX_VOTERS

MAX_ROUNDS = 10


class Outcome(Enum):
    DONE = "done"
    WAIT = "the new member is still catching up"


def refusal(configuration: Configuration, request: ReplaceMember) -> str | None:
    """Why a change is refused, None where it is not."""
    voters, learners = configuration.voters, configuration.learners
    others = [one for one, worker in voters.items() if worker != request.worker]
    if request.member is None:
        return None if others else "the last voter cannot be removed"
    owner = voters.get(request.member) or learners.get(request.member)
    if owner is not None and owner != request.worker:
        return f"member {request.member} is {owner}"
    if len(others) >= MAX_VOTERS:
        return f"there are {len(others)} other voters, and at most {MAX_VOTERS} may vote"
    return None


def next_configuration(
    configuration: Configuration, worker: WorkerName, member: int | None, *, caught_up: bool
) -> Configuration | Outcome:
    """The next single step from a configuration towards the one that is wanted."""
    voters, learners = dict(configuration.voters), dict(configuration.learners)
    old_voters = sorted(one for one, name in voters.items() if name == worker and one != member)
    stale = [one for one, name in learners.items() if name == worker and one != member]
    for one in stale:
        del learners[one]
    if member is not None and member not in voters:
        if member not in learners:
            return Configuration(voters, {**learners, member: worker})
        if not caught_up:
            return Outcome.WAIT
        if not old_voters or len(voters) == 1:
            del learners[member]
            return Configuration({**voters, member: worker}, learners)
    if old_voters:
        del voters[old_voters[0]]
        return Configuration(voters, learners)
    return Configuration(voters, learners) if stale else Outcome.DONE


class CatchUp:
    """Whether a new member is close enough to vote (thesis 4.2.1).

    A round is over when the member holds what the leader held as the round began; when that
    took less than an election time-out, it is close enough.
    """

    def __init__(self, target: int, now: int) -> None:
        self._target = target
        self._began = now
        self._rounds = 0
        self.matched = 0
        self.moved_at = now

    def is_close(self, matched: int, last_index: int, now: int, timeout: int) -> bool:
        if matched > self.matched:
            self.matched, self.moved_at = matched, now
        if matched < self._target:
            return False
        self._rounds += 1
        if now - self._began <= timeout or self._rounds >= MAX_ROUNDS:
            return True
        self._target, self._began = last_index, now
        return False


class MemberChanges:
    """The changes that wait, in order; the first is the one under way."""

    def __init__(self) -> None:
        self._queue: deque[ReplaceMember] = deque()
        self.catch_up: CatchUp | None = None

    def ask(self, request: ReplaceMember) -> None:
        self._queue.append(request)

    @property
    def first(self) -> ReplaceMember | None:
        return self._queue[0] if self._queue else None

    def finish(self) -> ReplaceMember:
        """Takes the first one off, done or given up."""
        self.catch_up = None
        return self._queue.popleft()

    def abandon(self) -> list[ChangeId]:
        """All that wait: the leadership is over."""
        changes = [request.change for request in self._queue]
        self._queue.clear()
        return changes
