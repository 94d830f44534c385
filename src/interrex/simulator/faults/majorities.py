"""One majority after another, that have as few workers in common as majorities can.

What a leader took that was cut off, the majority without it never saw; what that majority agreed
on, the next one knows from those in common alone. So one that counts votes or picks values wrongly
is seen to lose something.
"""

from typing import TYPE_CHECKING

from interrex.core.ids import ServiceName, WorkerName
from interrex.core.state import Scale
from interrex.core.time import seconds
from interrex.simulator.faults.kind import Drawn, Scene, Undo
from interrex.simulator.faults.users import CLIENT
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World


def draw_majorities(scene: Scene) -> Drawn:
    """Each of the two stages takes some election time-outs."""
    chance = scene.chance
    timeout = seconds(scene.spec.timing.election_timeout)
    stage = chance.between(4, 16) * timeout
    targets = (chance.pick(scene.services), *chance.shuffled(scene.workers))
    return Drawn(2 * stage, targets, {"stage": stage, "changes": chance.between(1, 4)})


def change_majorities(world: "World", fault: Fault) -> Undo | None:
    """First a majority without the leader, and as many more as can be spared; then those, and of
    the first majority as few as it takes, but not the one that leads there."""
    leader, service = world.leader(), ServiceName(fault.targets[0])
    if leader is None or len(world.homes) < 3:
        return None
    drawn = [WorkerName(target) for target in fault.targets[1:]]
    others = [worker for worker in drawn if worker != leader.worker and worker in world.homes]
    needed = len(world.homes) // 2 + 1
    first, spared = others[:needed], others[needed:]
    cut: list[tuple[WorkerName, WorkerName]] = []

    def leave(together: list[WorkerName]) -> None:
        """Cut all ways but those between these."""
        mend()
        for one in world.homes:
            for other in world.homes:
                if one != other and not {one, other} <= set(together):
                    world.network.cut(one, other)
                    cut.append((one, other))

    def mend() -> None:
        for sender, receiver in cut:
            world.network.mend(sender, receiver)
        cut.clear()

    def ask() -> None:
        node = world.leader()
        if over or node is None:
            return
        for number in range(fault.values["changes"]):
            scale = Scale(service, 1 + number % 6)
            world.clients.change(CLIENT + fault.number, node, (scale,))

    def second() -> None:
        if over:
            return
        leads = world.leader()
        common = [worker for worker in first if leads is None or worker != leads.worker]
        part = [leader.worker, *spared]
        leave([*part, *common[: needed - len(part)]])
        world.agenda.after(stage // 2, ask)

    over, stage = False, fault.values["stage"]
    leave(first)
    ask()
    world.agenda.after(stage // 2, ask)
    world.agenda.after(stage, second)

    def undo() -> None:
        nonlocal over
        over = True
        mend()

    return undo
