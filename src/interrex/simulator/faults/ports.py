"""Ports and pids: taken by strangers."""

from typing import TYPE_CHECKING

from interrex.simulator.faults.kind import Drawn, Family, Kind, Scene, Undo, for_a_while
from interrex.simulator.machine import Machine
from interrex.simulator.observation import Cause
from interrex.simulator.plan import Fault
from interrex.simulator.replica import Process

if TYPE_CHECKING:
    from interrex.simulator.world import World


class Stranger:
    """Another program."""


def _draw(scene: Scene) -> Drawn:
    values = {"number": scene.chance.below(1000)}
    return Drawn(for_a_while(scene), (scene.chance.pick(scene.services),), values)


def _victim(world: "World", fault: Fault) -> tuple[Machine, Process] | None:
    found = [
        (machine, process)
        for machine in world.machines.values()
        for _, process in sorted(machine.processes.items())
        if process.service == fault.targets[0]
    ]
    return found[fault.values["number"] % len(found)] if found else None


def _stolen(world: "World", fault: Fault) -> Undo | None:
    """A replica dies, and another program listens on its port before it is started again."""
    chosen = _victim(world, fault)
    if chosen is None or chosen[1].children:
        return None
    machine, process = chosen
    machine.end(process, -9, Cause.FAULT)
    stranger = machine.ports[process.port] = Stranger()

    def undo() -> None:
        if machine.ports.get(process.port) is stranger:
            del machine.ports[process.port]

    return undo


def _reused(world: "World", fault: Fault) -> Undo | None:
    """A replica dies together with whoever supervises it, and its pid is another program's."""
    chosen = _victim(world, fault)
    if chosen is None:
        return None
    machine, process = chosen
    held = machine.held.get(process.slot)
    node = world.nodes.get(held.holder.worker) if held is not None else None
    if node is not None:
        world.end(node, Cause.FAULT, "killed together with a replica")
    machine.end(process, -9, Cause.FAULT)
    machine.take_pid(process.pid)

    def undo() -> None:
        machine.free_pid(process.pid)

    return undo


PORTS = Family("ports", (Kind("stolen", _draw, _stolen), Kind("pid-reused", _draw, _reused)), 2)
