"""Replacing and stopping replicas without losing a request: drain, confirm, then act.

A slot that is about to be replaced or stopped is first drained: the routes say so, every
balancer confirms, and its last request ends (or its stop time-out passes). One slot of a service
is replaced at a time, and only while the others are ready.
"""

from collections.abc import Iterator

from interrex.core.ids import BALANCER, ServiceName, SlotName, WorkerName, service_of
from interrex.core.messages import BalancerReport
from interrex.core.replicas import ReplicaState
from interrex.core.state import (
    Advance,
    BarPort,
    ClusterState,
    ForgetEvicted,
    FreePort,
    Operation,
    Outdate,
    Placement,
    Remove,
    port_of,
    slots_of,
)
from interrex.core.time import seconds
from interrex.orchestration.fleet import Fleet

MOST_BARRED = 4096
"""So many ports are barred at a time; beyond that slots wait for the balancers of lost hosts."""


class Confirmation:
    """What the balancers have confirmed of the newest routes, evicted ones included.

    ``everywhere``: every one follows them, those of unreachable hosts too, or has stopped for good.
    ``but_lost``: all do but those of hosts that are lost.
    ``reachable``: those that can be heard do. ``busy``: slots that still have requests.
    """

    def __init__(
        self, state: ClusterState, fleet: Fleet, newest: tuple[int, int], now: int
    ) -> None:
        self.everywhere = True
        self.but_lost = True
        self.reachable = True
        self.busy: set[SlotName] = set()
        placed = slots_of(state, BALANCER)
        evicted = [one for one in state.evicted if service_of(one.slot) == BALANCER]
        for placement in (*placed, *evicted):
            is_placed = placement in placed
            workers = [placement.worker] if is_placed else fleet.connected(placement.host)
            leaves = not placement.wanted or not is_placed
            if leaves and _is_stopped(fleet, placement.slot, workers):
                continue
            heard, followed = _followed(fleet, placement.slot, workers)
            current = (
                followed is not None
                and followed.epoch == newest[0]
                and followed.version >= newest[1]
            )
            self.everywhere &= current
            self.but_lost &= current or fleet.host_is_lost(placement.host, state.spec.timing, now)
            self.reachable &= current or not heard
            if followed is not None:
                self.busy.update(followed.busy)


class Rollout:
    """Remembers which slots drain, and since when; a new leader drains them again."""

    def __init__(self) -> None:
        self._since: dict[SlotName, int] = {}

    @property
    def draining(self) -> set[SlotName]:
        """The slots that get no new requests because their process is about to be replaced."""
        return set(self._since)

    def choose(self, state: ClusterState, fleet: Fleet, now: int) -> None:
        """Start to drain the slots whose turn has come; forget those that need it no more."""
        turns = {
            placement.slot
            for name in state.services
            if (placement := self._next(state, fleet, slots_of(state, name), now)) is not None
        }
        self._since = {slot: self._since.get(slot, now) for slot in sorted(turns)}

    def operations(
        self, state: ClusterState, fleet: Fleet, confirmed: Confirmation, now: int
    ) -> Iterator[Operation]:
        """The next steps of slots that have drained, and of slots that have stopped for good; what
        only a lost side of a merge has asked for is to be replaced."""
        yield from _lost(state, fleet)
        for slot, since in self._since.items():
            timeout = seconds(state.services[service_of(slot)].spec.stop_timeout)
            drained = confirmed.reachable and slot not in confirmed.busy
            fails = _fails(fleet, state.placements[slot])
            if drained or fails or now - since >= timeout:
                yield Advance(slot)
        yield from _forget(state, fleet, confirmed)

    def wake_at(self, state: ClusterState) -> int | None:
        """When the first draining slot is waited for no longer (ns)."""
        return min(
            (
                since + seconds(state.services[service_of(slot)].spec.stop_timeout)
                for slot, since in self._since.items()
                if service_of(slot) in state.services
            ),
            default=None,
        )

    def _next(
        self, state: ClusterState, fleet: Fleet, placements: list[Placement], now: int
    ) -> Placement | None:
        """The one slot of a service to replace now: a failing one first, else the first.

        A ready one waits until all others are ready; so does one whose worker is not heard, as it
        may be ready all the while. A failing one waits until the workers of the others have heard
        what to run: else several that recover meanwhile would be stopped at once, as ready ones.
        Those of lost hosts are not waited for: a balancer's place is there, whether or not it ever
        comes back.
        """
        wanted = [placement for placement in placements if placement.wanted]
        outdated = [p for p in wanted if p.generation < p.target]
        if not outdated:
            return None
        for placement in outdated:
            if placement.slot in self._since:
                return placement
        timing = state.spec.timing
        unheeded = {
            p.slot
            for p in wanted
            if not (_heeded(fleet, p) or fleet.host_is_lost(p.host, timing, now))
        }
        for placement in outdated:
            if _fails(fleet, placement) and unheeded <= {placement.slot}:
                return placement
        return outdated[0] if all(_serves(fleet, p) for p in wanted) else None


def _forget(state: ClusterState, fleet: Fleet, confirmed: Confirmation) -> Iterator[Operation]:
    """The slots that have stopped for good.

    Where all balancers follow routes without them their ports are free, as are those that were
    barred before. Where only those of lost hosts have not said so the slots are forgotten all the
    same, or one machine that never comes back would keep them for ever; their ports are barred.
    """
    if not confirmed.but_lost:
        return
    room = MOST_BARRED - len(state.barred)
    for placement, operation in _stopped(state, fleet):
        if not confirmed.everywhere and service_of(placement.slot) != BALANCER:
            if room <= 0:
                return
            room -= 1
            yield BarPort(port_of(placement))
        yield operation
    if confirmed.everywhere:
        for barred in state.barred:
            yield FreePort(barred)


def _stopped(state: ClusterState, fleet: Fleet) -> Iterator[tuple[Placement, Operation]]:
    """What has stopped for good, with what forgets it."""
    for placement in state.placements.values():
        if not placement.wanted and _is_stopped(fleet, placement.slot, [placement.worker]):
            yield placement, Remove(placement.slot)
    for placement in state.evicted:
        if _is_stopped(fleet, placement.slot, fleet.connected(placement.host)):
            yield placement, ForgetEvicted(placement.slot, placement.host)


def _lost(state: ClusterState, fleet: Fleet) -> Iterator[Operation]:
    """Services of which something runs in a later generation than any that was asked for."""
    newest: dict[ServiceName, int] = {}
    for placement in state.placements.values():
        report = fleet.replica(placement.slot, placement.worker)
        if report is not None and report.state is ReplicaState.READY:
            service = service_of(placement.slot)
            if report.generation > newest.get(service, state.services[service].generation):
                newest[service] = report.generation
    for service, generation in newest.items():
        yield Outdate(service, generation)


def _heeded(fleet: Fleet, placement: Placement) -> bool:
    """Whether its worker has heard which generation to run, or runs a later one that a side of a
    merge was told of whose changes were lost. One of an earlier version does not say."""
    report = fleet.replica(placement.slot, placement.worker)
    if report is None or report.asked is None:
        return report is not None
    return max(report.asked, report.generation) >= placement.generation


def _serves(fleet: Fleet, placement: Placement) -> bool:
    """Ready, and as its worker was last told to run it, or later as above."""
    report = fleet.replica(placement.slot, placement.worker)
    return (
        report is not None
        and report.state is ReplicaState.READY
        and report.generation >= placement.generation
    )


def _fails(fleet: Fleet, placement: Placement) -> bool:
    """Said to be not ready by its worker, which has looked: nothing is lost by replacing it."""
    report = fleet.replica(placement.slot, placement.worker)
    return report is not None and report.state is not ReplicaState.READY and not report.unproven


def _is_stopped(fleet: Fleet, slot: SlotName, workers: list[WorkerName]) -> bool:
    """Whether one of these workers says so."""
    reports = (fleet.replica(slot, worker) for worker in workers)
    return any(report and report.state is ReplicaState.STOPPED for report in reports)


def _followed(
    fleet: Fleet, slot: SlotName, workers: list[WorkerName]
) -> tuple[bool, BalancerReport | None]:
    """Whether one of these workers is heard, and what a balancer follows by what they say."""
    views = [view for worker in workers if (view := fleet.workers.get(worker)) and view.connected]
    reports = [view.report for view in views if view.report is not None]
    told = (one for report in reports for one in report.balancers if one.slot == slot)
    return bool(reports), next(told, None)
