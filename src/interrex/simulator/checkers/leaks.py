"""Who has no memory left is replaced: in the end none of them runs on."""

from interrex.core.ids import HostName, SlotName
from interrex.core.time import S
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Healed, OutOfMemory, ProcessEnded


class Leaks(Watch):
    """Believes the operating system: which process was at its memory's limit, and which has ended.

    How often such a replica is started again is what restarts are bounded by. When it has to be,
    while others fail too or nobody is there to do it, is not asked; but that it was, once the
    faults have stopped and the world has given the fleet its time.
    """

    promise = "a replica without memory is replaced"

    def __init__(self) -> None:
        super().__init__()
        self._healed = False
        self._without: dict[tuple[HostName, int, SlotName], int] = {}
        """Since when (simulated ns), by pid."""
        self.occurrences = {
            OutOfMemory: self._runs_out,
            ProcessEnded: self._ended,
            Healed: self._heals,
        }

    def _runs_out(self, at: int, out: OutOfMemory) -> None:
        self._without[out.host, out.pid, out.slot] = at

    def _ended(self, at: int, ended: ProcessEnded) -> None:
        self._without.pop((ended.host, ended.pid, ended.slot), None)

    def _heals(self, at: int, healed: Healed) -> None:
        self._healed = True

    def finish(self, at: int, cores: Cores) -> None:
        if not self._healed:
            return
        for (host, pid, slot), since in self._without.items():
            raise self.broken(
                f"{slot} on {host} (pid {pid}) runs on, {(at - since) / S:.1f} s after it was at "
                "its memory's limit"
            )
