"""Workers' processes: killed, stopped, slow, hung."""

from typing import TYPE_CHECKING

from interrex.core.time import MS, S
from interrex.simulator.faults.kind import (
    Drawn,
    Family,
    Kind,
    Scene,
    Undo,
    a_worker,
    over_at_once,
)
from interrex.simulator.node import Node
from interrex.simulator.observation import Cause
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World


def _node(world: "World", target: str) -> Node | None:
    worker = world.faults.worker(target)
    return world.nodes.get(worker) if worker is not None else None


def _draw_kill(scene: Scene) -> Drawn:
    return Drawn(targets=(a_worker(scene),))


def _kill(world: "World", fault: Fault) -> Undo | None:
    node = _node(world, fault.targets[0])
    if node is None or not node.alive:
        return None
    world.end(node, Cause.FAULT, "killed")
    return over_at_once


def _draw_kill_within_step(scene: Scene) -> Drawn:
    return Drawn(targets=(a_worker(scene),), values={"effects": scene.chance.below(6)})


def _kill_within_step(world: "World", fault: Fault) -> Undo | None:
    node = _node(world, fault.targets[0])
    if node is None or not node.alive:
        return None
    node.dies_within_step = fault.values["effects"]
    return over_at_once


def _draw_kill_all(scene: Scene) -> Drawn:
    return Drawn()


def _kill_all(world: "World", fault: Fault) -> Undo | None:
    if not world.systemd:
        return None  # nobody would start them again
    for node in list(world.nodes.values()):
        world.end(node, Cause.FAULT, "all were killed")
    return over_at_once


def _draw_stop(scene: Scene) -> Drawn:
    chance = scene.chance
    return Drawn(lasts=chance.scale(20 * MS, 8 * S), targets=(a_worker(scene),))


def _stop(world: "World", fault: Fault) -> Undo | None:
    node = _node(world, fault.targets[0])
    if node is None or not node.alive:
        return None
    node.stop()
    return node.go_on


def _draw_slow(scene: Scene) -> Drawn:
    chance = scene.chance
    return Drawn(
        lasts=chance.scale(100 * MS, 5 * S),
        targets=(a_worker(scene),),
        values={"step": chance.scale(MS // 10, 20 * MS)},
    )


def _slow(world: "World", fault: Fault) -> Undo | None:
    node = _node(world, fault.targets[0])
    if node is None or not node.alive or node.step_takes:
        return None
    node.step_takes = fault.values["step"]

    def undo() -> None:
        node.step_takes = 0

    return undo


PROCESSES = Family(
    "processes",
    (
        Kind("kill", _draw_kill, _kill),
        Kind("kill-within-step", _draw_kill_within_step, _kill_within_step),
        Kind("kill-all", _draw_kill_all, _kill_all),
        Kind("stop", _draw_stop, _stop),
        Kind("slow-loop", _draw_slow, _slow),
    ),
)
