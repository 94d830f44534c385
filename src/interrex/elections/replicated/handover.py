"""Leadership transfer: the leader picks its successor and lets it stand for election at once.

Source: Raft's thesis 3.10.

Differs from the thesis: given up as soon as the target's connection closes, not only after an
election time-out. Then the old leader goes on, in its epoch only where the target was not told
yet: whoever was may read that at any later time, and is voted for since this leadership is over.
Once it was told, the old leader calls itself one no more: the two never lead at one time.
"""

from collections.abc import Callable, Mapping
from typing import Any

from interrex.elections.replicated.node import DurableNode


class Handover:
    """At most one transfer under way. While there is, the leader takes no proposals."""

    def __init__(self, node: DurableNode[Any], tell: Callable[[int], None]) -> None:
        """``tell`` lets a member stand."""
        self._node = node
        self._tell = tell
        self._target = 0
        self.told = False
        """Whether the target may lead from now on: then the old leader calls itself one no more."""
        self.until: int | None = None
        """When the transfer under way is given up, None for none."""

    def begin(self, target: int) -> None:
        self._target, self.told = target, False
        self.until = self._node.now + self._node.settings.election_timeout

    def drive(self, matched: Mapping[int, int], last: int) -> None:
        """Tells the target once its disk holds all up to the last that is proposed.

        ``matched``: up to where each member's disk holds the log.
        """
        if self.until is None or self.told:
            return
        if matched.get(self._target, 0) >= last:
            self.told = True
            self._tell(self._target)

    def must_be_given_up(self) -> bool:
        """Whether its time is over."""
        return self.until is not None and self._node.now >= self.until

    def is_to(self, member: int) -> bool:
        return self.until is not None and self._target == member

    def give_up(self) -> bool:
        """Returns whether the leader may go on in its epoch: nobody was told to stand in it."""
        self.until = None
        return not self.told
