"""Changes of membership: one at a time, a new member learning everything before it votes.

Source: Raft's thesis 4.1 to 4.2; PMS 3, last paragraph.
"""

from abc import ABC, abstractmethod
from collections import deque
from enum import Enum
from typing import Any

from interrex.core.ids import ChangeId
from interrex.core.quorum import MAX_VOTERS
from interrex.elections.interface import ProposalSettled, ReplaceMember
from interrex.elections.replicated.node import DurableNode
from interrex.elections.replicated.payload import Configuration
from interrex.elections.replicated.replication import LogReplication

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


class MemberChanges(ABC):
    """The changes that wait, in order; the first is the one under way.

    An election's own says by which steps its paper goes from one configuration to another.
    """

    def __init__(self, node: DurableNode[Any], replication: LogReplication[Any]) -> None:
        self._node = node
        self._replication = replication
        self.waiting: deque[ReplaceMember] = deque()
        self._catch_up: CatchUp | None = None

    @property
    @abstractmethod
    def _configuration(self) -> tuple[int, Configuration]:
        """The newest, and where it stands in the log."""

    @abstractmethod
    def _is_free(self) -> bool:
        """Whether the step before is over."""

    @abstractmethod
    def _next(
        self, configuration: Configuration, request: ReplaceMember, *, caught_up: bool
    ) -> Configuration | Outcome:
        """The next step from a configuration towards the one that is wanted."""

    @abstractmethod
    def _take_step(self, step: Configuration) -> None:
        """Proposes the next configuration."""

    def ask(self, request: ReplaceMember) -> None:
        problem = refusal(self._configuration[1], request)
        if problem is None:
            self.waiting.append(request)
        else:
            self._node.effects.append(ProposalSettled(request.change, None, problem))

    def drive(self, *, ready: bool) -> None:
        """Takes the first change one step further, if the step before is over.

        ``ready``: this leader knows all that was agreed on before it led.
        """
        while self.waiting and ready and self._is_free():
            request = self.waiting[0]
            index, configuration = self._configuration
            caught_up = self._has_caught_up(request.member)
            step = self._next(configuration, request, caught_up=caught_up)
            if step is Outcome.WAIT:
                if not self._is_stuck():
                    return
                self._settle(None, Outcome.WAIT.value)
            elif step is Outcome.DONE:
                self._settle(index, "")
            elif isinstance(step, Outcome) or not step.voters:
                self._settle(None, LAST_VOTER)
            else:
                self._take_step(step)

    def _settle(self, index: int | None, reason: str) -> None:
        request = self.waiting.popleft()
        self._catch_up = None
        self._node.effects.append(ProposalSettled(request.change, index, reason))

    def _has_caught_up(self, member: int | None) -> bool:
        progress = self._replication.progress.get(member) if member is not None else None
        if progress is None:
            return False
        node, last = self._node, self._replication.last_proposed()
        if self._catch_up is None:
            self._catch_up = CatchUp(last, node.now)
        return self._catch_up.is_close(
            progress.match, last, node.now, node.settings.election_timeout
        )

    def _is_stuck(self) -> bool:
        limit = self._node.settings.catch_up_timeout
        return self._catch_up is not None and self._node.now - self._catch_up.moved_at >= limit

    def abandon(self) -> list[ChangeId]:
        """All that wait: the leadership is over."""
        changes = [request.change for request in self.waiting]
        self.waiting.clear()
        return changes
