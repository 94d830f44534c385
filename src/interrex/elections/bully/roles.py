"""What the roles may ask of the server whose roles they are."""

from typing import Protocol

from interrex.core.ids import WorkerName
from interrex.elections.bully.messages import Standing


class Claim:
    """An epoch that its maker may lead, and what it learned as it formed it.

    ``standings`` maps those who were halted for it to the copies that they hold; ``asked_at`` is
    when they were asked (ns).
    """

    def __init__(self, epoch: int, *, appointed: bool, asked_at: int) -> None:
        self.epoch = epoch
        self.appointed = appointed
        self.standings: dict[WorkerName, Standing] = {}
        self.asked_at = asked_at


class Transitions(Protocol):
    """The transitions of one server."""

    reason: str

    @property
    def leading(self) -> bool: ...

    def become_waiting(self, reason: str, *, timeouts: int = 2) -> None: ...

    def lose(self, reason: str) -> None: ...

    def stand(self, reason: str, *, preempts: WorkerName | None = None) -> None: ...

    def form(self, reason: str, *, appointed: bool = False) -> None: ...

    def become_coordinator(self, claim: Claim) -> None: ...
