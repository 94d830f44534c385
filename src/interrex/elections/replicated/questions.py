"""Whether to answer who asks before it stands for election: now, or when the leader is lost.

Source: Raft's thesis 4.2.3 (a server that hears a leader ignores candidates) and 9.6 (pre-vote).

Differs from the thesis: a request that says ``ended`` = this server's epoch is believed: that
leadership is over for good.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic

from interrex.core.ids import WorkerName
from interrex.elections.replicated.detection import AnyQuestion, Detection
from interrex.elections.replicated.node import DurableNode


class Questions(ABC, Generic[AnyQuestion]):
    """The same rules in every role. ``believes`` tells whether this server leads inside its own
    deadline."""

    def __init__(
        self,
        node: DurableNode[Any],
        detection: Detection[AnyQuestion],
        believes: Callable[[], bool],
    ) -> None:
        self._node = node
        self._detection = detection
        self._believes = believes

    def hears_a_leader(self) -> bool:
        """Whether to leave candidates unanswered."""
        return self._believes() or not self._detection.has_lost

    def ignores(self, ended: int) -> bool:
        """A newer epoch is not even looked at while a leader is heard (disruptive servers), unless
        the leadership that is known to be ``ended`` is this one's."""
        return self.hears_a_leader() and ended != self._node.epoch

    def on_question(self, question: AnyQuestion, worker: WorkerName) -> bool:
        """Answers now, or remembers the question until the leader is lost.

        Returns whether it was refused because of what its sender lacks.
        """
        if question.asked_epoch > self._node.epoch and self.hears_a_leader():
            self._detection.remember(question, worker)
            return False
        return self._answer(question)

    def weigh_again(self) -> None:
        """The leader is lost: answers what was remembered."""
        for question in self._detection.take_remembered():
            self._answer(question)

    @abstractmethod
    def _answer(self, question: AnyQuestion) -> bool:
        """Yes or no. Returns whether it was refused because of what its sender lacks."""
