"""What was acknowledged is never lost, and what was refused never done."""

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.state import REMEMBERED_CHANGES
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Answered, Asked, Step
from interrex.worker.interface import Answer, ChangeAsked


class Acknowledged(Watch):
    """Believes the answers that clients had, and in the end every living worker's state.

    ``open`` maps (client, request) to the change that it asked for; ``acknowledged`` maps a
    change to the index it was said to be applied at.
    """

    promise = "an acknowledged change is never lost"

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[tuple[int, int], ChangeId] = {}
        self.acknowledged: dict[ChangeId, tuple[int, WorkerName]] = {}
        self._asked_of: dict[tuple[int, int], ChangeId] = {}
        self._refused: dict[ChangeId, WorkerName] = {}
        self.events = {ChangeAsked: self._takes}
        self.effects = {Answer: self._answers}
        self.occurrences = {Asked: self._asked, Answered: self._answered}

    def _takes(self, step: Step, asked: ChangeAsked) -> None:
        self._asked_of[step.life, asked.request] = asked.change

    def _answers(self, step: Step, answer: Answer) -> None:
        change = self._asked_of.pop((step.life, answer.request), None)
        if change is not None and answer.refused:
            self._refused[change] = step.worker

    def _asked(self, at: int, asked: Asked) -> None:
        if asked.change is not None:
            self.open[asked.client, asked.request] = asked.change

    def _answered(self, at: int, answered: Answered) -> None:
        change = self.open.pop((answered.client, answered.request), None)
        if change is None or not answered.ok:
            return
        if answered.index is None:
            raise self.broken(f"{answered.worker} acknowledged {change} without an index")
        self.acknowledged.setdefault(change, (answered.index, answered.worker))

    def finish(self, at: int, cores: Cores) -> None:
        """Every worker that has come so far must have applied it, at the latest where it said."""
        for worker, core in sorted(cores.items()):
            done = [change for change in self._refused if change in core.state.applied]
            if done:
                raise self.broken(
                    f"{self._refused[done[0]]} refused {done[0]}, and {worker} applied it"
                )
        if not self.acknowledged:
            return
        last = max(index for index, _ in self.acknowledged.values())
        for worker, core in sorted(cores.items()):
            applied = core.state.applied
            if core.state.index < last or len(applied) >= REMEMBERED_CHANGES:
                continue
            for change, (index, by) in self.acknowledged.items():
                where = applied.get(change)
                if where is None or where > index:
                    raise self.broken(
                        f"{by} acknowledged {change} at {index}; {worker}, at "
                        f"{core.state.index}, applied it at {where}"
                    )
        if cores and all(core.state.index < last for core in cores.values()):
            raise self.broken(f"nobody has come to {last}, where a change was acknowledged")
