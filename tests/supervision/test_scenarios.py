"""Whole lives of replicas on a simulated host."""

from interrex.core.ids import SlotName
from interrex.core.replicas import ReplicaState as State
from interrex.core.time import MS, S
from interrex.supervision.interface import Exited, Spawn, Sweep, Swept
from tests.supervision.fake_host import FakeHost, Program, service, slots

WEB = service()


def ready(count: int = 3, *, fatal_dependency: bool = False) -> FakeHost:
    host = FakeHost(fatal_dependency=fatal_dependency)
    host.assign(*slots(WEB, count))
    assert host.run_until(host.all_are(State.READY), 10 * S)
    return host


def test_a_service_that_is_asked_for_becomes_ready() -> None:
    host = ready()
    assert len(host.living()) == 3
    assert [note.kind for _, note in host.notes[:3]] == ["replica.started"] * 3


def test_a_killed_replica_is_started_again_without_waiting_for_any_timer() -> None:
    host = ready()
    slot = SlotName("web.0")
    incarnation = host.processes[slot].incarnation
    host.processes[slot].alive = False
    effects = host.core.step(Exited(slot, incarnation, -9), host.now)
    assert isinstance(effects[0], Sweep)
    effects = host.core.step(Swept(slot, incarnation, 0), host.now)
    assert isinstance(effects[0], Spawn)


def test_all_replicas_killed_once_are_all_started_again_at_once() -> None:
    host = ready()
    for n in range(3):
        host.kill(f"web.{n}")
    assert host.run_until(host.all_are(State.READY), 100 * MS)
    assert not host.noted("held")


def test_replicas_that_die_together_again_and_again_are_held_and_tried_one_at_a_time() -> None:
    host = ready(fatal_dependency=True)
    host.dependency_up = False
    for n in range(3):
        host.kill(f"web.{n}")
    host.run(300 * S)
    assert len(host.noted("held")) == 3
    recent = [time for time, _ in host.starts if time > host.now - 120 * S]
    assert 2 <= len(recent) <= 40
    host.dependency_up = True
    assert host.run_until(host.all_are(State.READY), 31 * S)


def test_a_replica_that_cannot_be_started_is_blocked_and_its_taken_port_reported() -> None:
    host = FakeHost(program=lambda _: Program(cannot_start="port 8000 is taken", port_taken=True))
    host.assign(*slots(WEB, 1))
    host.run(100 * S)
    report = host.report("web.0")
    assert report.state is State.BLOCKED
    assert report.port_taken
    assert report.reason == "port 8000 is taken"
    assert len(host.noted("blocked")) == 1
