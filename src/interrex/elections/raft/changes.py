"""Changes of membership: one server at a time, one change at a time.

A worker's identity is replaced in up to three entries: the new member learns the log without a
vote, the old one goes, the new one votes. So the time in which the cluster bears one failure less
is one commit long, and not as long as the transfer of a log.

Source: thesis 4.1 to 4.2; the rule that a leader first commits an entry of its own term is the
correction of 2015-07-10 (raft-dev, "bug in single-server membership changes").

Differs from the thesis: the new server is added without a vote before the old one is removed.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum

from interrex.core.ids import ChangeId, WorkerName
from interrex.elections.interface import ProposalSettled, ReplaceMember
from interrex.elections.raft.node import Node
from interrex.elections.raft.replication import Replication
from interrex.elections.replicated.payload import Configuration, configuration_data
from interrex.elections.replicated.settings import MAX_VOTERS

MAX_ROUNDS = 10
LAST_VOTER = "the last voter cannot be removed"


class Outcome(Enum):
    DONE = "done"
    WAIT = "the new member is still catching up"


def refusal(configuration: Configuration, request: ReplaceMember) -> str | None:
    """Why a change is refused, None where it is not."""
    voters, learners = configuration.voters, configuration.learners
    others = [one for one, worker in voters.items() if worker != request.worker]
    if request.member is None:
        return None if others else LAST_VOTER
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
    """The changes that wait, in order; the first is the one under way.

    Invariant: a configuration is appended only when the one before it is committed, and only when
    an entry of this leader's own term is.
    """

    def __init__(
        self, node: Node, replication: Replication, append: Callable[[bytes], None]
    ) -> None:
        self._node = node
        self._replication = replication
        self._append = append
        self._queue: deque[ReplaceMember] = deque()
        self._catch_up: CatchUp | None = None

    def ask(self, request: ReplaceMember) -> None:
        problem = refusal(self._node.membership.current, request)
        if problem is None:
            self._queue.append(request)
        else:
            self._node.effects.append(ProposalSettled(request.change, None, problem))

    def drive(self, *, ready: bool) -> None:
        """Takes the first change one step further, if the step before is committed.

        ``ready``: an entry of this leader's term is committed.
        """
        node, membership = self._node, self._node.membership
        while self._queue and ready and membership.index <= node.commit:
            request = self._queue[0]
            step = next_configuration(
                membership.current,
                request.worker,
                request.member,
                caught_up=self._has_caught_up(request.member),
            )
            if step is Outcome.WAIT:
                if not self._is_stuck():
                    return
                self._settle(None, Outcome.WAIT.value)
            elif step is Outcome.DONE:
                self._settle(membership.index, "")
            elif isinstance(step, Outcome) or not step.voters:
                self._settle(None, LAST_VOTER)
            else:
                self._append(configuration_data(step))
                self._replication.adopt_members()
                self._replication.send_all()

    def _settle(self, index: int | None, reason: str) -> None:
        request = self._queue.popleft()
        self._catch_up = None
        self._node.effects.append(ProposalSettled(request.change, index, reason))

    def _has_caught_up(self, member: int | None) -> bool:
        progress = self._replication.progress.get(member) if member is not None else None
        if progress is None:
            return False
        node = self._node
        if self._catch_up is None:
            self._catch_up = CatchUp(node.log.last_index, node.now)
        return self._catch_up.is_close(
            progress.match, node.log.last_index, node.now, node.settings.election_timeout
        )

    def _is_stuck(self) -> bool:
        limit = self._node.settings.catch_up_timeout
        return self._catch_up is not None and self._node.now - self._catch_up.moved_at >= limit

    def abandon(self) -> list[ChangeId]:
        """All that wait: the leadership is over."""
        changes = [request.change for request in self._queue]
        self._queue.clear()
        return changes
