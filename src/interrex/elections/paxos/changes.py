"""Changes of membership: one at a time, each one agreed value and one window long.

A worker's identity is replaced in two steps: the new member learns everything without a vote; then
one configuration takes the old one out and the new one in. It governs a window of slots later.

Source: PMS 3, last paragraph; PMMC 3 (reconfiguration).

Differs from the papers: the new member learns before it votes, so that the time in which one more
failure is not borne is as short as the window, and not as long as the transfer of a state.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum

from interrex.core.ids import ChangeId, WorkerName
from interrex.elections.interface import ProposalSettled, ReplaceMember
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.replication import Replication
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
    """The next step from a configuration towards the one that is wanted."""
    voters = {
        one: name for one, name in configuration.voters.items() if name != worker or one == member
    }
    learners = {
        one: name for one, name in configuration.learners.items() if name != worker or one == member
    }
    if member is not None and member not in voters:
        if member not in learners:
            return Configuration(configuration.voters, {**learners, member: worker})
        if not caught_up:
            return Outcome.WAIT
        del learners[member]
        voters[member] = worker
    wanted = Configuration(voters, learners)
    return Outcome.DONE if wanted == configuration else wanted


class CatchUp:
    """Whether a new member is close enough to vote.

    A round is over when the member holds what the leader held as the round began; when that
    took less than an election time-out, it is close enough.
    """

    def __init__(self, target: int, now: int) -> None:
        self._target = target
        self._began = now
        self._rounds = 0
        self.matched = 0
        self.moved_at = now

    def is_close(self, matched: int, last: int, now: int, timeout: int) -> bool:
        if matched > self.matched:
            self.matched, self.moved_at = matched, now
        if matched < self._target:
            return False
        self._rounds += 1
        if now - self._began <= timeout or self._rounds >= MAX_ROUNDS:
            return True
        self._target, self._began = last, now
        return False


class MemberChanges:
    """The changes that wait, in order; the first is the one under way.

    Invariant: a configuration is proposed only when the one before it alone governs, and when all
    that earlier leaders may have got chosen is learned.
    """

    def __init__(
        self, node: Node, replication: Replication, propose: Callable[[bytes], None]
    ) -> None:
        self._node = node
        self._replication = replication
        self._propose = propose
        self._queue: deque[ReplaceMember] = deque()
        self._proposed: Configuration | None = None
        """Proposed and not learned yet."""
        self._catch_up: CatchUp | None = None

    def ask(self, request: ReplaceMember) -> None:
        problem = refusal(self._node.membership.newest, request)
        if problem is None:
            self._queue.append(request)
        else:
            self._node.effects.append(ProposalSettled(request.change, None, problem))

    def drive(self, *, ready: bool) -> None:
        """Takes the first change one step further, if the step before is over.

        ``ready``: this leader has learned all that was chosen before.
        """
        membership = self._node.membership
        if self._proposed == membership.newest:
            self._proposed = None
        while self._queue and ready and self._proposed is None and not membership.settles_at:
            request = self._queue[0]
            step = next_configuration(
                membership.newest,
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
                self._proposed = step
                self._propose(configuration_data(step))

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
            self._catch_up = CatchUp(self._replication.proposed, node.now)
        return self._catch_up.is_close(
            progress.match, self._replication.proposed, node.now, node.settings.election_timeout
        )

    def _is_stuck(self) -> bool:
        limit = self._node.settings.catch_up_timeout
        return self._catch_up is not None and self._node.now - self._catch_up.moved_at >= limit

    def abandon(self) -> list[ChangeId]:
        """All that wait: the leadership is over."""
        changes = [request.change for request in self._queue]
        self._queue.clear()
        return changes
