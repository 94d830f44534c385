"""What a new host asks the coordination service: nothing, until it is known not to come late.

Its cluster may have begun without it, and alone it would lead one of its own at the service. So its
questions are held until a host is met that takes part in the cluster, or all others that its file
names are met and are as new, or nobody was heard of for so long that it may begin alone. Who was
told that the cluster has begun waits for the first of these, however long it takes.

Not guaranteed: that a host that nobody reaches for so long does not begin alone; what it was told
is forgotten when its process ends.
"""

import asyncio
from collections.abc import Callable, Iterable

from interrex.core.ids import HostName
from interrex.elections.interface import Ask


class HeldQuestions:
    """Between an election and its client.

    Args:
        ask: asks the service.
    """

    def __init__(self, ask: Callable[[Ask], None]) -> None:
        self._ask = ask
        self._held: list[Ask] | None = None
        self._unmet: set[HostName] = set()
        self._is_late = False
        self._alone: asyncio.TimerHandle | None = None

    def hold(self, others: Iterable[HostName], most_s: float) -> None:
        """Hold what is asked from now on.

        Args:
            others: the file's other hosts.
            most_s: so long none of them need be heard of.
        """
        self._held, self._unmet = [], set(others)
        self._alone = asyncio.get_running_loop().call_later(most_s, self._go_on)

    def ask(self, question: Ask) -> None:
        """Ask, now or later."""
        if self._held is None:
            self._ask(question)
        else:
            self._held.append(question)

    def met(self, host: HostName, *, is_new: bool) -> None:
        """Another host's worker is connected; ``is_new``: it has not taken part in anything yet."""
        self._unmet.discard(host)
        if not is_new or (not self._unmet and not self._is_late):
            self._go_on()

    def comes_late(self) -> None:
        """Somebody says that the cluster has begun."""
        self._is_late = True
        self.close()

    def close(self) -> None:
        """Ask nothing by the clock."""
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None

    def _go_on(self) -> None:
        self.close()
        held, self._held = self._held, None
        for question in held or ():
            self._ask(question)
