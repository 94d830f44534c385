"""The leader's mind: brings what is reported nearer to what is asked for, step by step.

It is level-triggered: each ``step`` looks at the whole state and the whole fleet, so a new leader
needs nothing of its predecessor's memory, and a lost message is made good by the next look.
Nothing here acts: it proposes changes to the replicated state and gives commands that carry its
epoch; whoever has seen a newer epoch refuses them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from interrex.core.ids import ChangeId, HostName, WorkerName
from interrex.core.messages import (
    Assignment,
    Command,
    Dismiss,
    KillWorker,
    LaunchWorker,
    Routes,
)
from interrex.core.quorum import MAX_VOTERS
from interrex.core.replicas import SlotAssignment
from interrex.core.routes import RouteTable, ServiceRoute
from interrex.core.state import (
    Change,
    ClusterState,
    ForgetWorker,
    Operation,
    workers_of,
)
from interrex.core.time import MS, S, earliest, is_due, seconds
from interrex.orchestration.assignments import slots_for
from interrex.orchestration.fleet import Fleet
from interrex.orchestration.healing import Healer, Remedy
from interrex.orchestration.placement import SETTLED, Placer
from interrex.orchestration.rollout import Confirmation, Rollout
from interrex.orchestration.routing import service_routes
from interrex.orchestration.withdrawing import Withdrawing

MOST_OPERATIONS = 1000
"""So many operations go into one change, which must not be too long; the rest into the next."""

BAD_PORT_MEMORY = 600 * S
"""How long (ns) a port that a stranger was found on is not tried again."""

DISMISSED = 100 * MS
"""How long (ns) a dismissed worker is gone before it is taken to have ended: one that lives and has
lost its connection alone is back sooner, and other workers start it again later than that."""


class ProposeChange(msgspec.Struct, frozen=True):
    """Append this change to the replicated state."""

    change: Change


class Give(msgspec.Struct, frozen=True):
    """Give a command to a worker (possibly to the leader itself, by the same gate)."""

    worker: WorkerName
    command: Command


class GrantVote(msgspec.Struct, frozen=True):
    """Let a worker vote under this identity (None: no longer)."""

    worker: WorkerName
    member: int | None


LeaderEffect = ProposeChange | Give | GrantVote


class _Sight(NamedTuple):
    """What a look at everything depends on, besides the time."""

    state: ClusterState
    at: int
    fleet: Fleet


class Leader:
    """One leadership: made when it begins, dropped when it ends.

    Args:
        me: the worker that leads; ``host`` where it runs.
        epoch: of the leadership.
        state: the replicated state, for its times.
        issued: how many commands and changes were already given under this epoch. A leader that
            could not reach a majority for a moment may lead on in the same epoch: its numbers
            go on, or its commands would be taken for old ones and its changes for repeated ones.
    """

    def __init__(
        self, me: WorkerName, host: HostName, epoch: int, state: ClusterState, issued: int = 0
    ) -> None:
        self._me = me
        self._host = host
        self.epoch = epoch
        self._healer = Healer(me, state.spec.timing)
        self._rollout = Rollout()
        self._withdrawing = Withdrawing(host)
        self._proposed: ChangeId | None = None
        self.issued = issued
        self._granting: WorkerName | None = None
        self._assigned: dict[WorkerName, tuple[SlotAssignment, ...]] = {}
        self._routes: dict[HostName, tuple[ServiceRoute, ...]] = {}
        self._routes_sent: dict[WorkerName, int] = {}
        self._routes_version = 0
        self._bad_ports: dict[tuple[HostName, int], int] = {}
        self._dismissed: set[WorkerName] = set()
        self._in_order: _Sight | None = None
        """What there was to see at the last look, if nothing was to be done about it."""
        self._due_at: int | None = None
        self._wake_at: int | None = None

    @property
    def wake_at(self) -> int | None:
        """When to look again (ns) if nothing happens before."""
        return self._wake_at

    @property
    def settled(self) -> bool:
        """Whether nothing that was proposed is still open."""
        return self._proposed is None and self._granting is None

    def proposal_settled(self, change: ChangeId) -> bool:
        """A change is applied, or was lost. Returns whether this leader asked for it: plan anew."""
        proposed = change == self._proposed
        granting = self._granting is not None and change == vote_change(self.epoch, self._granting)
        if proposed:
            self._proposed = None
        if granting:
            self._granting = None
        if proposed or granting:
            self._in_order = None
        return proposed or granting

    def worker_lost(self, worker: WorkerName) -> None:
        """A connection ended: whatever was sent there may not have arrived."""
        self._in_order = None
        self._assigned.pop(worker, None)
        self._routes_sent.pop(worker, None)

    def missed(self, lost: int, now: int) -> None:
        """This worker did not run for so long (ns) just now."""
        self._withdrawing.missed(lost, now)

    def step(self, state: ClusterState, fleet: Fleet, now: int) -> list[LeaderEffect]:
        """Look at everything once, or see that nothing has changed since all was in order.

        Args:
            state: the replicated state, with everything applied that is known to be agreed.
            fleet: who is connected and what they report.
            now: ns.
        """
        self._healer.retime(state.spec.timing)
        if self._is_in_order(state, fleet, now):
            effects: list[LeaderEffect] = [*self._heal(fleet, now)]
        else:
            effects = self._look(state, fleet, now)
            self._in_order = None if effects else _Sight(state, state.index, fleet)
            self._due_at = earliest(
                self._rollout.wake_at(state),
                self._withdrawing.wake_at(fleet, now),
                self._next_deadline(state, fleet, now),
            )
        self._wake_at = earliest(self._healer.wake_at, self._due_at)
        return effects

    def _is_in_order(self, state: ClusterState, fleet: Fleet, now: int) -> bool:
        """Whether a look would find what the last one found, which was nothing to do. Healing is
        always looked at: it alone depends on when each worker was heard."""
        seen = self._in_order
        return (
            seen is not None
            and not is_due(self._due_at, now)
            and seen.state is state
            and seen.at == state.index
            and fleet.looks_like(seen.fleet)
        )

    def _look(self, state: ClusterState, fleet: Fleet, now: int) -> list[LeaderEffect]:
        self._learn_bad_ports(state, fleet, now)
        self._rollout.choose(state, fleet, now)
        effects: list[LeaderEffect] = [*self._route(state, fleet)]
        effects += self._heal(fleet, now)
        effects += self._assign(state, fleet)
        leavers = self._leavers(state)
        self._withdrawing.look(leavers, now)
        effects += self._propose(state, fleet, leavers, now)
        effects += self._grant(state, fleet, leavers)
        return effects

    def _learn_bad_ports(self, state: ClusterState, fleet: Fleet, now: int) -> None:
        for view in fleet.workers.values():
            for slot, report in view.replicas.items() if view.connected else ():
                placement = state.placements.get(slot) if report.port_taken else None
                if placement is None or placement.worker != view.worker:
                    continue
                if report.port == placement.port:
                    self._bad_ports[placement.host, placement.port] = now + BAD_PORT_MEMORY
        for bad in [bad for bad, until in self._bad_ports.items() if until <= now]:
            del self._bad_ports[bad]

    def _route(self, state: ClusterState, fleet: Fleet) -> Iterator[Give]:
        """New routes to every worker of a host whose routes have changed, or that is new."""
        draining = self._rollout.draining
        for host in sorted(set(state.workers.values())):
            routes = service_routes(state, fleet, draining, host)
            if routes != self._routes.get(host):
                self._routes[host] = routes
                self.issued += 1
                self._routes_version = self.issued
                self._routes_sent = {}
        for worker in fleet.connected():
            if self._routes_sent.get(worker) == self._routes_version:
                continue
            self._routes_sent[worker] = self._routes_version
            services = self._routes.get(fleet.workers[worker].host, ())
            yield Give(worker, Routes(RouteTable(self.epoch, self._routes_version, services)))

    def _assign(self, state: ClusterState, fleet: Fleet) -> Iterator[Give]:
        """Whoever has not said what it holds is told nothing yet: what a lost side of a merge has
        placed there it would let go of unseen."""
        for worker in fleet.connected():
            if fleet.workers[worker].report is None:
                continue
            slots = slots_for(state, fleet, worker)
            if slots != self._assigned.get(worker):
                self._assigned[worker] = slots
                self.issued += 1
                yield Give(worker, Assignment(self.epoch, self.issued, slots))

    def _heal(self, fleet: Fleet, now: int) -> Iterator[Give]:
        for worker, remedy in self._healer.remedies(fleet, None, leading=True, now=now):
            helper = self._helper(fleet, worker)
            if helper is None or (remedy is Remedy.LAUNCH and worker in self._dismissed):
                continue
            if remedy is Remedy.LAUNCH:
                yield Give(helper, LaunchWorker(self.epoch, worker))
            else:
                yield Give(helper, KillWorker(self.epoch, worker))

    def _helper(self, fleet: Fleet, worker: WorkerName) -> WorkerName | None:
        """Who can reach a worker's process: the leader itself on its host, else a neighbour."""
        host = fleet.workers[worker].host
        if host == self._host:
            return self._me
        others = [name for name in fleet.connected(host) if name != worker]
        return others[0] if others else None

    def _propose(
        self, state: ClusterState, fleet: Fleet, leavers: list[WorkerName], now: int
    ) -> Iterator[LeaderEffect]:
        if self._proposed is not None:
            return
        confirmed = Confirmation(state, fleet, (self.epoch, self._routes_version), now)
        operations: list[Operation] = [
            *Placer(state, fleet, set(self._bad_ports), now).operations(),
            *self._rollout.operations(state, fleet, confirmed, now),
            *self._forget_workers(state, fleet, leavers, now),
        ]
        if not operations:
            return
        self.issued += 1
        self._proposed = ChangeId(f"leader-{self.epoch}-{self.issued}")
        operations = operations[:MOST_OPERATIONS]
        yield ProposeChange(Change(self._proposed, self.epoch, tuple(operations)))

    def _forget_workers(
        self, state: ClusterState, fleet: Fleet, leavers: list[WorkerName], now: int
    ) -> Iterator[Operation]:
        """Those that have ended. Whoever is forgotten while it lives is refused by all the others
        from then on: it would never learn of it, and keep what it holds."""
        self._dismissed.intersection_update(leavers)
        for worker in _dismissible(state, leavers):
            view = fleet.workers[worker]
            gone = not view.connected and now - view.since >= self._patience(state, worker)
            if gone and worker not in fleet.members:
                yield ForgetWorker(worker)

    def _patience(self, state: ClusterState, worker: WorkerName) -> int:
        """How long (ns) a worker that holds nothing must be gone to be forgotten. Until then it is
        started again where it can be, so that it can be dismissed."""
        return DISMISSED if worker in self._dismissed else seconds(state.spec.timing.lost_host)

    def _leavers(self, state: ClusterState) -> list[WorkerName]:
        """Workers that the file asks for no longer and that hold nothing any more, as far as the
        state is asked: they vote no more."""
        holding = {placement.worker for placement in state.placements.values()}
        asked_for = workers_of(state.spec)
        return [w for w in sorted(state.workers) if w not in asked_for and w not in holding]

    def _grant(
        self, state: ClusterState, fleet: Fleet, leavers: list[WorkerName]
    ) -> Iterator[LeaderEffect]:
        """One change of the voters at a time: a worker under a new identity, or one that leaves.

        Whoever leaves is dismissed once that is agreed on, this worker above all: of two voters the
        other one could agree on nothing without it.
        """
        for worker in _dismissible(state, leavers):
            view = fleet.workers.get(worker)
            votes = worker in fleet.members or worker == self._granting
            if not votes and view is not None and view.connected:
                self._dismissed.add(worker)
                yield Give(worker, Dismiss(self.epoch))
        if self._granting is not None:
            return
        for worker, view in sorted(fleet.workers.items()):
            if worker in leavers:
                if not self._withdrawing.may(fleet, worker):
                    continue
                wanted = None
            elif worker not in fleet.members and len(fleet.members) >= MAX_VOTERS:
                continue  # those that leave make room first
            elif view.connected and view.member is not None:
                wanted = view.member
            else:
                continue
            if fleet.members.get(worker) != wanted:
                self._granting = worker
                yield GrantVote(worker, wanted)
                return

    def _next_deadline(self, state: ClusterState, fleet: Fleet, now: int) -> int | None:
        """When a lost worker's grace, a lost host's time, a new worker's settling, or the memory
        of a stranger's port ends."""
        timing = state.spec.timing
        deadlines = [
            view.since + round(length * S)
            for view in fleet.workers.values()
            for length in (
                (SETTLED / S,) if view.connected else (timing.respawn_grace, timing.lost_host)
            )
        ]
        deadlines += [fleet.workers[worker].since + DISMISSED for worker in self._dismissed]
        deadlines += self._bad_ports.values()
        return min((deadline for deadline in deadlines if deadline > now), default=None)


def _dismissible(state: ClusterState, leavers: list[WorkerName]) -> list[WorkerName]:
    """Those on whose host nothing is to be stopped any more: who comes back there does that, and a
    stranger could not."""
    unfinished = {placement.host for placement in state.evicted}
    return [worker for worker in leavers if state.workers[worker] not in unfinished]


def vote_change(epoch: int, worker: WorkerName) -> ChangeId:
    """The id under which a leader asks for a change of one worker's vote."""
    return ChangeId(f"vote-{epoch}-{worker}")
