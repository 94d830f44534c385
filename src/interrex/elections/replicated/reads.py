"""Reads that are confirmed by a heartbeat round instead of by an entry.

Source: thesis 6.4 (ReadIndex): note the commit index once an entry of the own term is committed,
hear from a majority, answer when that index is applied. Many reads share a round; while one is
under way the next ones wait together for the one after it.

Not guaranteed: anything after the answer. It was true at some moment between question and answer.
"""

from collections import deque


class Reads:
    """The reads that wait, with the round that a majority has to answer for each."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, int]] = deque()
        """The round that each needs, and the read."""

    def ask(self, read: int, needed_round: int) -> None:
        """A read that is confirmed when a majority has answered ``needed_round``."""
        self.waiting.append((needed_round, read))

    @property
    def newest_round(self) -> int:
        """The highest round that a read waits for, 0 for none."""
        return self.waiting[-1][0] if self.waiting else 0

    def confirmed(self, answered_round: int) -> list[int]:
        """The reads that a majority's answer to this round confirms."""
        done = []
        while self.waiting and self.waiting[0][0] <= answered_round:
            done.append(self.waiting.popleft()[1])
        return done

    def abandon(self) -> list[int]:
        """All that still wait: the leadership is over."""
        return self.confirmed(self.newest_round)
