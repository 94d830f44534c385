"""Restarts are bounded: however a replica fails, it is not started again and again at once."""

from collections import deque

from interrex.core.ids import SlotName
from interrex.core.spec import Restart
from interrex.core.time import MS, S, seconds
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerEnded
from interrex.supervision.interface import Forget, Spawn

WINDOW = 10 * S
"""Starts are counted within so long (ns)."""
STARTS = 12
"""So many in a window are always allowed, to each life of a worker for each slot and generation.

With the usual delays (0, then drawn from 0 up to 0.5 s, 1 s, 2 s ... 30 s) thirteen starts within
the window have a chance below one in ten million.
"""


def allowed(restart: Restart) -> int:
    """How many starts within the window: more where the file asks for short delays."""
    longest = max(seconds(restart.max_delay), seconds(restart.base_delay), 10 * MS)
    return STARTS + 8 * WINDOW // longest


class Restarts(Watch):
    """Counts what a worker starts, by its own clock.

    A new process because of a new generation is no restart, nor is one of a slot that was stopped
    for good and is asked for again; a worker that begins anew knows nothing of what failed before.
    """

    promise = "restarts are bounded"

    def __init__(self) -> None:
        super().__init__()
        self._starts: dict[int, dict[tuple[SlotName, int], deque[int]]] = {}
        self.effects = {Spawn: self._spawns, Forget: self._forgets}
        self.occurrences = {WorkerEnded: self._ended}

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._starts.pop(ended.life, None)

    def _forgets(self, step: Step, forget: Forget) -> None:
        of_life = self._starts.get(step.life, {})
        for key in [key for key in of_life if key[0] == forget.slot]:
            del of_life[key]

    def _spawns(self, step: Step, spawn: Spawn) -> None:
        of_life = self._starts.setdefault(step.life, {})
        starts = of_life.setdefault((spawn.slot, spawn.generation), deque())
        starts.append(step.now)
        while starts[0] <= step.now - WINDOW:
            starts.popleft()
        most = allowed(spawn.spec.restart)
        if len(starts) > most:
            raise self.broken(
                f"{step.worker} started {spawn.slot} {len(starts)} times within "
                f"{WINDOW // S} s, {most} are allowed"
            )
