"""What this worker knows of the others: connections, when they were heard, what they report."""

from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Report
from interrex.core.quorum import majority
from interrex.core.replicas import ReplicaReport
from interrex.core.spec import Timing
from interrex.core.time import seconds
from interrex.elections.interface import Member
from interrex.orchestration.fleet import Fleet, WorkerView

PULSE_SHARE = 4
"""A worker says something at least this often within the time after which it counts as silent."""


def pulse(timing: Timing) -> int:
    """How often (ns) a worker says something."""
    return seconds(timing.silent_worker) // PULSE_SHARE


class News(Enum):
    """What a report says that the one before did not."""

    NONE = auto()
    """It was heard already, or its sender is not connected."""
    BALANCERS = auto()
    """Only what balancers follow: it matters to nobody but the leader."""
    REPLICAS = auto()


class Peers:
    """Keeps one view of each peer, and puts them together with the state's workers on demand.

    Args:
        me: this worker; its own view is always connected.
        now: ns; peers that were never seen count as gone since then.
    """

    def __init__(self, me: WorkerName, host: HostName, member: int, now: int) -> None:
        self._me = me
        self._began = now
        self._views = {me: WorkerView(me, host, True, now, now, member)}
        self._heard: dict[WorkerName, int] = {}

    def joined(self, peer: WorkerName, host: HostName, member: int, now: int) -> None:
        self._views[peer] = WorkerView(peer, host, True, now, now, member)
        self._heard[peer] = now

    def left(self, peer: WorkerName, now: int) -> bool:
        """Returns whether the peer was connected until now."""
        view = self._views.get(peer)
        if view is None or not view.connected:
            return False
        self._views[peer] = msgspec.structs.replace(view, connected=False, since=now)
        return True

    def heard(self, peer: WorkerName, now: int) -> None:
        self._heard[peer] = now

    def forgive_silence(self, now: int) -> None:
        """This worker itself was stopped or starved: what the others said meanwhile may still
        lie in its sockets, so nobody's silence counts yet."""
        self._heard = dict.fromkeys(self._heard, now)

    def forgive_absence(self, lost: int, now: int) -> None:
        """This worker was not running for so long (ns) just now: that is nobody's silence. Many
        short absences so weigh as much as a long one."""
        self._heard = {peer: min(heard + lost, now) for peer, heard in self._heard.items()}

    def reported(self, peer: WorkerName, report: Report) -> News:
        """Takes a report; returns what is new in it."""
        view = self._views.get(peer)
        if view is None or not view.connected:
            return News.NONE
        known = view.report
        if known is not None and known.version >= report.version:
            return News.NONE
        if known is not None and _differ_in_balancers_alone(known, report):
            self._views[peer] = msgspec.structs.replace(view, report=report)
            return News.BALANCERS
        replicas = {replica.slot: replica for replica in report.replicas}
        self._views[peer] = msgspec.structs.replace(view, report=report, replicas=replicas)
        return News.REPLICAS

    def is_connected(self, peer: WorkerName) -> bool:
        view = self._views.get(peer)
        return view is not None and view.connected

    def connected(self) -> list[WorkerName]:
        """The peers that can be sent to, in order of their names."""
        return sorted(peer for peer, v in self._views.items() if v.connected and peer != self._me)

    def disk_is_full(self, peer: WorkerName) -> bool:
        """Whether a worker said so last."""
        view = self._views.get(peer)
        report = view.report if view is not None and view.connected else None
        return report is not None and report.disk_full

    def obstacle_of(self, peer: WorkerName) -> str:
        """What a worker's election meets, as it said last."""
        view = self._views.get(peer)
        report = view.report if view is not None and view.connected else None
        return "" if report is None else report.obstacle

    def full_disks(self, members: tuple[Member, ...]) -> list[WorkerName]:
        """The voters whose full disks keep the others from a majority; empty while they do not."""
        voters = [member.worker for member in members]
        full = [worker for worker in voters if self.disk_is_full(worker)]
        able = [w for w in voters if w not in full and self.is_connected(w)]
        return full if len(able) < majority(len(voters)) else []

    def reports(self, host: HostName) -> list[Report]:
        """The reports of the connected workers of a host, this one's included."""
        return [
            view.report
            for _, view in sorted(self._views.items())
            if view.host == host and view.connected and view.report is not None
        ]

    def replicas_elsewhere(self) -> tuple[ReplicaReport, ...]:
        """The replicas that the other connected workers report."""
        return tuple(
            replica
            for peer, view in sorted(self._views.items())
            if peer != self._me and view.connected and view.report is not None
            for replica in view.report.replicas
        )

    def fleet(self, known: Mapping[WorkerName, HostName], members: tuple[Member, ...]) -> Fleet:
        """Everybody who is known, seen from here."""
        workers = {}
        for worker, host in known.items():
            view = self._views.get(worker)
            if view is None:
                view = WorkerView(worker, host, False, self._began, self._began)
            heard = self._heard.get(worker, view.since)
            workers[worker] = msgspec.structs.replace(view, heard=max(heard, view.since))
        workers.setdefault(self._me, self._views[self._me])
        return Fleet(self._me, workers, {member.worker: member.member for member in members})


def _differ_in_balancers_alone(one: Report, other: Report) -> bool:
    return (
        one.replicas == other.replicas
        and one.leaving == other.leaving
        and one.disk_full == other.disk_full
    )
