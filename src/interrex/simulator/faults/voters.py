"""A change of voters amid many other changes, which nobody but the leader may learn of."""

from typing import TYPE_CHECKING

from interrex.core.ids import ServiceName, WorkerName
from interrex.core.quorum import MAX_VOTERS
from interrex.core.spec import ClusterSpec
from interrex.core.state import Scale, workers_of
from interrex.core.time import MS, S, seconds
from interrex.elections.guarantees import guarantees_of
from interrex.simulator.faults.kind import Drawn, Scene, Undo
from interrex.simulator.faults.users import CLIENT, ask_for_workers
from interrex.simulator.observation import Step
from interrex.simulator.plan import Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World


def voters_may_change(spec: ClusterSpec) -> bool:
    """Whether three or more vote on one machine, by a log of their own."""
    return not (spec.hosts or guarantees_of(spec).coordinated) and len(workers_of(spec)) >= 3


def draw_unlearned(scene: Scene) -> Drawn:
    """It takes some seconds until who comes may vote, or who goes does no more; then the others
    need some election time-outs to elect one."""
    chance = scene.chance
    timeout = seconds(scene.spec.timing.election_timeout)
    values = {
        "workers": chance.pick((1, MAX_VOTERS)),
        "every": chance.scale(10 * MS, 50 * MS),
        "stage": chance.between(3, 8) * timeout,
        "alone": chance.below(3),
    }
    return Drawn(chance.between(3 * S, 8 * S), (chance.pick(scene.services),), values)


def leave_unlearned(world: "World", fault: Fault) -> Undo | None:
    """A file has one worker more or less, and the leader is asked for changes all the while. Just
    as its log says that another set of workers votes, and unless ``alone`` is 0, it is cut off."""
    leader = world.leader()
    if leader is None or leader.core is None or ask_for_workers(world, fault) is None:
        return None
    me, voters = leader.worker, leader.core.election.members
    ways: list[tuple[WorkerName, WorkerName]] = []
    over, turns = False, 0

    def look(step: Step) -> None:
        election = step.core.election
        if step.worker != me or len(election.members) == len(voters):
            return
        end()
        if election.leading and fault.values["alone"]:
            for other in world.homes:
                ways.extend(((me, other), (other, me)) if other != me else ())
            for sender, receiver in ways:
                world.network.cut(sender, receiver)
            world.agenda.after(fault.values["stage"], mend)

    def turn() -> None:
        nonlocal turns
        if over:
            return
        node = world.leader()
        if node is not None:
            turns += 1
            scale = Scale(ServiceName(fault.targets[0]), 1 + turns % 6)
            world.clients.change(CLIENT + fault.number, node, (scale,))
        world.agenda.after(fault.values["every"], turn)

    def end() -> None:
        nonlocal over
        over = True
        unwatch()

    def mend() -> None:
        for sender, receiver in ways:
            world.network.mend(sender, receiver)
        ways.clear()

    def undo() -> None:
        end()
        mend()

    unwatch = world.watch(look)
    turn()
    return undo
