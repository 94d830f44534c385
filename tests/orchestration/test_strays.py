"""What runs on a host and stands nowhere in the state is stopped: a losing side had placed it."""

import msgspec

from interrex.core.ids import ChangeId, HostName, ServiceName, SlotName, WorkerName
from interrex.core.messages import Assignment, Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.spec import ClusterSpec, HostSpec, ServiceSpec
from interrex.core.state import (
    Change,
    ClusterState,
    Evict,
    Place,
    Placement,
    Retire,
    apply,
    genesis,
)
from interrex.orchestration.assignments import slots_for
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.leader import Give, Leader

A, B = HostName("a"), HostName("b")
MINE = WorkerName("a-1")
SLOT = SlotName("web.0")


def state(*operations: Place | Evict | Retire) -> ClusterState:
    hosts = (HostSpec(name=A, workers=2), HostSpec(name=B))
    web = ServiceSpec(name=ServiceName("web"), command=("web",), stop_timeout=3.0)
    made = genesis(ClusterSpec(name="shop", hosts=hosts, services={web.name: web}))
    apply(made, Change(ChangeId("c"), 1, tuple(operations)), 1)
    return made


def fleet(report: ReplicaReport, connected: bool = True) -> Fleet:
    views = {
        MINE: WorkerView(MINE, A, connected, 0, 0, replicas={report.slot: report}),
        WorkerName("a-2"): WorkerView(WorkerName("a-2"), A, True, 0, 0),
        WorkerName("b-1"): WorkerView(WorkerName("b-1"), B, True, 0, 0),
    }
    return Fleet(WorkerName("b-1"), views, {})


def replica(state: ReplicaState = ReplicaState.READY, slot: SlotName = SLOT) -> ReplicaReport:
    return ReplicaReport(slot, state, 4, 21000, 7, 1, 0, False, "", 0)


def place(worker: str, host: HostName) -> Place:
    return Place(Placement(SLOT, WorkerName(worker), host, 21000, 1, 1))


def test_a_replica_that_is_placed_on_another_host_is_stopped_where_it_should_not_be() -> None:
    (stop,) = slots_for(state(place("b-1", B)), fleet(replica()), MINE)
    assert (stop.slot, stop.wanted, stop.port, stop.generation) == (SLOT, False, 21000, 4)
    assert stop.spec.stop_timeout == 3.0


def test_a_replica_of_a_service_that_nobody_knows_is_stopped() -> None:
    (stop,) = slots_for(state(), fleet(replica(slot=SlotName("lost.0"))), MINE)
    assert (stop.slot, stop.wanted, stop.spec.name) == ("lost.0", False, "lost")


def test_a_replica_that_another_worker_of_the_host_is_to_have_is_let_go_alive() -> None:
    assert slots_for(state(place("a-2", A)), fleet(replica()), MINE) == ()


def test_a_replica_that_nobody_wants_is_stopped_by_whoever_of_the_host_has_it() -> None:
    """Found by the simulator: the one that was to stop it had stopped it already when a lost side
    of a merge started it again, and it ran on, let go of."""
    retired = state(place("a-2", A), Retire(SLOT))
    (stop,) = slots_for(retired, fleet(replica()), MINE)
    assert (stop.slot, stop.wanted, stop.port, stop.generation) == (SLOT, False, 21000, 4)
    evicted = state(place("a-2", A), Evict(SLOT), place("b-1", B))
    (stop,) = slots_for(evicted, fleet(replica()), MINE)
    assert (stop.slot, stop.wanted) == (SLOT, False)


def test_what_is_stopped_is_forgotten() -> None:
    assert slots_for(state(), fleet(replica(ReplicaState.STOPPED)), MINE) == ()


def test_an_evicted_replica_is_stopped_once() -> None:
    moved = state(place("a-1", A), Evict(SLOT), place("b-1", B))
    (stop,) = slots_for(moved, fleet(replica()), MINE)
    assert not stop.wanted
    assert msgspec.structs.replace(stop, generation=4).port == 21000


def assigned(seen: Fleet) -> list[WorkerName]:
    """Whom a leader that has just begun tells what to supervise."""
    effects = Leader(WorkerName("b-1"), B, 1, state()).step(state(), seen, 0)
    gives = [effect for effect in effects if isinstance(effect, Give)]
    return [give.worker for give in gives if isinstance(give.command, Assignment)]


def test_who_has_not_said_what_it_holds_is_told_nothing_yet() -> None:
    """Found by the simulator: it let go of what a losing side had placed there, and that ran on."""
    silent = fleet(replica())
    assert assigned(silent) == []
    report = Report(A, 1, 1, (replica(),), (), leaving=False)
    views = {name: msgspec.structs.replace(v, report=report) for name, v in silent.workers.items()}
    assert assigned(msgspec.structs.replace(silent, workers=views)) == sorted(views)
