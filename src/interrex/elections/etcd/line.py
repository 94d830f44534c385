"""The candidates as etcd's keys show them: by priority, then by who came first."""

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.line import HandOver, Holder, Line
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.etcd.view import View


class EtcdLine(Line):
    """The order of the candidates; a process's mark is its lease."""

    def __init__(self, me: WorkerName, settings: EtcdSettings, view: View) -> None:
        super().__init__(me, settings)
        self._view = view

    @property
    def holder(self) -> Holder | None:
        """Whose lease the leader's key is under."""
        held = self._view.leader
        return None if held is None else Holder(held.worker, mark_of(held.lease))

    @property
    def hand_over(self) -> HandOver | None:
        """What the leader of the newest epoch wrote when it gave up."""
        heir = self._view.successor
        if heir is None or heir.epoch != self._view.epoch:
            return None
        return HandOver(heir.left, heir.chosen)

    def order(self) -> list[WorkerName]:
        standings = self._view.candidates
        alive = [name for name in standings if mark_of(standings[name].lease) not in self._dead]
        return sorted(
            alive,
            key=lambda name: (-standings[name].candidate.priority, standings[name].since, name),
        )


def mark_of(lease: int) -> str:
    """How a lease is told to peers."""
    return f"{lease:x}"
