"""What counts as noticed, as replaced, and as spared."""

from pathlib import Path

from interrex.core.ids import SlotName, WorkerName
from interrex.demo.faults import Kind, Process, processes_of, schedule, victims
from interrex.demo.watching import Noticing, Watch, disturbed, replaced
from interrex.runtime.journal import Event
from interrex.runtime.layout import Layout
from tests.demo.fleets import whole_fleet

ME = WorkerName("worker-1")


def _killed(kind: Kind) -> tuple[Process, ...]:
    fault = next(fault for fault in schedule(1) if fault.kind is kind)
    return victims(fault, whole_fleet())


def _about_slot(time: float, slot: str) -> Event:
    return Event(time=time, by=ME, kind="replica.exited", text="", slot=SlotName(slot))


def _about_worker(time: float, worker: str, kind: str = "worker.lost") -> Event:
    return Event(time=time, by=ME, kind=kind, text="", worker=WorkerName(worker))


def test_a_kill_is_noticed_by_the_first_event_about_it() -> None:
    (replica,) = _killed(Kind.REPLICA)
    noticing = Noticing((replica,), at=100.0)
    noticing.take([_about_slot(99.0, replica.name), _about_slot(100.5, "other.1")])
    assert noticing.took_s is None
    noticing.take([_about_slot(101.0, replica.name), _about_slot(102.0, replica.name)])
    assert noticing.took_s == 1.0


def test_a_leaders_death_is_noticed_when_there_is_another_leader() -> None:
    (leader,) = _killed(Kind.LEADER)
    noticing = Noticing((leader,), at=100.0)
    noticing.take([_about_worker(100.25, "worker-1", "leader.elected")])
    assert noticing.took_s == 0.25


def test_several_are_noticed_when_the_last_of_them_is() -> None:
    leader, replica = _killed(Kind.LEADER_AND_REPLICA)
    noticing = Noticing((leader, replica), at=100.0)
    noticing.take([_about_slot(100.5, replica.name)])
    assert noticing.took_s is None
    noticing.take([_about_worker(100.25, "worker-1", "leader.elected")])
    assert noticing.took_s == 0.5


def test_a_process_is_replaced_by_another_pid_and_by_nothing_else() -> None:
    before = processes_of(whole_fleet())
    killed = _killed(Kind.REPLICA)
    number = int(killed[0].name.rpartition(".")[2])
    now = whole_fleet()
    assert not replaced(before, now, killed)
    replica = now.services[next(iter(now.services))].replicas[number]
    replica.pid = None
    assert not replaced(before, now, killed)
    replica.pid = 99
    assert replaced(before, now, killed)
    assert disturbed(before, now, killed) == []


def test_what_nobody_killed_must_stay_what_it_was() -> None:
    before = processes_of(whole_fleet())
    now = whole_fleet()
    now.balancer[1].pid = 99
    now.workers[0].pid = None
    assert disturbed(before, now, ()) == ["balancer.1", "worker-1"]


async def test_a_worker_that_does_not_answer_is_missing(tmp_path: Path) -> None:
    watch = Watch(Layout(tmp_path, "demo"), [ME, WorkerName("worker-2")])
    await watch.look()
    assert watch.newest is None
    assert watch.missing() == ["worker-1 does not answer", "worker-2 does not answer"]


def test_the_workers_must_agree(tmp_path: Path) -> None:
    workers = [WorkerName(f"worker-{number}") for number in (1, 2)]
    watch = Watch(Layout(tmp_path, "demo"), workers)
    watch.documents = {workers[0]: whole_fleet(epoch=1), workers[1]: whole_fleet(epoch=2)}
    assert watch.missing() == ["the workers do not agree on the epoch yet"]
    assert watch.newest is watch.documents[workers[1]]
    watch.documents[workers[0]].epoch = 2
    assert watch.missing() == []
