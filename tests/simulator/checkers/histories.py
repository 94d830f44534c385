"""Hand-made observations, and how a checker is shown them.

A history is a list of steps and occurrences; ``accepts`` and ``refuses`` show it to one watch. A
worker's first life has its number: ``worker-2`` lives life 2, unless told.
"""

from typing import Any, cast

import msgspec
import pytest

from interrex.core.ids import ChangeId, HostName, ServiceName, SlotName, WorkerName
from interrex.core.messages import ElectionMail
from interrex.core.spec import ClusterSpec, ServiceSpec
from interrex.core.state import ClusterState, genesis
from interrex.core.storage import Record, Stored
from interrex.core.time import MS
from interrex.elections.interface import Member, Persist
from interrex.elections.raft import messages
from interrex.simulator.checkers.raft_watch import RaftChecker, RaftWatch
from interrex.simulator.checkers.watch import Panel, Watch
from interrex.simulator.observation import (
    Cause,
    DiskWritten,
    Healed,
    Occurrence,
    ProcessBegan,
    ProcessEnded,
    Step,
    Violation,
    WorkerBegan,
    WorkerEnded,
)
from interrex.worker.interface import Send, WakeUp, WorkerEffect, WorkerEvent
from interrex.worker.worker import Worker

Told = Step | Occurrence
HOST = HostName("local")
WEB = ServiceName("web")
WEB_0 = SlotName("web.0")
WEB_1 = SlotName("web.1")
BALANCER_0 = SlotName("balancer.0")


def service(replicas: int = 2, **more: Any) -> ServiceSpec:
    return ServiceSpec(name=WEB, command=("serve",), replicas=replicas, **more)


def cluster(replicas: int = 2, **more: Any) -> ClusterSpec:
    return ClusterSpec(name="shop", services={WEB: service(replicas, **more)})


def state(
    index: int = 0, applied: dict[str, int] | None = None, spec: ClusterSpec | None = None
) -> ClusterState:
    made = genesis(spec or cluster())
    made.index = index
    made.applied = {ChangeId(name): at for name, at in (applied or {}).items()}
    return made


class Election(msgspec.Struct):
    """What a checker may read of an election."""

    leading: bool = False
    leader: str | None = None
    epoch: int = 0
    deadline: int | None = None
    wake_at: int | None = None
    members: tuple[Member, ...] = tuple(
        Member(WorkerName(f"worker-{number}"), number, 0) for number in (1, 2, 3)
    )


class Core(msgspec.Struct):
    """What a checker may read of a worker."""

    state: ClusterState = msgspec.field(default_factory=state)
    election: Election = msgspec.field(default_factory=Election)
    leaving: bool = False


def number_of(worker: str) -> int:
    return int(worker.rpartition("-")[2])


def step(
    worker: str,
    *effects: WorkerEffect,
    event: WorkerEvent | None = None,
    now: int = 0,
    life: int = 0,
    core: Core | None = None,
) -> Step:
    return Step(
        at=now,
        now=now,
        worker=WorkerName(worker),
        life=life or number_of(worker),
        event=event if event is not None else WakeUp(),
        effects=list(effects),
        core=cast(Worker, core or Core()),
    )


def began(
    worker: str, life: int = 0, member: int = 0, stored: Stored | None = None, host: str = HOST
) -> WorkerBegan:
    number = number_of(worker)
    return WorkerBegan(
        WorkerName(worker), life or number, HostName(host), member or number, stored or Stored()
    )


def ended(worker: str, life: int = 0) -> WorkerEnded:
    return WorkerEnded(WorkerName(worker), life or number_of(worker), Cause.FAULT, "killed")


def written(worker: str, *records: Record, life: int = 0, token: int = 1) -> DiskWritten:
    return DiskWritten(WorkerName(worker), life or number_of(worker), token, records)


def handed_out(worker: str, *records: Record, life: int = 0) -> Step:
    return step(worker, Persist(1, records), life=life)


def mail(
    worker: str, *sent: messages.Message, now: int = 0, life: int = 0, core: Core | None = None
) -> Step:
    effects = [
        Send(WorkerName(f"worker-{message.target}"), ElectionMail(messages.encode(message)))
        for message in sent
    ]
    return step(worker, *effects, now=now, life=life, core=core)


def process(
    slot: SlotName = WEB_0, pid: int = 100, incarnation: int = 1, host: str = HOST, port: int = 21
) -> ProcessBegan:
    by = WorkerName("worker-1")
    return ProcessBegan(HostName(host), slot, incarnation, pid, port, 1, by)


def process_ended(
    cause: Cause,
    slot: SlotName = WEB_0,
    pid: int = 100,
    incarnation: int = 1,
    by: str | None = None,
    host: str = HOST,
) -> ProcessEnded:
    who = WorkerName(by) if by is not None else None
    return ProcessEnded(HostName(host), slot, incarnation, pid, cause, who)


def show(watch: Watch | RaftChecker, history: list[Told], every: int = MS) -> None:
    """Tell a watch a history, one item a millisecond or so often (ns), and the end."""
    panel = Panel([watch if isinstance(watch, Watch) else RaftWatch([watch])])
    for position, told in enumerate(history):
        at = position * every
        if isinstance(told, Step):
            told.at = at
            panel.step(told)
        else:
            panel.occurred(at, told)
    panel.finish(len(history) * every)


def refuses(watch: Watch | RaftChecker, history: list[Told], words: str, every: int = MS) -> None:
    """The violation names its promise and says what was seen."""
    with pytest.raises(Violation, match=words) as caught:
        show(watch, history, every)
    assert caught.value.promise == watch.promise


def three(*members: int) -> list[Told]:
    """Three workers that begin with empty disks."""
    return [began(f"worker-{number}") for number in members or (1, 2, 3)]


def healed(*told: Told) -> list[Told]:
    return [*told, Healed()]
