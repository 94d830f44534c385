"""Taking a vote away: only while those who are left to vote have a majority that is here."""

from collections.abc import Iterable

from interrex.core.ids import HostName, WorkerName
from interrex.core.quorum import majority
from interrex.core.time import MS
from interrex.orchestration.fleet import Fleet, WorkerView

ON_ITS_WAY = 500 * MS
"""How long (ns) what a machine sent before it lost power may still be on its way here."""

LISTENS_EVERY = 100 * MS
"""How often (ns) a leader looks whether those that it waits for have been heard."""


class Withdrawing:
    """Whose vote may be taken away.

    The connection to a machine without power looks alive until its silence is noticed. So of those
    on other hosts only who was heard after it was known that a vote is to go counts as here: a
    machine that was gone by then is heard no more.

    Args:
        host: where the leader runs: of those there the end is known at once.
    """

    def __init__(self, host: HostName) -> None:
        self._host = host
        self._since: dict[WorkerName, int] = {}

    def look(self, leavers: Iterable[WorkerName], now: int) -> None:
        """These are to vote no more."""
        self._since = {worker: self._since.get(worker, now) for worker in leavers}

    def missed(self, lost: int, now: int) -> None:
        """The leader did not run for so long (ns) just now: what it hears then may be as old."""
        self._since = {worker: min(at + lost, now) for worker, at in self._since.items()}

    def may(self, fleet: Fleet, worker: WorkerName) -> bool:
        """Whether a worker's vote may go: without a majority that is here the others could not even
        agree that it is gone, nor on anything after that."""
        heard_by = self._since[worker] + ON_ITS_WAY
        here = [
            view
            for view in _connected(fleet, worker)
            if view.host == self._host or view.heard >= heard_by
        ]
        return _suffice(here, fleet, worker)

    def wake_at(self, fleet: Fleet, now: int) -> int | None:
        """When to look again (ns), where it may be only that somebody was not heard yet."""
        waits = any(
            worker in fleet.members
            and _suffice(_connected(fleet, worker), fleet, worker)
            and not self.may(fleet, worker)
            for worker in self._since
        )
        return now + LISTENS_EVERY if waits else None


def _connected(fleet: Fleet, leaver: WorkerName) -> list[WorkerView]:
    """The voters that are connected, under the identity that votes, but for one."""
    return [
        view
        for voter, member in fleet.members.items()
        if voter != leaver
        and (view := fleet.workers.get(voter))
        and view.connected
        and view.member in (None, member)
    ]


def _suffice(here: list[WorkerView], fleet: Fleet, leaver: WorkerName) -> bool:
    return len(here) >= majority(len(fleet.members.keys() - {leaver}))
