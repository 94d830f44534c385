"""Changes by users: applied once, answered whatever happens, rolled out without an outage."""

import msgspec
import pytest

from interrex.core.contests import Candidate, CandidateProcess, Stand
from interrex.core.ids import ChangeId, ServiceName, SlotName, WorkerName
from interrex.core.routes import EndpointState
from interrex.core.state import ApplySpec, Operation, Restart, Scale
from interrex.core.time import MS, S
from interrex.worker.interface import ChangeAsked, HandOverAsked, LeaveAsked
from interrex.worker.looks import Looks
from tests.worker.town import Disk, Town, cluster, service

pytestmark = pytest.mark.usefixtures("each_election")

WEB = ServiceName("web")


@pytest.fixture
def town() -> Town:
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    return town


def ask(town: Town, operation: Operation, request: int = 1, at: str | None = None) -> None:
    worker = WorkerName(at) if at else town.leader()
    town.post(worker, ChangeAsked(request, ChangeId(f"user-{request}"), (operation,)))


def test_scaling_up_starts_the_new_replicas(town: Town) -> None:
    ask(town, Scale(WEB, 5))
    town.run_until(lambda: len(town.running("web")) == 5 and town.all_ready())
    assert town.answers[0].ok


def test_scaling_down_stops_the_last_ones_and_frees_their_ports(town: Town) -> None:
    ask(town, Scale(WEB, 1))
    town.run_until(lambda: town.running("web") == ["web.0"])
    town.run_until(
        lambda: list(town.workers[town.leader()].state.placements).count(SlotName("web.2")) == 0
    )
    assert town.all_ready()


def test_a_follower_passes_a_change_on_and_answers_it(town: Town) -> None:
    follower = next(name for name in town.workers if name != town.leader())
    ask(town, Scale(WEB, 4), at=follower)
    town.run_until(lambda: bool(town.answers))
    assert town.answers[0].ok
    assert town.answers[0].index is not None


def test_a_change_in_flight_when_the_leader_dies_is_answered_by_the_next(town: Town) -> None:
    leader = town.leader()
    follower = next(name for name in town.workers if name != leader)
    ask(town, Scale(WEB, 4), at=follower)
    town.kill(leader)
    town.run_until(lambda: bool(town.answers))
    assert town.answers[0].ok
    town.run_until(lambda: len(town.running("web")) == 4)


def test_a_change_that_is_asked_twice_is_applied_once(town: Town) -> None:
    ask(town, Restart(WEB))
    town.run_until(lambda: len(town.answers) == 1)
    generation = town.workers[town.leader()].state.services[WEB].generation
    ask(town, Restart(WEB))
    town.run_until(lambda: len(town.answers) == 2)
    assert town.workers[town.leader()].state.services[WEB].generation == generation
    assert town.answers[0].index == town.answers[1].index


def test_a_restart_replaces_one_replica_at_a_time_and_drains_it_first(town: Town) -> None:
    before = town.pids()
    ask(town, Restart(WEB))
    least = 3

    def done() -> bool:
        nonlocal least
        least = min(least, len(town.running("web")))
        return town.all_ready() and all(
            town.pids()[slot] != before[slot] for slot in town.running("web")
        )

    town.run_until(done)
    assert least == 2
    drained = {
        endpoint.slot
        for _, _, message in town.commands
        if (table := getattr(message, "table", None)) is not None
        for route in table.services
        for endpoint in route.endpoints
        if endpoint.state is EndpointState.DRAIN
    }
    assert drained == {"web.0", "web.1", "web.2"}


def test_a_restart_of_one_slot_leaves_the_others_alone(town: Town) -> None:
    before = town.pids()
    ask(town, Restart(WEB, SlotName("web.1")))
    town.run_until(lambda: town.pids().get(SlotName("web.1"), 0) > before[SlotName("web.1")])
    town.run_until(town.all_ready)
    changed = {slot for slot, pid in town.pids().items() if before[slot] != pid}
    assert changed == {"web.1"}


def test_applying_a_file_touches_only_what_changed(town: Town) -> None:
    before = town.pids()
    spec = cluster(service("web", 3, port=8080), service("api", 2))
    ask(town, ApplySpec(spec))
    town.run_until(lambda: len(town.running("api")) == 2 and town.all_ready())
    assert {slot: pid for slot, pid in town.pids().items() if slot in before} == before


def test_applying_a_changed_command_replaces_the_processes(town: Town) -> None:
    before = town.pids()
    changed = msgspec.structs.replace(service("web", 3, port=8080), command=("other", "{port}"))
    ask(town, ApplySpec(cluster(changed)))
    town.run_until(
        lambda: (
            town.all_ready()
            and all(town.pids().get(slot, 0) > before[slot] for slot in before if slot[:3] == "web")
        )
    )
    assert {slot for slot in before if town.pids()[slot] == before[slot]} == {
        "balancer.0",
        "balancer.1",
    }


def test_a_service_taken_from_the_file_is_stopped_and_forgotten(town: Town) -> None:
    ask(town, ApplySpec(cluster(service("api", 1, port=8080))))
    town.run_until(lambda: not town.running("web") and town.all_ready())
    town.run_until(lambda: WEB not in town.workers[town.leader()].state.services)


def test_stepping_down_hands_leadership_over_and_touches_nothing_else(town: Town) -> None:
    before, leader = town.pids(), town.leader()
    town.post(leader, HandOverAsked(1, None))
    town.run_until(lambda: town.agrees() and town.leader() != leader)
    town.run_until(town.all_ready)
    assert town.pids() == before


def test_leaving_stops_balancers_before_services_and_then_the_workers(town: Town) -> None:
    order: list[str] = []
    gone: set[str] = set()
    for name in list(town.workers):
        town.post(name, LeaveAsked(1))

    def all_gone() -> bool:
        for slot in {"web.0", "web.1", "web.2", "balancer.0", "balancer.1"} - set(town.pids()):
            if slot not in gone:
                gone.add(slot)
                order.append(slot)
        return not town.workers

    town.run_until(all_gone)
    assert {slot[:8] for slot in order[:2]} == {"balancer"}
    assert not town.pids()


def test_a_fleet_that_was_taken_down_comes_up_with_what_it_had(town: Town) -> None:
    ask(town, Scale(WEB, 4))
    town.run_until(lambda: len(town.running("web")) == 4 and town.all_ready())
    for name in list(town.workers):
        town.post(name, LeaveAsked(1))
    town.run_until(lambda: not town.workers)
    town.run_for(S)
    town.start()
    town.run_until(town.all_ready)
    assert len(town.running("web")) == 4


def test_more_workers_join_and_vote_and_fewer_leave_without_a_service_process_noticing(
    town: Town,
) -> None:
    town.run_for(6 * S)
    before = town.pids()
    bigger = cluster(service("web", 3, port=8080), workers=5)
    for number in (4, 5):
        town.welcome(WorkerName(f"worker-{number}"))
    ask(town, ApplySpec(bigger))
    town.run_until(lambda: len(town.workers[town.leader()].election.members) == 5)
    town.run_until(town.all_ready)
    ask(town, ApplySpec(cluster(service("web", 3, port=8080), workers=3)), request=2)
    town.run_until(lambda: len(town.workers) == 3, within=60 * S)
    town.run_until(town.all_ready)
    assert {member.worker for member in town.workers[town.leader()].election.members} == {
        "worker-1",
        "worker-2",
        "worker-3",
    }
    assert town.pids() == before
    town.run_for(100 * MS)


def test_who_is_needed_to_elect_a_leader_is_started_though_only_the_log_names_it(
    town: Town,
) -> None:
    new = [WorkerName("worker-4"), WorkerName("worker-5")]
    for worker in new:
        town.welcome(worker)
    ask(town, ApplySpec(cluster(service("web", 3, port=8080), workers=5)))
    town.run_until(lambda: len(town.workers[town.leader()].election.members) == 5)
    town.run_until(town.all_ready)
    for name in list(town.workers):
        town.kill(name)
    for host in town.hosts.values():
        host.known = None
    lost = WorkerName("worker-3")
    town.disks[lost], town.identities[lost] = Disk(), 2000
    town.start([WorkerName("worker-1"), WorkerName("worker-2")])
    town.run_until(town.all_ready)
    assert set(town.workers) >= set(new)


def test_everybody_restarts_from_a_snapshot_of_what_was_agreed() -> None:
    town = Town(cluster(service("web", 3, port=8080)), compact_after=2)
    town.start()
    town.run_until(town.all_ready)
    ask(town, Scale(WEB, 5))
    town.run_until(lambda: len(town.running("web")) == 5 and town.all_ready())
    town.run_for(S)
    for disk in town.disks.values():
        assert disk.snapshot is not None
        assert disk.entries[0].index >= disk.snapshot.index
    for name in list(town.workers):
        town.kill(name)
    town.start()
    town.run_until(town.all_ready)
    assert len(town.running("web")) == 5


def test_a_worker_that_was_never_assigned_anything_leaves_too() -> None:
    town = Town(cluster(service("web", 3, port=8080)))
    lonely = WorkerName("worker-1")
    town.start([lonely])
    town.run_for(100 * MS)
    town.post(lonely, LeaveAsked(1))
    assert town.run_until(lambda: lonely not in town.workers) < S
    assert town.answers[-1].ok


def test_who_leaves_does_not_wait_for_ever_for_what_another_worker_holds(town: Town) -> None:
    """Found by the simulator: a leader that was to leave was placed a slot that another worker had
    not been told to let go of yet. Nobody told it any more, and both waited."""
    town.run_for(S)
    slot, name = next(item for host in town.hosts.values() for item in host.locks.items())
    town.kill(name)
    for host in town.hosts.values():
        host.locks[slot] = WorkerName("another")
    town.run_until(lambda: name in town.workers)
    life = town.workers[name]
    town.run_for(S)
    town.post(name, LeaveAsked(1))
    town.run_for(9 * S)
    assert town.workers.get(name) is life
    town.run_until(lambda: town.workers.get(name) is not life)
    assert town.answers[-1].ok
    assert slot in town.pids()


def test_a_change_of_a_programs_leadership_lets_nobody_look_at_the_fleet(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.run_for(S)
    candidate = Candidate("t", "a", town.leader(), 0, CandidateProcess(7, 8, "boot", 9))
    looked: list[int] = []
    monkeypatch.setattr(Looks, "begin", lambda looks, now: looked.append(now))
    ask(town, Stand("billing", candidate))
    town.run_until(lambda: all(one.state.contests.standing for one in town.workers.values()))
    assert not looked
    ask(town, Scale(WEB, 2), request=2)
    town.run_until(lambda: bool(looked))
