"""Until when a leader may believe in itself.

A heartbeat round that a majority answered proves that none of them has elected another before it
was *sent*; their patience from then on, less what clocks may differ, is the lease. It bounds how
long a stale leader believes in itself. It excludes nobody: proof of death, a hand-over and a
restarted follower shorten the patience, so exclusion is the receiver's epoch check, and reads are
never answered by the lease.

Source: thesis 6.2 and 6.4.1.
"""

from collections import deque
from collections.abc import Collection, Iterable, Set

import msgspec

from interrex.core.quorum import agreed_index


class Round(msgspec.Struct, frozen=True):
    number: int
    sent_at: int
    timeout: int


MAX_ROUNDS = 256
UNANSWERED = 0
"""In the place of a round's number: a sign of life, not to be answered."""


class Lease:
    """The heartbeat rounds of one leadership. ``deadline`` never falls."""

    def __init__(self, deadline: int) -> None:
        self.deadline = deadline
        self.number = 0
        self.answered = 0
        """The newest round that a majority has answered."""
        self._rounds: deque[Round] = deque(maxlen=MAX_ROUNDS)
        self.sent_at = 0
        """When the newest round was sent (ns)."""
        self._asked: dict[int, int] = {}
        """The newest round that each member was asked to answer."""
        self._owing: set[int] = set()
        """Those who have not answered it."""
        self._answers: dict[int, int] = {}
        self._groups: Collection[Collection[int]] = ()
        self._is_settled = False
        """Whether nothing was said since the last settling that could have changed it. That a round
        begins does so only where somebody is a majority alone."""

    def begin(self, now: int, timeout: int, asked: Iterable[int]) -> None:
        """A new round, answered so far by nobody of those who are asked to."""
        self.number += 1
        self.sent_at = now
        self._rounds.append(Round(self.number, now, timeout))
        for member in asked:
            self._asked[member] = self.number
            self._owing.add(member)

    def answer(self, member: int, number: int) -> int | None:
        """A member has answered a round, and with it all before.

        Returns:
            When that round was sent, None where it is too long ago.
        """
        if self._answers.get(member, 0) < number <= self.number:
            self._answers[member] = number
            self._is_settled = self._is_settled and number <= self.answered
            if number >= self._asked.get(member, 0):
                self._owing.discard(member)
        rounds = self._rounds
        position = number - rounds[0].number if rounds else -1
        return rounds[position].sent_at if 0 <= position < len(rounds) else None

    def active(self, members: Iterable[int], number: int) -> list[int]:
        """Those of the members that have answered this round, or a later one."""
        answers = self._answers
        return [member for member in members if answers.get(member, 0) >= number]

    def is_answered_by(self, members: Set[int]) -> bool:
        """Whether all of these have been asked, and have answered what they were last asked."""
        return members <= self._asked.keys() and self._owing.isdisjoint(members)

    def settle(self, leader: int, groups: Collection[Collection[int]]) -> Round | None:
        """The newest round that a majority of every group of voters has answered, where that is
        news."""
        if self._is_settled and groups is self._groups:
            return None
        self._is_settled, self._groups = True, groups
        number = self._answers[leader] = self.number
        for voters in groups:
            agreed = agreed_index(voters, self._answers)
            if agreed < number:
                number = agreed
            if len(voters) == 1:
                self._is_settled = False
        if number <= self.answered:
            return None
        self.answered = number
        rounds = self._rounds
        while len(rounds) > 1 and rounds[1].number <= number:
            rounds.popleft()  # the last one stays: slower followers' round trips are measured by it
        return rounds[0] if rounds and rounds[0].number <= number else None
