"""Workers' disks: slow, stalled, full, failing, lying, torn, and their records changed or lost."""

from functools import partial
from typing import TYPE_CHECKING

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.simulator.faults.kind import (
    Drawn,
    Family,
    Kind,
    Scene,
    Undo,
    a_worker,
    for_a_while,
    node_of,
    over_at_once,
)
from interrex.simulator.observation import Cause
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.disk import Disk
    from interrex.simulator.world import World


def _disk(world: "World", fault: Fault) -> "Disk | None":
    worker = world.faults.worker(fault.targets[0])
    return world.disks.get(worker) if worker is not None else None


def _at_a_disk(scene: Scene) -> Drawn:
    return Drawn(for_a_while(scene), (a_worker(scene),))


def _draw_slow(scene: Scene) -> Drawn:
    sync = scene.chance.scale(5 * MS, 2 * S)
    return Drawn(for_a_while(scene), (a_worker(scene),), {"sync": sync})


def _slow(world: "World", fault: Fault) -> Undo | None:
    disk = _disk(world, fault)
    if disk is None or disk.sync != disk.usual_sync:
        return None
    disk.sync = fault.values["sync"]
    return partial(setattr, disk, "sync", disk.usual_sync)


def _full(world: "World", fault: Fault) -> Undo | None:
    disk = _disk(world, fault)
    if disk is None or disk.full:
        return None
    disk.full = True
    return partial(setattr, disk, "full", False)


def _failing(world: "World", fault: Fault) -> Undo | None:
    """Every write and every opening fails: the worker ends, and cannot start."""
    disk = _disk(world, fault)
    if disk is None or disk.failing:
        return None
    disk.failing = True
    return partial(setattr, disk, "failing", False)


def _torn(world: "World", fault: Fault) -> Undo | None:
    """The process dies within its next write."""
    node = node_of(world, fault.targets[0])
    if node is None:
        return None

    def die() -> None:
        world.end(node, Cause.FAULT, "killed within a write")

    node.disk.on_write = die
    return partial(setattr, node.disk, "on_write", None)


def _lying(world: "World", fault: Fault) -> Undo | None:
    """Syncs are acknowledged, and a power loss takes what was written: where that cannot be
    found out later, all that this disk has promised is void, and the world must be unsound."""
    worker = world.faults.worker(fault.targets[0])
    if worker is None or world.disks[worker].lies or not world.harm.allows(worker):
        return None
    disk = world.disks[worker]
    world.harm.risked(worker)
    disk.lie()

    def undo() -> None:
        disk.be_honest()
        world.harm.risk_is_over(worker)

    return undo


def _draw_flip(scene: Scene) -> Drawn:
    values = {"restored": int(scene.chance.one_in(4)), "kill": int(scene.chance.one_in(2))}
    return Drawn(targets=(a_worker(scene),), values=values)


def _flip(world: "World", fault: Fault) -> Undo | None:
    """A bit of a stored record changes: found by checksum when the log is next read."""
    worker = world.faults.worker(fault.targets[0])
    if worker is None:
        return None
    if fault.values["restored"]:
        _kill_if(world, worker, fault)  # the newest record has a second place, and is restored
        return over_at_once
    if not world.harm.allows(worker):
        return None
    world.harm.harmed(worker)
    world.disks[worker].damage = "a record's checksum does not fit"
    _kill_if(world, worker, fault)
    return over_at_once


def _kill_if(world: "World", worker: WorkerName, fault: Fault) -> None:
    node = node_of(world, worker)
    if node is not None and fault.values["kill"]:
        world.end(node, Cause.FAULT, "killed, and its log is damaged")


def _draw_loss(scene: Scene) -> Drawn:
    return Drawn(targets=(a_worker(scene),))


def _loss(world: "World", fault: Fault) -> Undo | None:
    """The log and its identity are removed while the worker is dead."""
    worker = world.faults.worker(fault.targets[0])
    if worker is None:
        return None
    promised = not world.disks[worker].unwritten
    if promised and not world.harm.allows(worker):
        return None
    node = node_of(world, worker)
    if node is not None:
        world.end(node, Cause.FAULT, "killed, and its log removed")
    if promised:
        world.harm.harmed(worker)
    world.disks[worker].damage = "the log is missing"
    return over_at_once


DISKS = Family(
    "disks",
    (
        Kind("slow", _draw_slow, _slow),
        Kind("full", _at_a_disk, _full),
        Kind("failing", _at_a_disk, _failing, weight=2),
        Kind("torn", _at_a_disk, _torn),
        Kind("lying", _at_a_disk, _lying, weight=2),
        Kind("flip", _draw_flip, _flip),
        Kind("lost", _draw_loss, _loss, weight=2),
    ),
)
