"""Which routes the balancers that this worker supervises follow.

The leader's table says what is asked for; this host's own workers know first which of their
replicas are ready. Both are merged, and whatever differs from what a balancer last followed is
sent to it. Without a leader the last table goes on, with the host's own view merged in.
"""

from collections.abc import Callable

import msgspec

from interrex.balancer.routes import merge
from interrex.core.ids import BALANCER, SlotName, service_of
from interrex.core.journal import Note
from interrex.core.messages import BalancerReport, Report
from interrex.core.replicas import MAX_REASON_BYTES, ReplicaReport, ReplicaState
from interrex.core.routes import EndpointState, RouteTable
from interrex.core.time import MS, S
from interrex.supervision.words import shortened
from interrex.worker.interface import FollowRoutes, RoutesFollowed

BUSY_POLL = 100 * MS
"""How often (ns) a balancer is asked whether a draining slot still has requests."""
RETRY_AFTER = 1 * S
"""How soon (ns) a balancer that did not follow is told again: at once where it has become ready."""

_ALIVE = (
    ReplicaState.STARTING,
    ReplicaState.RUNNING,
    ReplicaState.READY,
    ReplicaState.STOPPING,
)
"""Here a process may send requests by what it was told before: its file alone proves nothing."""
NO_PROCESS = -1
"""The incarnation of a balancer that has none: its file is kept current all the same."""


class _Following(msgspec.Struct):
    """One balancer: what it was last told (``pending`` until it has answered) and what it
    answered. ``ready``: whether it was when it was last looked at."""

    incarnation: int
    ready: bool = False
    told: RouteTable | None = None
    pending: bool = False
    again_at: int | None = None
    report: BalancerReport | None = None
    left_out: str = ""


class Balancers:
    """The balancers supervised here, by slot.

    Args:
        changed: called when ``reports`` have changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._table: RouteTable | None = None
        self._merged: tuple[tuple[RouteTable, list[Report]], RouteTable] | None = None
        """What was merged last, and what it made."""
        self._following: dict[SlotName, _Following] = {}

    @property
    def wake_at(self) -> int | None:
        """When a balancer is to be told or asked again (ns)."""
        found: int | None = None
        for following in self._following.values():
            again_at = following.again_at
            if again_at is not None and (found is None or again_at < found):
                found = again_at
        return found

    @property
    def reports(self) -> tuple[BalancerReport, ...]:
        """What each balancer follows."""
        return tuple(
            following.report
            for _, following in sorted(self._following.items())
            if following.report is not None
        )

    def command(self, table: RouteTable) -> None:
        """The leader's newest table, let in by the epoch gate."""
        self._table = table

    def tell(
        self, own: tuple[ReplicaReport, ...], host_reports: list[Report], now: int
    ) -> list[FollowRoutes]:
        """What the balancers must be told now.

        Args:
            own: the replicas that this worker supervises, the balancers among them.
            host_reports: what this host's connected workers report.
            now: ns.
        """
        balancers = {
            r.slot: r
            for r in own
            if service_of(r.slot) == BALANCER and r.state is not ReplicaState.CLAIMING
        }
        self._following = {
            slot: following for slot, following in self._following.items() if slot in balancers
        }
        if self._table is None or not balancers:
            return []
        table = self._merge(self._table, host_reports)
        told = []
        for slot, report in sorted(balancers.items()):
            following = self._following.setdefault(slot, _Following(NO_PROCESS))
            running = report.incarnation if report.state in _ALIVE else NO_PROCESS
            ready = report.state is ReplicaState.READY
            risen, following.ready = ready and not following.ready, ready
            again_at = following.again_at
            due = again_at is not None and (now >= again_at or risen)
            renewed = running != following.incarnation
            if following.pending and not renewed:
                continue
            if renewed or following.told != table or due:
                if renewed and running != NO_PROCESS and following.report is not None:
                    following.report = None  # its file was confirmed, not yet the process
                    self._changed()
                following.incarnation = running
                following.told, following.pending, following.again_at = table, True, None
                told.append(FollowRoutes(slot, running, table))
        return told

    def _merge(self, table: RouteTable, host_reports: list[Report]) -> RouteTable:
        parts = (table, host_reports)
        if self._merged is None or self._merged[0] != parts:
            views = [replica for report in host_reports for replica in report.replicas]
            self._merged = parts, merge(table, views)
        return self._merged[1]

    def notes(self, event: RoutesFollowed) -> list[Note]:
        """What is new about services that a balancer cannot listen for; before ``followed``."""
        following = self._following.get(event.slot)
        if following is None or event.problem or event.incarnation == NO_PROCESS:
            return []
        if event.left_out == following.left_out:
            return []
        following.left_out = event.left_out
        text = event.left_out or "every exposed port is open again"
        return [Note(kind="balancer.ports", text=text, slot=event.slot)]

    def followed(self, event: RoutesFollowed, now: int) -> None:
        """A balancer has answered."""
        following = self._following.get(event.slot)
        if following is None or event.incarnation != following.incarnation:
            return
        following.pending = False
        if event.problem:
            following.again_at = now + RETRY_AFTER
            return
        draining = any(
            endpoint.state is EndpointState.DRAIN
            for route in event.table.services
            for endpoint in route.endpoints
        )
        if draining and event.busy:
            following.again_at = now + BUSY_POLL
        elif event.left_out:  # not even listened for, so nothing is sent to these: all is followed
            following.again_at = now + RETRY_AFTER
        before = following.report
        left_out = shortened(event.left_out, MAX_REASON_BYTES)
        following.report = BalancerReport(
            event.slot, event.table.epoch, event.table.version, event.busy, left_out
        )
        if following.report != before:
            self._changed()
