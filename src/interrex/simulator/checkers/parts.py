"""Without a quorum: one leader in each part of the cluster whose workers hear each other."""

from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerEnded
from interrex.worker.interface import MessageReceived

HEARS = S
"""Who was heard within this time (ns) is heard: twice the time between two signs of life."""
PATIENCE = 5 * S
"""How long (ns) two who hear each other may both lead: until one has heard of the other, gathered
what there is, and told everybody."""


class OneLeaderAPart(Watch):
    """Believes the messages that workers take, and whether they say that they lead."""

    promise = "one leader in each connected part"

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[tuple[int, WorkerName], int] = {}
        """Life, and whom it heard -> when last (ns)."""
        self._leading: dict[int, WorkerName] = {}
        self._since: dict[tuple[int, int], int] = {}
        """Two lives that both lead and hear each other -> since when (ns)."""
        self.every_step = self._look
        self.events = {MessageReceived: self._hears}
        self.occurrences = {WorkerEnded: self._ended}

    def _hears(self, step: Step, event: MessageReceived) -> None:
        self._heard[step.life, event.sender] = step.at

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._leads_no_more(ended.life)

    def _leads_no_more(self, life: int) -> None:
        if self._leading.pop(life, None) is not None:
            self._since = {pair: at for pair, at in self._since.items() if life not in pair}

    def _look(self, step: Step) -> None:
        if not step.core.election.leading:
            self._leads_no_more(step.life)
            return
        self._leading[step.life] = step.worker
        for other, name in self._leading.items():
            if other != step.life:
                self._compare(step, other, name)

    def _compare(self, step: Step, other: int, name: WorkerName) -> None:
        pair = (min(step.life, other), max(step.life, other))
        heard = min(
            self._heard.get((step.life, name), -HEARS),
            self._heard.get((other, step.worker), -HEARS),
        )
        if step.at - heard >= HEARS:
            self._since.pop(pair, None)
            return
        since = self._since.setdefault(pair, step.at)
        if step.at - since > PATIENCE:
            raise self.broken(f"{step.worker} and {name} lead and hear each other since {since}")
