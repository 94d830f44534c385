"""A majority without the leader, and what comes after it.

What a leader took that was cut off, the majority without it never saw. Either the next majority has
as few in common with that one as majorities can: it knows from those alone what was agreed on. Or
the old leader leads again, and what it was answered before arrives only now. Or one that followed
it still writes what that leader sent when the next one's entries take its place. Or one whose disk
takes nothing any more learns what is agreed on, tells the next leader, and dies.
"""

from typing import TYPE_CHECKING

from interrex.core.ids import ServiceName, WorkerName
from interrex.core.state import Scale
from interrex.core.time import seconds
from interrex.simulator.faults.kind import Drawn, Scene, Undo, node_of
from interrex.simulator.faults.users import CLIENT
from interrex.simulator.network import Lane
from interrex.simulator.observation import Cause
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World


class _Cuts:
    """The ways that are cut just now."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._ways: list[tuple[WorkerName, WorkerName]] = []

    def leave(self, *parts: list[WorkerName]) -> None:
        """Cut all ways but those within a part."""
        self.mend()
        for one in self._world.homes:
            for other in self._world.homes:
                if one != other and not any({one, other} <= set(part) for part in parts):
                    self._world.network.cut(one, other)
                    self._ways.append((one, other))

    def mend(self) -> None:
        """Open them again."""
        for sender, receiver in self._ways:
            self._world.network.mend(sender, receiver)
        self._ways.clear()


def _others(world: "World", fault: Fault, leader: WorkerName) -> list[WorkerName]:
    """All but the leader, in the order that was drawn."""
    drawn = [WorkerName(target) for target in fault.targets[1:]]
    return [worker for worker in drawn if worker != leader and worker in world.homes]


def _ask_leader(world: "World", fault: Fault) -> None:
    """Ask whoever leads for some changes."""
    node = world.leader()
    if node is None:
        return
    for number in range(fault.values["changes"]):
        world.clients.change(CLIENT + fault.number, node, (_scale(fault, number),))


def _scale(fault: Fault, number: int) -> Scale:
    return Scale(ServiceName(fault.targets[0]), 1 + number % 6)


def draw_majorities(scene: Scene) -> Drawn:
    """Each of the two stages takes some election time-outs."""
    chance = scene.chance
    timeout = seconds(scene.spec.timing.election_timeout)
    stage = chance.between(4, 16) * timeout
    targets = (chance.pick(scene.services), *chance.shuffled(scene.workers))
    values = {"stage": stage, "changes": chance.between(1, 4), "hub": chance.below(3)}
    return Drawn(2 * stage, targets, values)


def change_majorities(world: "World", fault: Fault) -> Undo | None:
    """First a majority without the leader, and as many more as can be spared; then those, and of
    the first majority as few as it takes, but not the one that leads there.

    ``hub``, unless it is 0: of the second majority only one that has heard of nothing reaches all.
    So nobody else can be elected; and the first leader it hears last: what it must go by it has
    been told by then, and is told what is older.
    """
    leader = world.leader()
    if leader is None or len(world.homes) < 3:
        return None
    others = _others(world, fault, leader.worker)
    needed = len(world.homes) // 2 + 1
    first, spared = others[:needed], others[needed:]
    hub = spared[0] if spared and fault.values.get("hub") else None
    late: Lane | None = None
    cuts = _Cuts(world)

    def ask() -> None:
        if not over:
            _ask_leader(world, fault)

    def second() -> None:
        nonlocal late
        if over:
            return
        leads = world.leader()
        common = [worker for worker in first if leads is None or worker != leads.worker]
        part = [leader.worker, *spared]
        part += common[: needed - len(part)]
        if hub is None:
            cuts.leave(part)
        else:
            cuts.leave(*([hub, other] for other in part if other != hub))
            late = world.network.lane(leader.worker, hub)
            late.extra += lateness
        world.agenda.after(stage // 2, ask)

    over, stage = False, fault.values["stage"]
    lateness = seconds(world.spec.timing.election_timeout) // 4
    cuts.leave(first)
    ask()
    world.agenda.after(stage // 2, ask)
    world.agenda.after(stage, second)

    def undo() -> None:
        nonlocal over
        over = True
        if late is not None:
            late.extra -= lateness
        cuts.mend()

    return undo


def draw_late_answers(scene: Scene) -> Drawn:
    """The others take some election time-outs to elect one."""
    chance = scene.chance
    timeout = seconds(scene.spec.timing.election_timeout)
    values = {
        "stage": chance.between(3, 6) * timeout,
        "late": chance.between(timeout, 3 * timeout),
        "changes": chance.scale(8, 40),
    }
    targets = (chance.pick(scene.services), *chance.shuffled(scene.workers))
    return Drawn(values["stage"] + 6 * timeout, targets, values)


def answer_late(world: "World", fault: Fault) -> Undo | None:
    """The leader and one that follows it are cut off from the others, which elect another; then
    that one is asked to hand over to it. What the follower answered meanwhile arrives when it leads
    again, while what it sends reaches fewer than a majority in time."""
    leader = world.leader()
    if leader is None or len(world.homes) < 5:
        return None
    me = leader.worker
    follower, *rest = _others(world, fault, me)
    timeout, stage = seconds(world.spec.timing.election_timeout), fault.values["stage"]
    answers = [world.network.lane(follower, me)]
    slow = [follower, *rest[len(world.homes) // 2 - 1 :]]
    entries = [world.network.lane(me, worker) for worker in slow]
    cuts = _Cuts(world)
    late: list[tuple[Lane, int]] = []
    over = False

    def delay(lanes: list[Lane], by: int) -> None:
        for lane in lanes if not over else ():
            lane.extra += by
            late.append((lane, by))

    def in_time() -> None:
        for lane, by in late:
            lane.extra -= by
        late.clear()

    def lead_again() -> None:
        node = world.leader()
        if over:
            return
        if node is not None and node.worker == me:
            if not late:
                delay(entries, timeout // 2)
            world.clients.change(CLIENT + fault.number, node, (_scale(fault, 0),))
        elif node is not None:
            world.clients.hand_over(CLIENT, node, me)
        world.agenda.after(timeout // 8, lead_again)

    def meet() -> None:
        in_time()
        cuts.mend()
        lead_again()

    def undo() -> None:
        nonlocal over
        over = True
        in_time()
        cuts.mend()

    cuts.leave([me, follower], rest)
    _ask_leader(world, fault)
    world.agenda.after(timeout // 4, delay, answers, stage - timeout // 4 + fault.values["late"])
    world.agenda.after(stage, meet)
    return undo


def draw_overwritten(scene: Scene) -> Drawn:
    """The others take some election time-outs to elect one."""
    chance = scene.chance
    timeout = seconds(scene.spec.timing.election_timeout)
    stage = chance.between(3, 6) * timeout
    values = {"stage": stage, "sync": chance.between(2, 4) * stage, "changes": chance.between(1, 8)}
    targets = (chance.pick(scene.services), *chance.shuffled(scene.workers))
    return Drawn(stage + 2 * timeout, targets, values)


def overwrite(world: "World", fault: Fault) -> Undo | None:
    """The leader and one that follows it, whose disk is slow, are cut off from the others, which
    elect another. When all meet again, that one writes what the old leader took for changes."""
    leader = world.leader()
    if leader is None or len(world.homes) < 5:
        return None
    me = leader.worker
    follower, *rest = _others(world, fault, me)
    disk = world.disks[follower]
    if disk.sync != disk.usual_sync:
        return None
    stage = fault.values["stage"]
    cuts = _Cuts(world)
    over = False

    def ask() -> None:
        if not over:
            _ask_leader(world, fault)

    def meet() -> None:
        cuts.mend()
        disk.sync = disk.usual_sync

    def undo() -> None:
        nonlocal over
        over = True
        meet()

    cuts.leave([me, follower], rest)
    disk.sync = fault.values["sync"]
    ask()
    world.agenda.after(stage - stage // 8, ask)
    world.agenda.after(stage, meet)
    return undo


def draw_unwritten(scene: Scene) -> Drawn:
    """The leader has to be asked, and the next one elected, within some election time-outs."""
    chance = scene.chance
    stage = chance.between(2, 6) * seconds(scene.spec.timing.election_timeout)
    values = {"stage": stage, "changes": chance.between(1, 4)}
    return Drawn(3 * stage, (chance.pick(scene.services), *chance.shuffled(scene.workers)), values)


def leave_unwritten(world: "World", fault: Fault) -> Undo | None:
    """The leader takes changes, and one that follows it writes them; that they are agreed on it
    only hears, as its disk is full then. Another one is made leader, hears from it how far it is,
    and goes on when it dies: it knows less when it comes back."""
    leader = world.leader()
    if leader is None or len(world.homes) < 3:
        return None
    follower, heir, *_ = _others(world, fault, leader.worker)
    disk, stage = world.disks[follower], fault.values["stage"]
    if disk.full:
        return None
    over = filled = False

    def fill() -> None:
        nonlocal filled
        if not over and not disk.full:
            disk.full = filled = True
            world.clients.hand_over(CLIENT, leader, heir)

    def die() -> None:
        node = node_of(world, follower)
        if node is not None and not over:
            world.end(node, Cause.FAULT, "killed, and its disk took nothing")
        undo()

    def undo() -> None:
        nonlocal over
        over = True
        if filled:
            disk.full = False

    _ask_leader(world, fault)
    world.agenda.after(stage, fill)
    world.agenda.after(3 * stage - 1, die)
    return undo
