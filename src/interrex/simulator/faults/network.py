"""The network between workers: cut in many shapes, slow, lossy, its connections reset."""

from typing import TYPE_CHECKING

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.simulator.faults.kind import Drawn, Family, Kind, Scene, Undo, a_worker, over_at_once
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World

Way = tuple[WorkerName, WorkerName]


def _lasts(scene: Scene) -> int:
    return scene.chance.scale(20 * MS, 8 * S)


def _cut_ways(world: "World", ways: list[Way]) -> Undo | None:
    if not ways:
        return None
    for sender, receiver in ways:
        world.network.cut(sender, receiver)

    def undo() -> None:
        for sender, receiver in ways:
            world.network.mend(sender, receiver)

    return undo


def _between(some: list[WorkerName], others: list[WorkerName]) -> list[Way]:
    return [
        way
        for one in some
        for other in others
        if one != other
        for way in ((one, other), (other, one))
    ]


def _draw_halves(scene: Scene) -> Drawn:
    size = scene.chance.between(1, max(1, len(scene.workers) // 2))
    return Drawn(_lasts(scene), tuple(scene.chance.some(scene.workers, size)))


def _halves(world: "World", fault: Fault) -> Undo | None:
    side = [worker for worker in world.homes if worker in fault.targets]
    return _cut_ways(world, _between(side, [w for w in world.homes if w not in fault.targets]))


def _draw_one(scene: Scene) -> Drawn:
    return Drawn(_lasts(scene), (a_worker(scene),))


def _one(world: "World", fault: Fault) -> Undo | None:
    worker = world.faults.worker(fault.targets[0])
    if worker is None:
        return None
    return _cut_ways(world, _between([worker], list(world.homes)))


def _draw_one_way(scene: Scene) -> Drawn:
    values = {"in": scene.chance.below(2)}
    return Drawn(_lasts(scene), (a_worker(scene),), values)


def _one_way(world: "World", fault: Fault) -> Undo | None:
    worker = world.faults.worker(fault.targets[0])
    if worker is None:
        return None
    others = [other for other in world.homes if other != worker]
    if fault.values["in"]:
        return _cut_ways(world, [(other, worker) for other in others])
    return _cut_ways(world, [(worker, other) for other in others])


def _draw_reset(scene: Scene) -> Drawn:
    pair = scene.chance.some(scene.workers, 2)
    return Drawn(targets=tuple(pair))


def _reset(world: "World", fault: Fault) -> Undo | None:
    if len(fault.targets) < 2:
        return None
    at, peer = (WorkerName(target) for target in fault.targets)
    return over_at_once if world.network.reset(at, peer) else None


NETWORK = Family(
    "network",
    (
        Kind("halves", _draw_halves, _halves),
        Kind("cut-off", _draw_one, _one),
        Kind("one-way", _draw_one_way, _one_way),
        Kind("reset", _draw_reset, _reset),
    ),
)
