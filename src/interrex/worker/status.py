"""The status document: what one worker knows of the whole fleet, as a plain typed value.

Its names are a contract: ``status --json`` and ``GET /v1/status`` print exactly this.
"""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from interrex.core.ids import (
    BALANCER,
    HostName,
    ServiceName,
    SlotName,
    WorkerName,
    service_of,
    slot_order,
)
from interrex.core.quorum import majority
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.spec import Expose
from interrex.core.state import ClusterState, Placement, slots_of, workers_of
from interrex.core.time import S, seconds

if TYPE_CHECKING:  # who only reads a document needs no worker's mind: commands start fast
    from interrex.orchestration.fleet import Fleet, WorkerView
    from interrex.worker.worker import Worker


class WorkerStatus(msgspec.Struct, kw_only=True):
    """``state``: leading, following, leaving, silent (for ``silent_worker``), lost or, of a host
    that the file names no more, away; ``heard_s`` seconds ago."""

    name: WorkerName
    host: HostName
    pid: int | None
    state: str
    votes: bool
    heard_s: float


class ReplicaStatus(msgspec.Struct, kw_only=True):
    """``state`` is a ReplicaState; ``unsupervised`` when the worker that had it is gone (its pid is
    the last one reported), ``unknown`` when nobody has reported it yet."""

    name: SlotName
    host: HostName
    pid: int | None
    port: int
    state: str
    worker: WorkerName
    restarts: int
    crash_looping: bool
    reason: str


class ServiceStatus(msgspec.Struct, kw_only=True):
    """``desired`` and ``ready`` count replicas; ``expose`` is where the balancer listens."""

    desired: int
    ready: int
    expose: str | None
    replicas: list[ReplicaStatus]


class BalancerStatus(msgspec.Struct, kw_only=True):
    """One balancer process. ``routes`` is (epoch, version) of the table it follows; one that
    cannot listen for every exposed service is running, not ready, and ``reason`` says why."""

    name: SlotName
    host: HostName
    pid: int | None
    state: str
    worker: WorkerName
    restarts: int
    routes: tuple[int, int] | None
    reason: str = ""


class Status(msgspec.Struct, kw_only=True):
    """A whole cluster.

    ``age_s``: how long ago the oldest part of it was reported; ``source`` the worker that answers,
    ``supervised`` False where no worker lives and the document comes from the files alone.
    ``caution``: what the fleet's election does not promise and people have to know; mostly empty.
    ``hindrance``: why nobody can lead, or who leads can write nothing, and what to do, where the
    worker that answers knows.
    ``remains``: what is still to be stopped on lost hosts, and how many ports are barred meanwhile.
    ``faults``: how often something was wrong on the sockets of the worker that answers, since it
    started: ``peer.bad_frames``, ``api.bad_requests``, ``lead.bad_frames``, ``peer.refused``, ...
    """

    cluster: str
    election: str
    epoch: int
    leader: WorkerName | None
    age_s: float
    source: WorkerName | None
    supervised: bool
    workers: list[WorkerStatus]
    services: dict[ServiceName, ServiceStatus]
    balancer: list[BalancerStatus]
    caution: str = ""
    hindrance: str = ""
    remains: str = ""
    faults: dict[str, int] = {}


def status_of(
    worker: "Worker",
    now: int,
    refusals: Mapping[WorkerName, str] = MappingProxyType({}),
    faults: Mapping[str, int] = MappingProxyType({}),
) -> Status:
    """What a worker knows now (ns), which peers refuse it why, and what its sockets refused; it
    changes nothing."""
    fleet = worker.fleet()
    state = worker.state
    placements = _placements(state, fleet)
    ages = [now - view.heard for view in fleet.workers.values() if view.worker != worker.me]
    return Status(
        cluster=state.spec.name,
        election=state.spec.election,
        epoch=worker.epoch,
        leader=worker.election.leader,
        age_s=_seconds(max(ages, default=0)),
        source=worker.me,
        supervised=True,
        workers=[_worker(worker, fleet, view, now) for _, view in sorted(fleet.workers.items())],
        services={
            name: _service(state, name, [_replica(fleet, one) for one in placements[name]])
            for name in sorted({*state.services, *placements} - {BALANCER})
        },
        balancer=[_balancer(fleet, placement) for placement in placements[BALANCER]],
        caution=worker.election.guarantees.caution,
        hindrance=_hindrance(worker, fleet, refusals, now),
        remains=_remains(state),
        faults=dict(faults),
    )


def _hindrance(
    worker: "Worker", fleet: "Fleet", refusals: Mapping[WorkerName, str], now: int
) -> str:
    if worker.election.leader is not None:
        return worker.obstacles.of_the_election
    told = [f"{peer}: {reason}" for peer, reason in sorted(refusals.items())]
    if told:
        return told[0]
    if worker.obstacles.hindrance:
        return worker.obstacles.hindrance
    return worker.founding.hindrance(fleet, worker.state) or _misses_hosts(worker, now)


def _misses_hosts(worker: "Worker", now: int) -> str:
    """What to do where the cluster may have moved away while this host was off: whom it knows is
    then gone, and nobody else looks for it."""
    known = worker.acquaintances.workers(worker.state)
    patience = seconds(worker.state.spec.timing.lost_host)
    views = worker.peers.fleet(known, ()).workers.values()
    here = {view.worker for view in views if view.connected or now - view.since < patience}
    missed = set(known.values()) - {known.get(name, worker.host) for name in here}
    voters = [member.worker for member in worker.election.members]
    if not missed or len(here.intersection(voters)) >= majority(len(voters)):
        return ""
    return (
        f"not heard for long: host {', '.join(sorted(missed))}; only if the cluster has a leader "
        "on others by now: interrex down --purge here, and, where its file names this host, "
        "interrex up FILE"
    )


def _remains(state: ClusterState) -> str:
    told = []
    if state.evicted:
        hosts = sorted({placement.host for placement in state.evicted})
        stopped = _counted(len(state.evicted), "replica or balancer", "replicas and balancers")
        told.append(f"{stopped} to be stopped once {' and '.join(hosts)} is back, or made anew")
    if state.barred:
        ports = _counted(len(state.barred), "port", "ports")
        told.append(f"{ports} barred to other services until every balancer has confirmed routes")
    return "; ".join(told)


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _worker(worker: "Worker", fleet: "Fleet", view: "WorkerView", now: int) -> WorkerStatus:
    patience = seconds(worker.state.spec.timing.silent_worker)
    silent = view.worker != worker.me and now - view.heard > patience
    if not view.connected:
        named = view.worker in workers_of(worker.state.spec)
        state = "lost" if named else "away"
    elif silent:
        state = "silent"
    elif view.report is not None and view.report.leaving:
        state = "leaving"
    else:
        state = "leading" if view.worker == worker.election.leader else "following"
    return WorkerStatus(
        name=view.worker,
        host=view.host,
        pid=view.report.pid if view.connected and view.report is not None else None,
        state=state,
        votes=view.worker in fleet.members,
        heard_s=0.0 if view.worker == worker.me else _seconds(now - view.heard),
    )


def _placements(state: ClusterState, fleet: "Fleet") -> Mapping[ServiceName, list[Placement]]:
    """Where each service's slots are, by the state; where no change of it is known (a worker that
    has started, and finds no majority or an emptied service), by what the workers supervise."""
    found = defaultdict(list, {name: slots_of(state, name) for name in state.services})
    if state.index == 0:
        slots = [
            Placement(one.slot, view.worker, view.host, one.port, one.generation, one.generation)
            for view in fleet.workers.values()
            for one in view.replicas.values()
            if one.state != ReplicaState.STOPPED and one.slot not in state.placements
        ]
        for placement in sorted(slots, key=lambda one: slot_order(one.slot)):
            found[service_of(placement.slot)].append(placement)
    return found


def _service(
    state: ClusterState, name: ServiceName, replicas: list[ReplicaStatus]
) -> ServiceStatus:
    service = state.services.get(name)
    return ServiceStatus(
        desired=service.spec.replicas if service is not None else 0,
        ready=sum(replica.state == ReplicaState.READY for replica in replicas),
        expose=show_address(service.spec.expose) if service is not None else None,
        replicas=replicas,
    )


def _last_report(fleet: "Fleet", placement: Placement) -> tuple[ReplicaReport | None, str]:
    """What was last said of a slot, and the state to show for it."""
    view = fleet.workers.get(placement.worker)
    report = view.replicas.get(placement.slot) if view is not None else None
    if report is None or view is None:
        return None, "unknown"
    return report, str(report.state) if view.connected else "unsupervised"


def _replica(fleet: "Fleet", placement: Placement) -> ReplicaStatus:
    report, state = _last_report(fleet, placement)
    return ReplicaStatus(
        name=placement.slot,
        host=placement.host,
        pid=report.pid if report is not None else None,
        port=placement.port,
        state=state,
        worker=placement.worker,
        restarts=report.restarts if report is not None else 0,
        crash_looping=report is not None and report.crash_looping,
        reason=report.reason if report is not None else "no worker reports it",
    )


def _balancer(fleet: "Fleet", placement: Placement) -> BalancerStatus:
    report, state = _last_report(fleet, placement)
    view = fleet.workers.get(placement.worker)
    balancers = view.report.balancers if view is not None and view.report is not None else ()
    followed = next((b for b in balancers if b.slot == placement.slot), None)
    reason = report.reason if report is not None else ""
    if state == ReplicaState.READY and followed is not None and followed.left_out:
        state, reason = ReplicaState.RUNNING, followed.left_out
    return BalancerStatus(
        name=placement.slot,
        host=placement.host,
        pid=report.pid if report is not None else None,
        state=state,
        worker=placement.worker,
        restarts=report.restarts if report is not None else 0,
        routes=(followed.epoch, followed.version) if followed is not None else None,
        reason=reason,
    )


def is_ready(status: Status) -> bool:
    """Whether everything that is asked for runs: what ``up --detach`` waits for."""
    return not missing_parts(status)


def missing_parts(status: Status) -> list[str]:
    """What is not (yet) as asked for, a short sentence each."""
    missing = [f"{w.name} is {w.state}" for w in status.workers if w.state in ("lost", "silent")]
    if status.leader is None:
        missing.append(f"no leader: {status.hindrance}" if status.hindrance else "no leader")
    for name, service in status.services.items():
        if service.ready < service.desired:
            reasons = {r.reason for r in service.replicas if r.state != ReplicaState.READY}
            why = "; ".join(sorted(reason for reason in reasons if reason))
            missing.append(
                f"{name}: {service.ready} of {service.desired} ready" + (f" ({why})" if why else "")
            )
    for one in status.balancer:
        if one.state != ReplicaState.READY:
            why = f" ({one.reason})" if one.reason else ""
            missing.append(f"{one.name} is {one.state}{why}")
        elif one.routes is None:
            missing.append(f"{one.name} follows no routes yet")
    if not status.balancer and any(service.expose for service in status.services.values()):
        missing.append("no balancer yet")
    return missing


def show_address(expose: Expose | None) -> str | None:
    """Where a service is exposed, for people."""
    return f"{expose.address}:{expose.port}" if expose is not None else None


def _seconds(duration: int) -> float:
    return round(duration / S, 3)
