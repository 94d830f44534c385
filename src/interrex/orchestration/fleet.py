"""The fleet as the leader sees it: who is connected, who is lost, what each worker reports."""

import msgspec

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport
from interrex.core.spec import Timing
from interrex.core.time import seconds


class WorkerView(msgspec.Struct, frozen=True):
    """One worker, seen from here.

    ``since`` is when the connection to it came up or went down (ns), ``heard`` when it last said
    anything. ``member`` is the identity under which its log votes, None while unknown;
    ``replicas`` are those of its report, by slot.
    """

    worker: WorkerName
    host: HostName
    connected: bool
    since: int
    heard: int
    member: int | None = None
    report: Report | None = None
    replicas: dict[SlotName, ReplicaReport] = {}


class Fleet(msgspec.Struct, frozen=True):
    """All workers of the state, by name, and those who vote (worker -> member identity)."""

    me: WorkerName
    workers: dict[WorkerName, WorkerView]
    members: dict[WorkerName, int]

    def looks_like(self, other: "Fleet") -> bool:
        """Whether all is as it was at another look, but for when each worker was last heard.

        Reports are compared by identity: one that has not come anew is the same.
        """
        return (
            self.members == other.members
            and self.workers.keys() == other.workers.keys()
            and all(_alike(view, other.workers[name]) for name, view in self.workers.items())
        )

    def connected(self, host: HostName | None = None) -> list[WorkerName]:
        """The connected workers, of one host where one is named, in order of their names."""
        return [
            view.worker
            for _, view in sorted(self.workers.items())
            if view.connected and host in (None, view.host)
        ]

    def is_present(self, worker: WorkerName, timing: Timing, now: int) -> bool:
        """Whether a worker is here, or so briefly gone that it is expected back."""
        view = self.workers.get(worker)
        return view is not None and (
            view.connected or now - view.since < seconds(timing.respawn_grace)
        )

    def host_is_lost(self, host: HostName, timing: Timing, now: int) -> bool:
        """Whether nobody of a host has been heard of for the stated time."""
        return all(
            not view.connected and now - view.since >= seconds(timing.lost_host)
            for view in self.workers.values()
            if view.host == host
        )

    def silent_elsewhere(
        self, host: HostName, patience: int, now: int
    ) -> tuple[list[WorkerName], int | None]:
        """The connected workers of other hosts that have said nothing for so long (ns), and when
        the next one will have."""
        far = [v for _, v in sorted(self.workers.items()) if v.connected and v.host != host]
        silent = [view.worker for view in far if now - view.heard >= patience]
        others = [view.heard + patience for view in far if now - view.heard < patience]
        return silent, min(others, default=None)

    def replica(self, slot: SlotName, worker: WorkerName) -> ReplicaReport | None:
        """What a connected worker says of a slot."""
        view = self.workers.get(worker)
        return view.replicas.get(slot) if view is not None and view.connected else None


def _alike(one: WorkerView, other: WorkerView) -> bool:
    return (
        one.connected == other.connected
        and one.since == other.since
        and one.member == other.member
        and one.host == other.host
        and one.report is other.report
        and one.replicas is other.replicas
    )
