"""What users ask for, at the worst moment: just when a leader ends, or again and again."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from interrex.core.ids import HostName, ServiceName, WorkerName
from interrex.core.quorum import MAX_VOTERS
from interrex.core.spec import ClusterSpec, HostSpec
from interrex.core.state import ApplySpec, Operation, Restart, Scale, workers_of
from interrex.core.time import MS, S, seconds
from interrex.elections.guarantees import guarantees_of
from interrex.simulator.faults.kind import Drawn, Family, Kind, Scene, Undo, over_at_once
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World

CLIENT = 100
"""These clients are none of the usual ones."""
MOST_WORKERS = MAX_VOTERS
MOST_REPLICAS = 12
TOO_MANY_REPLICAS = 10_000
ASKED_AGAIN = 500 * MS


def _when(scene: Scene, targets: tuple[str, ...], values: dict[str, int]) -> Drawn:
    """At any time, or when a leader ends, which is waited for."""
    when = "leader-ends" if scene.chance.one_in(2) else ""
    after = scene.chance.scale(1, 300 * MS) if when else 0
    return Drawn(0, targets, {**values, "after": after}, when)


def _draw_scale(scene: Scene) -> Drawn:
    service = scene.chance.pick(scene.services)
    return _when(scene, (service,), {"replicas": scene.chance.between(1, MOST_REPLICAS)})


def _ask(world: "World", fault: Fault, *operations: Operation) -> Undo | None:
    running = world.running()
    if not running:
        return None
    node = world.faults.chance.pick(running)
    world.clients.change(CLIENT + fault.number, node, operations)
    return over_at_once


def _scale(world: "World", fault: Fault) -> Undo | None:
    return _ask(world, fault, Scale(ServiceName(fault.targets[0]), fault.values["replicas"]))


def _draw_restart(scene: Scene) -> Drawn:
    return _when(scene, (scene.chance.pick(scene.services),), {})


def _restart(world: "World", fault: Fault) -> Undo | None:
    return _ask(world, fault, Restart(ServiceName(fault.targets[0])))


def _draw_renewal(scene: Scene) -> Drawn:
    return _when(scene, (scene.chance.pick(scene.services),), {"version": scene.chance.below(1000)})


def _renewal(world: "World", fault: Fault) -> Undo | None:
    """A file in which one service's program has changed."""
    spec = _newest(world)
    name = ServiceName(fault.targets[0])
    service = spec.services.get(name)
    if service is None:
        return None
    command = (*service.command[:2], str(fault.values["version"]))
    changed = {**spec.services, name: msgspec.structs.replace(service, command=command)}
    return _ask(world, fault, ApplySpec(msgspec.structs.replace(spec, services=changed)))


def _removal(world: "World", fault: Fault) -> Undo | None:
    changed = _with_or_without(world, ServiceName(fault.targets[0]))
    return _ask(world, fault, ApplySpec(changed)) if changed is not None else None


def _with_or_without(world: "World", name: ServiceName) -> ClusterSpec | None:
    """A file without one of the services, or with it again; None where there is no other one."""
    spec = _newest(world)
    services = dict(spec.services)
    if name not in services:
        services[name] = world.spec.services[name]
    elif len(services) > 1:
        del services[name]
    else:
        return None
    return msgspec.structs.replace(spec, services=services)


def _draw_misfit(scene: Scene) -> Drawn:
    """Only bad times: too many replicas, asked of a worker that does not know the service yet, are
    taken, and a fleet of so many is not simulated in any time."""
    values = {"way": 0, "replicas": scene.chance.between(1, MOST_REPLICAS)}
    return _when(scene, (scene.chance.pick(scene.services),), values)


def _misfit(world: "World", fault: Fault) -> Undo | None:
    """What no fleet can be: ``way`` 0: a file by whose times nobody can be elected, and which has
    other replicas, too; 1: more replicas than a message can name."""
    spec, name = _newest(world), ServiceName(fault.targets[0])
    service = spec.services.get(name)
    if service is None:
        return None
    if fault.values["way"]:
        return _ask(world, fault, Scale(name, TOO_MANY_REPLICAS))
    changed = msgspec.structs.replace(service, replicas=fault.values["replicas"])
    times = msgspec.structs.replace(spec.timing, heartbeat=2 * spec.timing.election_timeout)
    unfit = msgspec.structs.replace(spec, timing=times, services={**spec.services, name: changed})
    return _ask(world, fault, ApplySpec(unfit))


def _draw_workers(scene: Scene) -> Drawn:
    return _when(scene, (), {"workers": scene.chance.between(1, MOST_WORKERS)})


def ask_for_workers(world: "World", fault: Fault) -> Undo | None:
    """A file with more or fewer workers, on one machine."""
    spec = _newest(world)
    if spec.hosts:
        return None
    changed = msgspec.structs.replace(spec, workers=_near(spec, fault))
    leaving = workers_of(spec).keys() - workers_of(changed).keys()
    if leaving and not world.harm.lets_leave(*sorted(leaving)):
        return None
    return _ask(world, fault, ApplySpec(changed))


def _on_one_machine(spec: ClusterSpec) -> bool:
    return not spec.hosts


def _on_hosts(spec: ClusterSpec) -> bool:
    """Where the log is outside, a host asks nobody before it is let in: that is the runtime's."""
    return bool(spec.hosts) and not guarantees_of(spec).coordinated


def _on_three_hosts(spec: ClusterSpec) -> bool:
    return len(spec.hosts) > 2 and _on_hosts(spec)


def _draw_hosts(scene: Scene) -> Drawn:
    """One of the hosts, or one more."""
    names = (*scene.hosts, HostName(f"host{len(scene.hosts) + 1}"))
    values = {"workers": scene.chance.between(1, 2), "another": scene.chance.below(2)}
    return _when(scene, (scene.chance.pick(names),), values)


def _hosts(world: "World", fault: Fault) -> Undo | None:
    """A file without one of the hosts, or with ``another`` one in its place, or with it again, or
    with a new one. Those that come are started.

    A host that is still being left is not taken back, and one that comes has an empty folder.
    """
    if world.leader() is None:
        return None
    name, spec = HostName(fault.targets[0]), _newest(world)
    others = tuple(host for host in spec.hosts if host.name != name)
    if len(others) == len(spec.hosts):
        return _come(world, fault, others, name)
    if fault.values.get("another"):
        return _come(world, fault, others, _new_host(world))
    if not others or not _may_leave(world, others):
        return None
    return _ask(world, fault, ApplySpec(msgspec.structs.replace(spec, hosts=others)))


def _draw_move(scene: Scene) -> Drawn:
    stage = scene.chance.scale(S, 6 * S)
    return Drawn(2 * stage, (), {"workers": scene.chance.between(1, 2), "stage": stage})


def _move(world: "World", fault: Fault) -> Undo | None:
    """A new host takes the place of all there are; a while later another one takes its place. Who
    leads then is on a host with which nobody began, and that nobody names any more."""
    over = False

    def go_on() -> None:
        if not over:
            _come(world, fault, (), _new_host(world))

    def undo() -> None:
        nonlocal over
        over = True

    if len(world.spec.hosts) > 1 and not guarantees_of(world.spec).quorum:
        return None  # a known defect: docs/simulator.md
    if _come(world, fault, (), _new_host(world)) is None:
        return None
    world.agenda.after(fault.values["stage"], go_on)
    return undo


def _draw_abandoned(scene: Scene) -> Drawn:
    """Until the end of the faults, or for a shorter while."""
    chance = scene.chance
    values = {
        "way": chance.pick((0, 1, 2, 2, 2)),
        "workers": chance.between(1, 2),
        "another": chance.below(2),
        "leaves": chance.below(1000),
        "grows_after": chance.scale(500 * MS, 4 * S),
    }
    lasts = chance.scale(10 * S, 40 * S)
    return Drawn(lasts, tuple(chance.shuffled(scene.hosts)[:2]), values)


def _abandoned(world: "World", fault: Fault) -> Undo | None:
    """A host goes without a word, and is taken from the file together with another one, in whose
    place a new one may come.

    ``way``: it loses power and never comes back, or it does so in the end, or it is cut off, and
    its balancers go on by what they were told last.
    """
    lost, left = map(HostName, fault.targets)
    there = [worker for worker, home in world.homes.items() if home == lost]
    rest = _without(world, lost, left)
    if len(rest) + 2 > len(_newest(world).hosts) or not rest or not world.machines[lost].on:
        return None
    if world.leader() is None or not world.harm.allows(*there) or not _may_leave(world, rest):
        return None
    world.agenda.after(MS, _insist, world, fault)
    if fault.values["way"] == 2:
        return _cut_off(world, fault, there)
    world.lose_machine(lost)
    if fault.values["way"] == 1:
        return partial(world.return_machine, lost)
    world.gone.add(lost)
    for worker in there:
        world.harm.risked(worker)
    return over_at_once


def _insist(world: "World", fault: Fault) -> None:
    """Asks whoever leads for a file without the two, and again where it names the lost one still,
    or once more: another's file may have been made from an older one."""
    lost, left = map(HostName, fault.targets)
    leader = world.leader()
    world.agenda.after(ASKED_AGAIN, _insist, world, fault)
    if leader is None or leader.core is None or leader.host == lost:
        return
    voters = {member.worker for member in leader.core.election.members}
    for worker, home in world.homes.items() if lost in world.gone else ():
        if home == lost and worker not in voters:
            world.harm.risk_is_over(worker)
    spec = leader.core.state.spec
    if any(host.name == lost for host in spec.hosts):
        rest = _without(world, lost, left) or _without(world, lost)
        if not fault.values["another"] or _come(world, fault, rest, _new_host(world)) is None:
            changed = msgspec.structs.replace(spec, hosts=rest)
            world.clients.change(CLIENT + fault.number, leader, (ApplySpec(changed),))


def _without(world: "World", *names: HostName) -> tuple[HostSpec, ...]:
    return tuple(host for host in _newest(world).hosts if host.name not in names)


def _cut_off(world: "World", fault: Fault, there: list[WorkerName]) -> Undo:
    """All ways between these workers and the others. Once they count as lost, ports that their
    balancers send to are left and asked for."""
    others = [worker for worker in world.homes if worker not in there]
    ways = [way for me in there for other in others for way in ((me, other), (other, me))]
    over = False
    for sender, receiver in ways:
        world.network.cut(sender, receiver)

    def leave() -> None:
        services = sorted(world.spec.services)
        if over or len(services) < 2 or "leaves" not in fault.values:
            return
        leaving = services.pop(fault.values["leaves"] % len(services))
        _ask_leader_for(world, fault, leaving)
        world.agenda.after(fault.values["grows_after"], grow, leaving, services[0])

    def grow(leaving: ServiceName, growing: ServiceName) -> None:
        leader = world.leader()
        if not over and leader is not None:
            scale = Scale(growing, MOST_REPLICAS)
            world.clients.change(CLIENT + fault.number, leader, (scale,))
            world.agenda.after(S, come_back, leaving)

    def come_back(leaving: ServiceName) -> None:
        if not over:
            _ask_leader_for(world, fault, leaving)

    world.agenda.after(seconds(world.spec.timing.lost_host) + S, leave)

    def undo() -> None:
        nonlocal over
        over = True
        for sender, receiver in ways:
            world.network.mend(sender, receiver)

    return undo


def _ask_leader_for(world: "World", fault: Fault, service: ServiceName) -> None:
    """A file without this service, or with it again."""
    leader, changed = world.leader(), _with_or_without(world, service)
    if leader is not None and changed is not None:
        world.clients.change(CLIENT + fault.number, leader, (ApplySpec(changed),))


def _new_host(world: "World") -> HostName:
    return HostName(f"host{len(world.machines) + 1}")


def _may_leave(world: "World", others: Sequence[HostSpec]) -> bool:
    stay = {host.name for host in others}
    leaving = [worker for worker, home in world.homes.items() if home not in stay]
    return world.harm.lets_leave(*leaving)


def _come(
    world: "World", fault: Fault, others: tuple[HostSpec, ...], name: HostName
) -> Undo | None:
    """A file with these hosts, and with one that comes and is started."""
    workers = fault.values["workers"]
    there = sum(host.workers for host in others)
    if world.leader() is None or not world.is_left(name) or there + workers > MOST_WORKERS:
        return None
    if not _may_leave(world, others):
        return None
    address = f"10.0.0.{name.removeprefix('host')}:7000"
    new = HostSpec(name=name, address=address, workers=workers)
    changed = msgspec.structs.replace(_newest(world), hosts=(*others, new))
    asked = _ask(world, fault, ApplySpec(changed))
    if asked is not None:
        world.add_host(new, changed)
    return asked


def _near(spec: ClusterSpec, fault: Fault) -> int:
    """One more or one less than now: a file is edited step by step."""
    wanted = fault.values["workers"]
    return spec.workers + (1 if wanted > spec.workers else -1 if wanted < spec.workers else 0)


def _newest(world: "World") -> ClusterSpec:
    leader = world.leader()
    return leader.core.state.spec if leader is not None and leader.core else world.spec


def _draw_hand_over(scene: Scene) -> Drawn:
    chance = scene.chance
    successor = (chance.pick(scene.workers),) if chance.one_in(2) else ()
    return Drawn(targets=successor)


def _hand_over(world: "World", fault: Fault) -> Undo | None:
    running = world.running()
    if not running:
        return None
    successor = WorkerName(fault.targets[0]) if fault.targets else None
    world.clients.hand_over(CLIENT, world.faults.chance.pick(running), successor)
    return over_at_once


def _leave(world: "World", fault: Fault) -> Undo | None:
    """A worker is asked to stop all that it supervises, and to end; then it is started again."""
    node = world.nodes.get(WorkerName(fault.targets[0]))
    if node is None or node.core is None:
        return None
    world.clients.leave(node)
    return over_at_once


def _draw_leave(scene: Scene) -> Drawn:
    return Drawn(targets=(scene.chance.pick(scene.workers),))


def _draw_stranded(scene: Scene) -> Drawn:
    values = {"changes": scene.chance.between(1, 8), "reset": scene.chance.below(2)}
    return Drawn(scene.chance.scale(50 * MS, 4 * S), (scene.chance.pick(scene.services),), values)


def _stranded(world: "World", fault: Fault) -> Undo | None:
    """The leader is cut off just as it takes changes: nobody else learns of them.

    ``reset``: its connections do not survive that.
    """
    leader = world.leader()
    others = [name for name in world.homes if leader is not None and name != leader.worker]
    if leader is None or not others:
        return None
    me = leader.worker
    ways = [way for other in others for way in ((me, other), (other, me))]
    for sender, receiver in ways:
        world.network.cut(sender, receiver)
    for number in range(fault.values["changes"]):
        scale = Scale(ServiceName(fault.targets[0]), 1 + number % 6)
        world.clients.change(CLIENT + fault.number, leader, (scale,))

    def undo() -> None:
        for sender, receiver in ways:
            world.network.mend(sender, receiver)
        for other in others if fault.values["reset"] else ():
            world.network.reset(me, other)

    return undo


def _draw_storm(scene: Scene) -> Drawn:
    chance = scene.chance
    values = {"every": chance.scale(MS, 100 * MS)}
    return Drawn(chance.scale(200 * MS, 3 * S), (chance.pick(scene.services),), values)


def _storm(world: "World", fault: Fault) -> Undo | None:
    """Changes and reads, one after another without a pause."""
    over, turns = False, 0

    def turn() -> None:
        nonlocal turns
        running = world.running()
        if over:
            return
        turns += 1
        if running:
            node = world.faults.chance.pick(running)
            if turns % 2:
                world.clients.read(CLIENT + fault.number, node)
            else:
                scale = Scale(ServiceName(fault.targets[0]), 1 + turns // 2 % 6)
                world.clients.change(CLIENT + fault.number, node, (scale,))
        world.agenda.after(fault.values["every"], turn)

    def undo() -> None:
        nonlocal over
        over = True

    turn()
    return undo


USERS = Family(
    "users",
    (
        Kind("scale", _draw_scale, _scale),
        Kind("restart", _draw_restart, _restart),
        Kind("renewal", _draw_renewal, _renewal, weight=2),
        Kind("removal", _draw_restart, _removal, weight=2),
        Kind("misfit", _draw_misfit, _misfit, weight=1),
        Kind("workers", _draw_workers, ask_for_workers, weight=2, where=_on_one_machine),
        Kind("hosts", _draw_hosts, _hosts, weight=6, where=_on_hosts),
        Kind("abandoned", _draw_abandoned, _abandoned, weight=12, where=_on_three_hosts),
        Kind("move", _draw_move, _move, weight=4, where=_on_hosts),
        Kind("hand-over", _draw_hand_over, _hand_over, weight=3),
        Kind("leave", _draw_leave, _leave, weight=1),
        Kind("stranded", _draw_stranded, _stranded, weight=3),
        Kind("storm", _draw_storm, _storm, weight=1),
    ),
)
