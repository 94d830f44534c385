"""Workers' processes: killed at any moment, stopped, slow, slow to start."""

from functools import partial
from typing import TYPE_CHECKING

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
    from interrex.simulator.world import World

MOST_TIMES = 6


def _at_a_worker(scene: Scene) -> Drawn:
    return Drawn(targets=(a_worker(scene),))


def _kill(world: "World", fault: Fault) -> Undo | None:
    node = node_of(world, fault.targets[0])
    if node is None:
        return None
    world.end(node, Cause.FAULT, "killed")
    return over_at_once


def _draw_kill_within_step(scene: Scene) -> Drawn:
    return Drawn(targets=(a_worker(scene),), values={"effects": scene.chance.below(6)})


def _kill_within_step(world: "World", fault: Fault) -> Undo | None:
    """Between two effects of a list: what was asked for first has happened, the rest has not."""
    node = node_of(world, fault.targets[0])
    if node is None:
        return None
    node.dies_within_step = fault.values["effects"]
    return over_at_once


def _draw_kill_many(scene: Scene) -> Drawn:
    count = scene.chance.between(1, len(scene.workers))
    return Drawn(targets=tuple(scene.chance.some(scene.workers, count)))


def _kill_many(world: "World", fault: Fault) -> Undo | None:
    """Several at one instant; all of a machine's only where somebody starts them again."""
    nodes = [node for target in fault.targets if (node := node_of(world, target)) is not None]
    if not world.systemd and len(nodes) == len(world.nodes):
        nodes = nodes[1:]
    for node in nodes:
        world.end(node, Cause.FAULT, "killed together with others")
    return over_at_once if nodes else None


def _draw_kill_again(scene: Scene) -> Drawn:
    chance = scene.chance
    values = {"every": chance.scale(20 * MS, S), "times": chance.between(2, MOST_TIMES)}
    lasts = values["every"] * values["times"]
    return Drawn(lasts, targets=(chance.pick(scene.workers),), values=values)


def _kill_again(world: "World", fault: Fault) -> Undo | None:
    """As often as it is started, for a while."""
    left = fault.values["times"]

    def kill() -> None:
        nonlocal left
        if left <= 0:
            return
        left -= 1
        node = node_of(world, fault.targets[0])
        if node is not None:
            world.end(node, Cause.FAULT, "killed again")
        world.agenda.after(fault.values["every"], kill)

    def undo() -> None:
        nonlocal left
        left = 0

    kill()
    return undo


def _draw_stop(scene: Scene) -> Drawn:
    return Drawn(lasts=for_a_while(scene), targets=(a_worker(scene),))


def _stop(world: "World", fault: Fault) -> Undo | None:
    """SIGSTOP, or a loop that hangs: to everybody else they are the same."""
    node = node_of(world, fault.targets[0])
    if node is None:
        return None
    node.stop()
    return node.go_on


def _stop_all(world: "World", fault: Fault) -> Undo | None:
    """All workers at once, as where one machine under them all is paused."""
    nodes = world.running()
    for node in nodes:
        node.stop()

    def undo() -> None:
        for node in nodes:
            node.go_on()

    return undo if nodes else None


def _draw_stop_all(scene: Scene) -> Drawn:
    return Drawn(scene.chance.scale(50 * MS, 2 * S))


def _draw_stutter(scene: Scene) -> Drawn:
    chance = scene.chance
    values = {"stands": chance.scale(5 * MS, 500 * MS), "runs": chance.scale(5 * MS, 500 * MS)}
    return Drawn(for_a_while(scene), (a_worker(scene),), values)


def _stutter(world: "World", fault: Fault) -> Undo | None:
    """Stopped and continued again and again, as on an overloaded machine."""
    node = node_of(world, fault.targets[0])
    if node is None:
        return None
    over = standing = False

    def turn() -> None:
        nonlocal standing
        if over:
            return
        standing = not standing
        node.stop() if standing else node.go_on()
        world.agenda.after(fault.values["stands" if standing else "runs"], turn)

    def undo() -> None:
        nonlocal over
        over = True
        if standing:
            node.go_on()

    turn()
    return undo


def _draw_slow(scene: Scene) -> Drawn:
    step = scene.chance.scale(MS // 10, 20 * MS)
    return Drawn(for_a_while(scene), (a_worker(scene),), {"step": step})


def _slow(world: "World", fault: Fault) -> Undo | None:
    """Every event takes its loop so long."""
    node = node_of(world, fault.targets[0])
    if node is None or node.step_takes:
        return None
    node.step_takes = fault.values["step"]
    return partial(setattr, node, "step_takes", 0)


def _draw_slow_start(scene: Scene) -> Drawn:
    return Drawn(for_a_while(scene), values={"boot": scene.chance.scale(100 * MS, 5 * S)})


def _slow_start(world: "World", fault: Fault) -> Undo | None:
    """A worker's process takes so long to come up."""
    usual, world.boot = world.boot, fault.values["boot"]
    return partial(setattr, world, "boot", usual)


PROCESSES = Family(
    "processes",
    (
        Kind("kill", _at_a_worker, _kill, weight=8),
        Kind("kill-within-step", _draw_kill_within_step, _kill_within_step),
        Kind("kill-many", _draw_kill_many, _kill_many, weight=2),
        Kind("kill-again", _draw_kill_again, _kill_again, weight=2),
        Kind("stop", _draw_stop, _stop, weight=6),
        Kind("stop-all", _draw_stop_all, _stop_all, weight=2),
        Kind("stutter", _draw_stutter, _stutter, weight=2),
        Kind("slow-loop", _draw_slow, _slow),
        Kind("slow-start", _draw_slow_start, _slow_start, weight=1),
    ),
    weight=6,
)
