"""Machines' clocks: at another rate than the others', or jumping."""

from functools import partial
from typing import TYPE_CHECKING

from interrex.core.ids import HostName
from interrex.core.time import S
from interrex.simulator.faults.kind import Drawn, Family, Kind, Scene, Undo, for_a_while
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World

MOST_PPM = 45_000
"""Two clocks so far apart differ by less than what a lease allows for: a tenth."""
HOUR = 3600 * S


def _draw_rate(scene: Scene) -> Drawn:
    chance = scene.chance
    ppm = chance.scale(100, MOST_PPM) * (1 if chance.one_in(2) else -1)
    return Drawn(for_a_while(scene), (chance.pick(scene.hosts),), {"ppm": ppm})


def _rate(world: "World", fault: Fault) -> Undo | None:
    host = HostName(fault.targets[0])
    world.set_clock(host, fault.values["ppm"])
    return partial(world.set_clock, host, world.machines[host].clock.usual_ppm)


def _draw_jump(scene: Scene) -> Drawn:
    by = scene.chance.between(-HOUR, HOUR)
    return Drawn(for_a_while(scene), (scene.chance.pick(scene.hosts),), {"by": by})


def _jump(world: "World", fault: Fault) -> Undo | None:
    """The wall clock alone: nothing may come of it."""
    clock, by = world.machines[HostName(fault.targets[0])].clock, fault.values["by"]
    clock.jump(by)
    return partial(clock.jump, -by)


CLOCKS = Family("clocks", (Kind("rate", _draw_rate, _rate), Kind("jump", _draw_jump, _jump, 1)), 1)
