"""The service outside that an election rests on: away, cut off, slow, forgetful, reset."""

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from interrex.core.ids import ServiceName, WorkerName
from interrex.core.state import Scale
from interrex.core.time import MS, S, seconds
from interrex.elections.coordinated.memory import ACKNOWLEDGED, Acknowledged
from interrex.simulator.coordination.ensemble import Ensemble, Server
from interrex.simulator.coordination.ways import Way
from interrex.simulator.faults.clocks import MOST_PPM
from interrex.simulator.faults.kind import (
    LEADER,
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
from interrex.simulator.faults.users import CLIENT
from interrex.simulator.network import Lane
from interrex.simulator.observation import Cause
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World

LEADERS, HOLDERS = -1, -2
"""As a server: the coordination service's own leader; the one that the fleet's leader uses."""


def _service(world: "World") -> Ensemble:
    assert world.coordination is not None, (
        "these faults are drawn where there is a coordination service"
    )
    return world.coordination


def _draw_server(scene: Scene) -> Drawn:
    chance = scene.chance
    number = chance.pick((LEADERS, HOLDERS, chance.below(5)))
    return Drawn(for_a_while(scene), values={"server": number})


def _server(world: "World", fault: Fault) -> Server | None:
    service, number = _service(world), fault.values["server"]
    if number == LEADERS:
        return service.leader
    if number == HOLDERS:
        leader = world.leader()
        return service.holder_of(leader.worker) if leader is not None else None
    return service.servers[number % len(service.servers)]


def _stop_server(world: "World", fault: Fault) -> Undo | None:
    server = _server(world, fault)
    if server is None or not server.up:
        return None
    _service(world).stop(server)
    return partial(_service(world).start, server)


def _part_server(world: "World", fault: Fault) -> Undo | None:
    """It hears the others no more, and still talks with its clients."""
    server = _server(world, fault)
    if server is None:
        return None
    _service(world).part(server)
    return partial(_service(world).join, server)


def _draw_unasked(scene: Scene) -> Drawn:
    return Drawn(scene.chance.between(3 * S, 10 * S), values={"server": HOLDERS})


def _part_unasked(world: "World", fault: Fault) -> Undo | None:
    """The leader's server hears the others no more, while nobody asks for a change: what a server
    answers alone holds up nothing that needs the majority."""
    join = _part_server(world, fault)
    if join is None:
        return None
    world.clients.rests += 1

    def undo() -> None:
        world.clients.rests -= 1
        join()

    return undo


def _draw_away(scene: Scene) -> Drawn:
    return Drawn(scene.chance.scale(100 * MS, 12 * S))


def _away(world: "World", fault: Fault) -> Undo | None:
    """All of its servers have ended."""
    service = _service(world)
    stopped = [server for server in service.servers if server.up]
    for server in stopped:
        service.stop(server)

    def undo() -> None:
        for server in stopped:
            service.start(server)

    return undo if stopped else None


def _draw_at_one(scene: Scene) -> Drawn:
    return Drawn(for_a_while(scene), (a_worker(scene),))


def _ways(world: "World", fault: Fault) -> list[Way]:
    workers = [world.faults.worker(target) for target in fault.targets]
    return [
        way for worker in workers if worker is not None for way in _service(world).ways_of(worker)
    ]


def _cut(lanes: list[Lane]) -> Undo | None:
    for lane in lanes:
        lane.cuts += 1

    def undo() -> None:
        for lane in lanes:
            lane.cuts -= 1

    return undo if lanes else None


def _unreachable(world: "World", fault: Fault) -> Undo | None:
    """A worker reaches none of the servers, which nobody tells it."""
    return _cut([lane for way in _ways(world, fault) for lane in (way.there, way.back)])


def _deaf(world: "World", fault: Fault) -> Undo | None:
    """What a worker asks is done, and no answer arrives."""
    return _cut([way.back for way in _ways(world, fault)])


def _mute(world: "World", fault: Fault) -> Undo | None:
    """Nothing that a worker asks arrives."""
    return _cut([way.there for way in _ways(world, fault)])


def _draw_unreachable(scene: Scene) -> Drawn:
    """Often for longer than any session."""
    return Drawn(scene.chance.scale(200 * MS, 12 * S), (a_worker(scene),))


def _draw_late_writes(scene: Scene) -> Drawn:
    chance = scene.chance
    values = {
        "extra": chance.scale(5 * MS, S),
        "changes": chance.between(1, 8),
        "kills_after": chance.scale(MS, 100 * MS),
    }
    return Drawn(2 * S, (chance.pick(scene.services),), values)


def _late_writes(world: "World", fault: Fault) -> Undo | None:
    """The leader is killed while what it writes is under way: that arrives all the same, later."""
    leader, values = world.leader(), fault.values
    if leader is None:
        return None
    lanes = [way.there for way in _service(world).ways_of(leader.worker)]
    for lane in lanes:
        lane.extra += values["extra"]
    for number in range(values["changes"]):
        scale = Scale(ServiceName(fault.targets[0]), 1 + number % 6)
        world.clients.change(CLIENT + fault.number, leader, (scale,))
    kill = partial(world.end, leader, Cause.FAULT, "killed while it wrote")
    world.agenda.after(values["kills_after"], kill)

    def undo() -> None:
        for lane in lanes:
            lane.extra -= values["extra"]

    return undo


def _draw_fading(scene: Scene) -> Drawn:
    """Answers take a good part of what a client waits for them."""
    chance = scene.chance
    patience = seconds(scene.spec.etcd.timeout) if scene.spec.election == "etcd" else S
    values = {
        "extra": patience * chance.between(60, 95) // 100,
        "mute_after": chance.scale(500 * MS, 4 * S),
    }
    target = chance.pick(scene.workers) if chance.one_in(3) else LEADER
    return Drawn(values["mute_after"] + chance.scale(2 * S, 12 * S), (target,), values)


def _fading(world: "World", fault: Fault) -> Undo | None:
    """Answers arrive late; then nothing that is asked arrives any more."""
    ways, values = _ways(world, fault), fault.values
    cut: Undo | None = None
    over = False

    def mute() -> None:
        nonlocal cut
        if not over:
            cut = _cut([way.there for way in ways])

    def undo() -> None:
        nonlocal over
        over = True
        for way in ways:
            way.back.extra -= values["extra"]
        if cut is not None:
            cut()

    for way in ways:
        way.back.extra += values["extra"]
    world.agenda.after(values["mute_after"], mute)
    return undo if ways else None


def _draw_behind(scene: Scene) -> Drawn:
    chance = scene.chance
    lasts = chance.scale(100 * MS, 3 * S)
    values = {
        "changes": chance.scale(2, 64),
        "kills_after": lasts + chance.scale(MS, 500 * MS),
        "loss": chance.below(501) if chance.one_in(2) else 0,
    }
    return Drawn(lasts + 2 * S, (chance.pick(scene.services),), {"deaf": lasts, **values})


def _behind(world: "World", fault: Fault) -> Undo | None:
    """While the leader writes, nobody else hears of it; then all hear again, and the leader dies.

    ``loss``: so many of the answers (per mille) are lost from then on.
    """
    leader, values = world.leader(), fault.values
    if leader is None:
        return None
    others = [worker for worker in world.homes if worker != leader.worker]
    lanes = [way.back for worker in others for way in _service(world).ways_of(worker)]
    hear = _cut(lanes)
    if hear is None:
        return None
    for number in range(values["changes"]):
        scale = Scale(ServiceName(fault.targets[0]), 1 + number % 6)
        world.clients.change(CLIENT + fault.number, leader, (scale,))
    is_deaf = True

    def lose(times: int) -> None:
        for lane in lanes:
            lane.loss += times * values["loss"]

    def hear_again() -> None:
        nonlocal is_deaf
        if is_deaf:
            is_deaf = False
            hear()
            lose(1)

    def undo() -> None:
        hear_again()
        lose(-1)

    kill = partial(world.end, leader, Cause.FAULT, "killed while the others were behind")
    world.agenda.after(values["deaf"], hear_again)
    world.agenda.after(values["kills_after"], kill)
    return undo


def _draw_bad_ways(scene: Scene) -> Drawn:
    """One worker's ways, or everybody's."""
    chance = scene.chance
    targets = (a_worker(scene),) if chance.one_in(2) else tuple(scene.workers)
    values = {
        "extra": chance.scale(MS, S) if chance.one_in(2) else 0,
        "there": chance.below(301) if chance.one_in(2) else 0,
        "back": chance.below(301) if chance.one_in(2) else 0,
    }
    return Drawn(for_a_while(scene), targets, values)


def _bad_ways(world: "World", fault: Fault) -> Undo | None:
    """Late, and connections that end before a question was done, or after."""
    ways, values = _ways(world, fault), fault.values

    def worsen(times: int) -> None:
        for way in ways:
            way.there.loss += times * values["there"]
            way.back.loss += times * values["back"]
            way.there.extra += times * values["extra"]
            way.back.extra += times * values["extra"]

    worsen(1)
    return partial(worsen, -1) if ways else None


def _reset(world: "World", fault: Fault) -> Undo | None:
    worker = world.faults.worker(fault.targets[0])
    done = worker is not None and _service(world).reset(WorkerName(worker))
    return over_at_once if done else None


def _draw_slow(scene: Scene) -> Drawn:
    chance = scene.chance
    values = {"commit": chance.scale(MS, S), "lag": chance.scale(MS, 2 * S)}
    return Drawn(for_a_while(scene), values=values)


def _slow(world: "World", fault: Fault) -> Undo | None:
    """Its servers agree slowly, and lag behind."""
    service = _service(world)
    usual = (service.commit, service.lag)

    def be(commit: int, lag: int) -> None:
        service.commit, service.lag = commit, lag

    be(max(usual[0], fault.values["commit"]), max(usual[1], fault.values["lag"]))
    conditions = world.conditions.coordination
    return partial(be, conditions.commit, conditions.lag)


def _draw_rate(scene: Scene) -> Drawn:
    chance = scene.chance
    ppm = chance.scale(100, MOST_PPM) * (1 if chance.one_in(2) else -1)
    return Drawn(for_a_while(scene), values={"ppm": ppm})


def _rate(world: "World", fault: Fault) -> Undo | None:
    service = _service(world)
    service.run_at(fault.values["ppm"])
    return partial(service.run_at, world.conditions.coordination.ppm)


def _draw_nothing(scene: Scene) -> Drawn:
    return Drawn()


def _forget(world: "World", fault: Fault) -> Undo | None:
    """It keeps nothing of what has been; not all do in the first place."""
    return over_at_once if _service(world).forget() else None


def _draw_emptied(scene: Scene) -> Drawn:
    """Half of the time all workers start after it."""
    chance, workers = scene.chance, scene.workers
    count = len(workers) if chance.one_in(2) else chance.below(len(workers))
    lasts = chance.scale(2 * S, 12 * S)
    values = {"kills_after": chance.below(lasts)}
    return Drawn(lasts, tuple(chance.shuffled(workers)[:count]), values)


def _emptied(world: "World", fault: Fault) -> Undo | None:
    """It loses its data, workers start after that, and all is put back in the end.

    Not where a worker's disk remembers nothing yet, or is to lose that.
    """
    service = _service(world)
    remembered = all(_remembers(world, worker) for worker in world.homes)
    if service.is_emptied or world.harm.is_pending or not remembered:
        return None

    def kill() -> None:
        for target in fault.targets:
            node = node_of(world, target)
            if node is not None:
                world.end(node, Cause.FAULT, "killed while the service was empty")

    world.agenda.after(fault.values["kills_after"], kill)
    return service.lose_data()


def _remembers(world: "World", worker: WorkerName) -> bool:
    kept = world.disks[worker].contents.facts.get(ACKNOWLEDGED, b"")
    return bool(kept) and msgspec.msgpack.decode(kept, type=Acknowledged).index > 0


COORDINATION = Family(
    "coordination",
    (
        Kind("away", _draw_away, _away, weight=2),
        Kind("server-stopped", _draw_server, _stop_server),
        Kind("server-apart", _draw_server, _part_server),
        Kind("unasked", _draw_unasked, _part_unasked, weight=3),
        Kind("unreachable", _draw_unreachable, _unreachable, weight=6),
        Kind("late-writes", _draw_late_writes, _late_writes),
        Kind("fading", _draw_fading, _fading, weight=8),
        Kind("behind", _draw_behind, _behind, weight=8),
        Kind("deaf", _draw_at_one, _deaf),
        Kind("mute", _draw_at_one, _mute),
        Kind("bad-ways", _draw_bad_ways, _bad_ways, weight=6),
        Kind("reset", _draw_at_one, _reset, weight=2),
        Kind("slow", _draw_slow, _slow, weight=2),
        Kind("rate", _draw_rate, _rate, weight=1),
        Kind("forgets", _draw_nothing, _forget, weight=2),
        Kind("emptied", _draw_emptied, _emptied),
    ),
    weight=12,
)
"""Drawn only where the election rests on a coordination service."""
