"""Workers that are ended in turns are each given the time to count as well again in between.

One that dies soon after it was started is held back, which is not what is measured.
"""

import time

from bench.progress import say
from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.orchestration.healing import STEADY

_STEADY_S = STEADY / S + 0.5


class Steady:
    """Remembers when each worker was replaced last."""

    def __init__(self) -> None:
        self._replaced_at: dict[WorkerName, float] = {}

    def wait(self, worker: WorkerName) -> None:
        """Until this one may be ended again."""
        left = self._replaced_at.get(worker, 0.0) + _STEADY_S - time.monotonic()
        if left > 0:
            say(f"until {worker} counts as well")
            time.sleep(left)

    def replaced(self, worker: WorkerName) -> None:
        """Its successor is there."""
        self._replaced_at[worker] = time.monotonic()
