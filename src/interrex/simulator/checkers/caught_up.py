"""In the end every worker has applied what the leader has."""

from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Healed


class CaughtUp(Watch):
    """Compares how far the living workers are, since one that is left behind may vote, answer and
    look well all the same.

    Only where the faults have stopped, and the world has given the fleet its time since. That there
    is one leader is another's promise.
    """

    promise = "every worker has applied what the leader has in the end"

    def __init__(self) -> None:
        super().__init__()
        self._healed = False
        self.occurrences = {Healed: self._heals}

    def _heals(self, at: int, healed: Healed) -> None:
        self._healed = True

    def finish(self, at: int, cores: Cores) -> None:
        if not self._healed:
            return
        leading = [core.state.index for core in cores.values() if core.election.leading]
        for worker, core in sorted(cores.items()):
            if leading and core.state.index < max(leading):
                raise self.broken(
                    f"{worker} has applied all up to {core.state.index}, the leader up to "
                    f"{max(leading)}"
                )
