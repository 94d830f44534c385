"""Machines: lost and back again, all at once, or back with empty disks."""

from functools import partial
from typing import TYPE_CHECKING

from interrex.core.ids import HostName
from interrex.core.time import MS, S
from interrex.simulator.faults.kind import Drawn, Family, Kind, Scene, Undo
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World


def _draw_replaced(scene: Scene) -> Drawn:
    lasts = scene.chance.scale(200 * MS, 20 * S)
    return Drawn(lasts, (scene.chance.pick(scene.hosts),))


def _draw_lost(scene: Scene) -> Drawn:
    """At any time, or within one of the first writes after a leader has ended, each on another
    disk: the candidate's of its own vote, then a voter's."""
    drawn = _draw_replaced(scene)
    if scene.chance.one_in(2):
        return drawn
    return Drawn(
        drawn.lasts, drawn.targets, {"within_write": scene.chance.between(1, 2)}, "leader-ends"
    )


def _lost(world: "World", fault: Fault) -> Undo | None:
    """Power is lost: processes are gone, disks stay."""
    host = HostName(fault.targets[0])
    machine = world.machines[host]
    if not machine.on:
        return None
    if not fault.values.get("within_write"):
        world.lose_machine(host)
        return partial(world.return_machine, host)
    disks = [world.disks[worker] for worker, home in world.homes.items() if home == host]

    def disarm() -> None:
        for disk in disks:
            disk.on_write = None

    waited, is_lost, is_over = fault.values["within_write"], False, False

    def strike() -> None:
        nonlocal waited, is_lost
        waited -= 1
        if waited == 0 and machine.on and not is_over:
            disarm()
            is_lost = True
            world.lose_machine(host)

    def undo() -> None:
        nonlocal is_over
        is_over = True
        disarm()
        if is_lost:
            world.return_machine(host)

    for disk in disks:
        disk.on_write = strike
    return undo


def _draw_everything(scene: Scene) -> Drawn:
    return Drawn(scene.chance.scale(100 * MS, 3 * S))


def _everything(world: "World", fault: Fault) -> Undo | None:
    """All machines at once."""
    lost = [host for host, machine in world.machines.items() if machine.on]
    for host in lost:
        world.lose_machine(host)

    def undo() -> None:
        for host in lost:
            world.return_machine(host)

    return undo if lost else None


def _replaced(world: "World", fault: Fault) -> Undo | None:
    """It comes back with empty disks, made again from the cluster's newest file: so only one that
    this still names."""
    host = HostName(fault.targets[0])
    workers = [worker for worker, home in world.homes.items() if home == host]
    if not world.machines[host].on or len(world.machines) < 2 or not world.names(host):
        return None
    if not world.harm.allows(*workers):
        return None
    world.replace_machine(host)
    return partial(world.return_machine, host)


MACHINES = Family(
    "machines",
    (
        Kind("lost", _draw_lost, _lost),
        Kind("all-restart", _draw_everything, _everything, weight=2),
        Kind("replaced", _draw_replaced, _replaced, weight=2),
    ),
    weight=2,
)
