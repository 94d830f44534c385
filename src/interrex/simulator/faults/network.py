"""The network between workers: cut in many shapes, slow, lossy, its connections reset."""

from functools import partial
from typing import TYPE_CHECKING

from interrex.core.ids import WorkerName
from interrex.core.time import MS
from interrex.simulator.faults.kind import (
    Drawn,
    Family,
    Kind,
    Scene,
    Undo,
    a_worker,
    at_least,
    for_a_while,
    over_at_once,
)
from interrex.simulator.faults.majorities import (
    answer_late,
    change_majorities,
    draw_late_answers,
    draw_majorities,
    draw_overwritten,
    draw_unwritten,
    leave_unwritten,
    overwrite,
)
from interrex.simulator.faults.voters import draw_unlearned, leave_unlearned, voters_may_change
from interrex.simulator.network import Lane
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World

Way = tuple[WorkerName, WorkerName]


def _cut(world: "World", ways: list[Way]) -> Undo | None:
    if not ways:
        return None
    for sender, receiver in ways:
        world.network.cut(sender, receiver)
    return partial(_mend, world, ways)


def _mend(world: "World", ways: list[Way]) -> None:
    for sender, receiver in ways:
        world.network.mend(sender, receiver)


def _both(pairs: list[Way]) -> list[Way]:
    return [way for one, other in pairs for way in ((one, other), (other, one))]


def _sides(world: "World", fault: Fault) -> list[Way]:
    return [
        (one, other)
        for one in world.homes
        for other in world.homes
        if one in fault.targets and other not in fault.targets
    ]


def _draw_halves(scene: Scene) -> Drawn:
    size = scene.chance.between(1, max(1, len(scene.workers) // 2))
    return Drawn(for_a_while(scene), tuple(scene.chance.some(scene.workers, size)))


def _halves(world: "World", fault: Fault) -> Undo | None:
    return _cut(world, _both(_sides(world, fault)))


def _draw_flapping(scene: Scene) -> Drawn:
    drawn = _draw_halves(scene)
    values = {
        "cut": scene.chance.scale(10 * MS, 1000 * MS),
        "open": scene.chance.scale(10 * MS, 1000 * MS),
    }
    return Drawn(drawn.lasts, drawn.targets, values)


def _flapping(world: "World", fault: Fault) -> Undo | None:
    """The same two sides, cut and open in turn."""
    ways = _both(_sides(world, fault))
    if not ways:
        return None
    over = is_cut = False

    def turn() -> None:
        nonlocal is_cut
        if over:
            return
        is_cut = not is_cut
        for sender, receiver in ways:
            (world.network.cut if is_cut else world.network.mend)(sender, receiver)
        world.agenda.after(fault.values["cut" if is_cut else "open"], turn)

    def undo() -> None:
        nonlocal over
        over = True
        if is_cut:
            _mend(world, ways)

    turn()
    return undo


def _draw_at_one(scene: Scene) -> Drawn:
    return Drawn(for_a_while(scene), (a_worker(scene),))


def _others(world: "World", fault: Fault) -> list[Way]:
    worker = world.faults.worker(fault.targets[0])
    return [(worker, other) for other in world.homes if worker and other != worker]


def _cut_off(world: "World", fault: Fault) -> Undo | None:
    return _cut(world, _both(_others(world, fault)))


def _deaf(world: "World", fault: Fault) -> Undo | None:
    """It sends, and hears nothing."""
    return _cut(world, [(other, worker) for worker, other in _others(world, fault)])


def _mute(world: "World", fault: Fault) -> Undo | None:
    """It hears, and nothing that it sends arrives."""
    return _cut(world, _others(world, fault))


def _draw_order(scene: Scene) -> Drawn:
    return Drawn(for_a_while(scene), tuple(scene.chance.shuffled(scene.workers)))


def _ring(world: "World", fault: Fault) -> Undo | None:
    """Each reaches its two neighbours only; three are a chain."""
    names = [WorkerName(target) for target in fault.targets]
    count = len(names)
    last = count - 1 if count > 3 else count
    apart = [
        (names[one], names[other])
        for one in range(count)
        for other in range(one + 2, count)
        if (one, other) != (0, last)
    ]
    return _cut(world, _both(apart))


def _draw_mesh(scene: Scene) -> Drawn:
    count = len(scene.workers)
    ways = scene.chance.getrandbits(count * count)
    if scene.chance.one_in(2):
        ways &= scene.chance.getrandbits(count * count)
    return Drawn(for_a_while(scene), tuple(scene.workers), {"ways": ways})


def _mesh(world: "World", fault: Fault) -> Undo | None:
    """Any set of directions is cut."""
    names = [WorkerName(target) for target in fault.targets]
    ways, count = fault.values["ways"], len(names)
    return _cut(
        world,
        [
            (names[one], names[other])
            for one in range(count)
            for other in range(count)
            if one != other and ways >> (one * count + other) & 1
        ],
    )


def _draw_reset(scene: Scene) -> Drawn:
    return Drawn(targets=tuple(scene.chance.some(scene.workers, 2)))


def _reset(world: "World", fault: Fault) -> Undo | None:
    """A connection ends at one end, both processes being alive."""
    if len(fault.targets) < 2:
        return None
    at, peer = (WorkerName(target) for target in fault.targets)
    return over_at_once if world.network.reset(at, peer) else None


def _reset_all(world: "World", fault: Fault) -> Undo | None:
    """All of one worker's connections, at its own ends."""
    worker = world.faults.worker(fault.targets[0])
    ends = [other for other in world.homes if worker and other != worker]
    reset = [worker is not None and world.network.reset(worker, other) for other in ends]
    return over_at_once if any(reset) else None


def _draw_bad_lanes(scene: Scene) -> Drawn:
    """One worker's lanes, or everybody's; by one measure or several."""
    chance = scene.chance
    targets = (a_worker(scene),) if chance.one_in(2) else tuple(scene.workers)
    values = {
        "extra": chance.scale(MS, 300 * MS) if chance.one_in(2) else 0,
        "loss": chance.below(301) if chance.one_in(2) else 0,
        "doubled": chance.below(301) if chance.one_in(2) else 0,
        "overtaken": chance.below(301) if chance.one_in(2) else 0,
    }
    return Drawn(for_a_while(scene), targets, values)


def _bad_lanes(world: "World", fault: Fault) -> Undo | None:
    """Late, lost, doubled, overtaken: on streams, a loss is a stall."""
    workers = [world.faults.worker(target) for target in fault.targets]
    lanes: list[Lane] = [
        lane
        for worker in workers
        for other in world.homes
        if worker and other != worker
        for lane in (world.network.lane(worker, other), world.network.lane(other, worker))
    ]
    if not lanes:
        return None
    for lane in lanes:
        lane.worsen(fault.values, 1)

    def undo() -> None:
        for lane in lanes:
            lane.worsen(fault.values, -1)

    return undo


NETWORK = Family(
    "network",
    (
        Kind("halves", _draw_halves, _halves),
        Kind("flapping", _draw_flapping, _flapping, weight=2),
        Kind("cut-off", _draw_at_one, _cut_off),
        Kind("deaf", _draw_at_one, _deaf),
        Kind("mute", _draw_at_one, _mute),
        Kind("ring", _draw_order, _ring, weight=2),
        Kind("mesh", _draw_mesh, _mesh),
        Kind("reset", _draw_reset, _reset),
        Kind("reset-all", _draw_at_one, _reset_all, weight=2),
        Kind("bad-lanes", _draw_bad_lanes, _bad_lanes),
        Kind("majorities", draw_majorities, change_majorities, weight=6, where=at_least(3)),
        Kind("late-answers", draw_late_answers, answer_late, weight=20, where=at_least(5)),
        Kind("overwritten", draw_overwritten, overwrite, weight=3, where=at_least(5)),
        Kind("unwritten", draw_unwritten, leave_unwritten, weight=3, where=at_least(3)),
        Kind("unlearned", draw_unlearned, leave_unlearned, weight=6, where=voters_may_change),
    ),
    weight=6,
)
