"""Every worker applies the same changes in the same order, each once."""

from bisect import bisect_right

from interrex.core.ids import ChangeId
from interrex.core.state import REMEMBERED_CHANGES, ClusterState
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerEnded


class Applied(Watch):
    """Compares the workers' states with each other, whenever one has moved on.

    What a worker has applied is seen nowhere else than in its state: the ids of the changes and
    the index of each.
    """

    promise = "the same changes are applied in the same order everywhere"

    def __init__(self) -> None:
        super().__init__()
        self.changes: dict[int, ChangeId] = {}
        """Index -> the change that was applied there, wherever that was seen first."""
        self._order: list[int] = []
        self._at: dict[ChangeId, int] = {}
        self._reached: dict[int, int] = {}
        self.new_state = self._look
        self.occurrences = {WorkerEnded: self._ended}

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._reached.pop(ended.life, None)

    def _look(self, step: Step) -> None:
        state = step.core.state
        before = self._reached.get(step.life, 0)
        if state.index != before:
            self._moved(step, state, before)
            self._reached[step.life] = state.index

    def _moved(self, step: Step, state: ClusterState, before: int) -> None:
        if state.index < before:
            raise self.broken(f"{step.worker}'s state goes back from {before} to {state.index}")
        news = 0
        for change, index in _newest(state, before):
            known = self.changes.get(index)
            if known is None:
                self._learn(step, change, index)
            elif known != change:
                raise self.broken(f"{step.worker} applied {change} at {index}, others {known}")
            news += 1
        order = self._order
        expected = bisect_right(order, state.index) - bisect_right(order, before)
        if news != expected and len(state.applied) < REMEMBERED_CHANGES:
            raise self.broken(
                f"{step.worker} applied {news} changes from {before} to {state.index}, there are "
                f"{expected}"
            )

    def _learn(self, step: Step, change: ChangeId, index: int) -> None:
        if self._order and index < self._order[-1]:
            raise self.broken(
                f"{step.worker} applied {change} at {index}, where others applied nothing"
            )
        once = self._at.setdefault(change, index)
        if once != index:
            raise self.broken(f"{step.worker} applied {change} at {index}, and at {once} already")
        self.changes[index] = change
        self._order.append(index)


def _newest(state: ClusterState, after: int) -> list[tuple[ChangeId, int]]:
    """The changes applied behind an index, in their order."""
    found = []
    for change, index in reversed(state.applied.items()):
        if index <= after:
            break
        found.append((change, index))
    return found[::-1]
