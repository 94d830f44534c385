"""A machine tells its workers of their processes in the order in which the real one does."""

import pytest

from interrex.core.ids import HostName, ServiceName, SlotName, WorkerName
from interrex.core.spec import ServiceSpec
from interrex.core.time import S
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.clock import Clock
from interrex.simulator.machine import Machine
from interrex.simulator.observation import Cause, Occurrence
from interrex.simulator.replica import Habits
from interrex.supervision.interface import Claim, Claimed, Exited, Release, Spawn, Spawned
from interrex.worker.interface import WorkerEvent

WEB_0 = SlotName("web.0")
SPEC = ServiceSpec(name=ServiceName("web"), command=("web",))


class Holder:
    """A worker that only listens."""

    def __init__(self, name: str, life: int) -> None:
        self.worker = WorkerName(name)
        self.life = life
        self.alive = True
        self.heard: list[WorkerEvent] = []

    def post(self, event: WorkerEvent) -> None:
        self.heard.append(event)


def quiet(what: Occurrence) -> None:
    """Nobody checks anything here."""


def machine_of(agenda: Agenda, seed: int) -> Machine:
    habits = Habits()
    return Machine(
        agenda, Chance(seed), HostName("local"), Clock(0, 0), quiet, lambda service: habits
    )


@pytest.mark.parametrize("seed", range(30))
def test_of_a_processs_end_a_worker_hears_after_it_has_heard_of_the_process(seed: int) -> None:
    agenda = Agenda()
    machine = machine_of(agenda, seed)
    first, second = Holder("worker-1", 1), Holder("worker-2", 2)
    machine.claim(first, Claim(WEB_0))
    machine.spawn(first, Spawn(WEB_0, 1, 1, 1, 21, SPEC))
    agenda.run_until(S)
    machine.release(first, Release(WEB_0))
    machine.claim(second, Claim(WEB_0))
    machine.end(machine.processes[WEB_0], -9, Cause.FAULT)
    agenda.run_until(2 * S)
    assert [type(event) for event in second.heard] == [Claimed, Exited]
    machine.spawn(second, Spawn(WEB_0, 2, 1, 1, 21, SPEC))
    machine.end(machine.processes[WEB_0], -9, Cause.FAULT)
    agenda.run_until(3 * S)
    assert [type(event) for event in second.heard[2:]] == [Spawned, Exited]
