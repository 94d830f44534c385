"""Rounds of beats: who has answered which, and when each was sent."""

from collections import deque
from collections.abc import Collection
from typing import NamedTuple

from interrex.core.ids import WorkerName
from interrex.core.quorum import majority

MAX_ROUNDS = 256


class Round(NamedTuple):
    number: int
    sent_at: int
    timeout: int


class Rounds:
    """The beats of one leadership. Numbers begin at 1."""

    def __init__(self) -> None:
        self.number = 0
        self._rounds: deque[Round] = deque(maxlen=MAX_ROUNDS)
        self._answers: dict[WorkerName, int] = {}

    def begin(self, now: int, timeout: int) -> int:
        """A new round, answered so far by nobody."""
        self.number += 1
        self._rounds.append(Round(self.number, now, timeout))
        return self.number

    def get(self, number: int) -> Round | None:
        """A round, None where it was too long ago, or is yet to come."""
        position = number - (self.number - len(self._rounds) + 1)
        return self._rounds[position] if 0 <= position < len(self._rounds) else None

    def answer(self, worker: WorkerName, number: int) -> None:
        """A worker has answered a round, and with it all before."""
        if self._answers.get(worker, 0) < number <= self.number:
            self._answers[worker] = number

    def last_answer(self, worker: WorkerName) -> int:
        return self._answers.get(worker, 0)

    def answered_by_all(self, workers: Collection[WorkerName]) -> int:
        """The newest round that each of these workers has answered; the last one for nobody."""
        return min((self.last_answer(worker) for worker in workers), default=self.number)

    def answered_by_majority(
        self, workers: Collection[WorkerName], size: int, *, counts_itself: bool
    ) -> int:
        """The newest round answered by a majority of ``size``: of these workers, and this one where
        it is a member. One whose removal is under way proves nothing to itself."""
        numbers = [self.last_answer(worker) for worker in workers]
        ranked = sorted([self.number] * counts_itself + numbers, reverse=True)
        needed = majority(size)
        return ranked[needed - 1] if needed <= len(ranked) else 0
