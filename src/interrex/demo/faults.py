"""The demo's faults: what is killed, and when, drawn from a seed."""

from enum import StrEnum
from random import Random

import msgspec

from interrex.worker.status import ReplicaStatus, Status

SERVICE = "shop"


class Kind(StrEnum):
    """What is killed together."""

    REPLICA = "a replica"
    WORKER = "a worker"
    LEADER = "the leader"
    BALANCER = "a balancer process"
    LEADER_AND_REPLICA = "leader and replica together"
    TWO_WORKERS = "two workers together"
    ALL_WORKERS = "all workers together"


class Fault(msgspec.Struct, frozen=True):
    """One step of the story.

    ``pause_s``: how long all is quiet before it. ``replica``, ``worker`` and ``balancer`` are draws
    in [0, 1) that pick among whatever is there by then. ``absent_s``: how long nobody supervises,
    where nobody is left to heal (systemd's delay).
    """

    kind: Kind
    pause_s: float
    replica: float
    worker: float
    balancer: float
    absent_s: float


class Part(StrEnum):
    """The kinds of the fleet's processes."""

    WORKER = "worker"
    REPLICA = "replica"
    BALANCER = "balancer"


class Process(msgspec.Struct, frozen=True):
    """One process of the fleet, by its name and what the status says of it."""

    part: Part
    name: str
    pid: int
    leads: bool = False


def schedule(seed: int, pace: float = 1.0) -> tuple[Fault, ...]:
    """The story of a seed: always the same kinds in the same order, at drawn moments.

    Args:
        seed: draws everything.
        pace: all pauses are multiplied by it.
    """
    random = Random(seed)
    return tuple(
        Fault(
            kind,
            pause_s=round(random.uniform(0.8, 2.0) * pace, 3),
            replica=random.random(),
            worker=random.random(),
            balancer=random.random(),
            absent_s=round(random.uniform(0.8, 1.6) * pace, 3),
        )
        for kind in Kind
    )


def processes_of(status: Status) -> dict[str, Process]:
    """Every live process that a status document knows, by name."""
    found = [
        Process(Part.WORKER, worker.name, worker.pid, worker.name == status.leader)
        for worker in status.workers
        if worker.pid is not None
    ]
    for service in status.services.values():
        found += [_process(Part.REPLICA, r) for r in service.replicas if r.pid is not None]
    found += [
        Process(Part.BALANCER, balancer.name, balancer.pid)
        for balancer in status.balancer
        if balancer.pid is not None
    ]
    return {process.name: process for process in found}


def victims(fault: Fault, status: Status) -> tuple[Process, ...]:
    """Whom a fault meets, in a fleet that is whole."""
    processes = list(processes_of(status).values())
    workers = [p for p in processes if p.part is Part.WORKER]
    leader = [p for p in workers if p.leads]
    followers = [p for p in workers if not p.leads]
    replica = _pick([p for p in processes if p.part is Part.REPLICA], fault.replica)
    match fault.kind:
        case Kind.REPLICA:
            return replica
        case Kind.WORKER:
            return _pick(followers, fault.worker)
        case Kind.LEADER:
            return tuple(leader)
        case Kind.BALANCER:
            return _pick([p for p in processes if p.part is Part.BALANCER], fault.balancer)
        case Kind.LEADER_AND_REPLICA:
            return (*leader, *replica)
        case Kind.TWO_WORKERS:
            spared = _pick(workers, fault.worker)
            return tuple(p for p in workers if p not in spared)
        case Kind.ALL_WORKERS:
            return tuple(workers)


def _process(part: Part, replica: ReplicaStatus) -> Process:
    assert replica.pid is not None
    return Process(part, replica.name, replica.pid)


def _pick(choices: list[Process], draw: float) -> tuple[Process, ...]:
    return (choices[int(draw * len(choices))],) if choices else ()
