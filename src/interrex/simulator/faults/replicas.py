"""Replicas and balancers: dying, hanging, ill, slow, leaking, deaf, leaving children, all
together."""

from functools import partial
from typing import TYPE_CHECKING

from interrex.core.ids import BALANCER, ServiceName
from interrex.core.time import MS, S
from interrex.simulator.faults.kind import (
    Drawn,
    Family,
    Kind,
    Scene,
    Undo,
    for_a_while,
    over_at_once,
)
from interrex.simulator.machine import KILLED, Machine
from interrex.simulator.observation import Cause
from interrex.simulator.plan import Fault
from interrex.simulator.replica import Habits, Process

if TYPE_CHECKING:
    from interrex.simulator.world import World

MOST_TO_FOLLOW = 1200 * MS
"""Typically (ns): never longer than a worker lets a balancer take."""


def _a_service(scene: Scene) -> ServiceName:
    return scene.chance.pick((*scene.services, BALANCER))


def _draw_one(scene: Scene) -> Drawn:
    """One process of a service: its number is taken modulo how many there are then."""
    values = {"number": scene.chance.below(1000)}
    return Drawn(for_a_while(scene), (_a_service(scene),), values)


def _draw_all(scene: Scene) -> Drawn:
    return Drawn(for_a_while(scene), (scene.chance.pick(scene.services),))


def _processes(world: "World", fault: Fault) -> list[tuple[Machine, Process]]:
    return [
        (machine, process)
        for machine in world.machines.values()
        for _, process in sorted(machine.processes.items())
        if process.service in fault.targets
    ]


def _chosen(world: "World", fault: Fault) -> tuple[Machine, Process] | None:
    found = _processes(world, fault)
    return found[fault.values["number"] % len(found)] if found else None


def _kill(world: "World", fault: Fault) -> Undo | None:
    chosen = _chosen(world, fault)
    if chosen is None:
        return None
    machine, process = chosen
    machine.end(process, KILLED, Cause.FAULT)
    return over_at_once


def _kill_all(world: "World", fault: Fault) -> Undo | None:
    found = _processes(world, fault)
    for machine, process in found:
        machine.end(process, KILLED, Cause.FAULT)
    return over_at_once if found else None


def _hang(world: "World", fault: Fault) -> Undo | None:
    chosen = _chosen(world, fault)
    return _worsen([chosen[1]], "hung") if chosen is not None else None


def _wedge(world: "World", fault: Fault) -> Undo | None:
    """It hangs until it is killed."""
    chosen = _chosen(world, fault)
    if chosen is None:
        return None
    chosen[1].hung += 1
    return over_at_once


def _hang_all(world: "World", fault: Fault) -> Undo | None:
    return _worsen([process for _, process in _processes(world, fault)], "hung")


def _ill(world: "World", fault: Fault) -> Undo | None:
    chosen = _chosen(world, fault)
    return _worsen([chosen[1]], "ill") if chosen is not None else None


def _draw_listener(scene: Scene) -> Drawn:
    """One process of a service, for a while or until it ends."""
    chance = scene.chance
    values = {"number": chance.below(1000), "for_good": chance.below(2)}
    return Drawn(for_a_while(scene), (chance.pick(scene.services),), values)


def _refuses(world: "World", fault: Fault) -> Undo | None:
    """It lives, and accepts no connection."""
    chosen = _chosen(world, fault)
    undo = _worsen([chosen[1]], "refuses") if chosen is not None else None
    return over_at_once if undo is not None and fault.values["for_good"] else undo


def _draw_slow(scene: Scene) -> Drawn:
    chance = scene.chance
    values = {"number": chance.below(1000), "by": chance.scale(10 * MS, 3 * S)}
    return Drawn(for_a_while(scene), (chance.pick(scene.services),), values)


def _slow(world: "World", fault: Fault) -> Undo | None:
    """It answers, and takes long for it: longer than a check waits, perhaps."""
    chosen = _chosen(world, fault)
    return _worsen([chosen[1]], "slow", fault.values["by"]) if chosen is not None else None


def _draw_leak(scene: Scene) -> Drawn:
    """How long until the limit, and how often of a thousand times that ends the process; of one, or
    of all and those that start meanwhile."""
    chance = scene.chance
    values = {
        "number": chance.below(1000),
        "leaks": chance.scale(100 * MS, 10 * S),
        "ends_at_limit": chance.pick((0, 500, 1000, 1000)),
        "all": chance.below(2),
    }
    return Drawn(for_a_while(scene), (_a_service(scene),), values)


def _leak(world: "World", fault: Fault) -> Undo | None:
    """They take ever more memory until there is no more: then they end, or nothing works in them
    any more until they are ended."""
    found, chosen = _processes(world, fault), _chosen(world, fault)
    habits = world.habits_of(ServiceName(fault.targets[0]))
    leaks, ends, everyone = (fault.values[key] for key in ("leaks", "ends_at_limit", "all"))
    if chosen is None or habits.leaks:
        return None
    for machine, process in found if everyone else [chosen]:
        machine.leak(process, leaks, ends)
    if everyone:
        habits.leaks, habits.ends_at_limit = leaks, ends

    def undo() -> None:
        if everyone:
            habits.leaks = 0
        for _, process in _processes(world, fault) if everyone else [chosen]:
            process.leaking = False

    return undo


def _worsen(processes: list[Process], what: str, by: int = 1) -> Undo | None:
    def add(by: int) -> None:
        for process in processes:
            setattr(process, what, getattr(process, what) + by)

    add(by)
    return partial(add, -by) if processes else None


def _habit(habit: str, world: "World", fault: Fault) -> Undo | None:
    """The processes that start from now on behave so, for a while; one dies, so that one does.

    Of two at one time the first to end ends both.
    """
    habits = world.habits_of(ServiceName(fault.targets[0]))
    setattr(habits, habit, fault.values[habit])
    for machine, process in _processes(world, fault)[:1]:
        machine.end(process, KILLED, Cause.FAULT)
    return partial(setattr, habits, habit, getattr(Habits(), habit))


def _habit_kind(name: str, habit: str, least: int, most: int) -> Kind:
    def draw(scene: Scene) -> Drawn:
        value = {habit: scene.chance.scale(least, most)}
        return Drawn(for_a_while(scene), (_a_service(scene),), value)

    return Kind(name, draw, partial(_habit, habit), weight=2)


def _draw_slow_routes(scene: Scene) -> Drawn:
    """A table takes up to so long, or fails so often."""
    chance = scene.chance
    slow = chance.scale(10 * MS, MOST_TO_FOLLOW) if chance.one_in(2) else 0
    values = {
        "follows_in": slow,
        "fails_to_follow": 0 if slow else chance.between(200, 1000),
        "number": chance.below(1000),
    }
    return Drawn(for_a_while(scene), (chance.pick(scene.services),), values)


def _slow_routes(world: "World", fault: Fault) -> Undo | None:
    """Balancers are slow to follow their routes, or cannot for a while, just as a replica dies and
    comes back."""
    habits, chosen = world.habits_of(BALANCER), _chosen(world, fault)
    if habits.follows_in or habits.fails_to_follow or chosen is None:
        return None
    habits.follows_in = fault.values["follows_in"]
    habits.fails_to_follow = fault.values["fails_to_follow"]
    machine, process = chosen
    machine.end(process, KILLED, Cause.FAULT)

    def undo() -> None:
        habits.follows_in = habits.fails_to_follow = 0

    return undo


def _draw_dependency(scene: Scene) -> Drawn:
    """Often until everything is healed: then only who is tried now and then finds it back."""
    chance = scene.chance
    lasts = 60 * S if chance.one_in(3) else for_a_while(scene)
    values = {"needs_dependency": chance.pick((0, 500, 1000, 1000))}
    return Drawn(lasts, (chance.pick(scene.services),), values)


def _dependency(world: "World", fault: Fault) -> Undo | None:
    """What all replicas of a service need is down: they are ill together, or end together."""
    habits = world.habits_of(ServiceName(fault.targets[0]))
    habits.dependency_down += 1
    habits.needs_dependency = fault.values["needs_dependency"]
    if habits.needs_dependency == 1000:
        for machine, process in _processes(world, fault):
            machine.end(process, 1, Cause.OWN)

    def undo() -> None:
        habits.dependency_down -= 1

    return undo


def _flip_record(world: "World", fault: Fault) -> Undo | None:
    """The record of a slot is damaged: whoever claims it next must look for the process."""
    chosen = _chosen(world, fault)
    if chosen is None:
        return None
    machine, process = chosen
    machine.records[process.slot].corrupt = True
    return over_at_once


REPLICAS = Family(
    "replicas",
    (
        Kind("kill", _draw_one, _kill, weight=8),
        Kind("kill-all", _draw_all, _kill_all, weight=2),
        Kind("hang", _draw_one, _hang),
        Kind("wedge", _draw_one, _wedge, weight=2),
        Kind("hang-all", _draw_all, _hang_all, weight=1),
        Kind("ill", _draw_one, _ill),
        Kind("refuses", _draw_listener, _refuses, weight=2),
        Kind("slow", _draw_slow, _slow, weight=2),
        Kind("leak", _draw_leak, _leak),
        _habit_kind("slow-start", "start", 100 * MS, 12 * S),
        _habit_kind("slow-stop", "stop", 100 * MS, 5 * S),
        _habit_kind("ignores-term", "ignores_term", 200, 1000),
        _habit_kind("fails-to-start", "fails_to_start", 100, 1000),
        _habit_kind("crashes", "crashes_after", 50 * MS, 10 * S),
        _habit_kind("forks", "forks", 200, 1000),
        _habit_kind("never-well", "ill", 200, 1000),
        Kind("dependency", _draw_dependency, _dependency, weight=8),
        Kind("flip-record", _draw_one, _flip_record, weight=2),
        Kind("slow-routes", _draw_slow_routes, _slow_routes),
    ),
    weight=5,
)
