"""What befalls the processes of a trial."""

from collections.abc import Callable, Sequence

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.lab.world import World
from interrex.simulator.network import Lane

LASTS = 3 * S
"""How long (simulated ns) a fault lasts that is over one day."""
BOOT = 100 * MS
"""How long a process takes to come up again, about."""
LOSS = 100
"""How many messages in a thousand are lost, where some are."""


class Struck(msgspec.Struct, frozen=True):
    """What a fault has done: who is left together, and so has to agree; and what ends it."""

    together: tuple[WorkerName, ...]
    mend: Callable[[], None] | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault.

    ``strike`` does it to the one who leads, when all have agreed on that; None: it is there from
    the start, and the first election meets it. ``loss`` is per mille; ``missing``: the last of the
    workers never starts.
    """

    name: str
    text: str
    strike: Callable[[World, WorkerName], Struck] | None = None
    loss: int = 0
    missing: bool = False


def _killed(world: World, leader: WorkerName) -> Struck:
    world.kill(leader)
    return Struck(tuple(world.processes))


def _stopped(world: World, leader: WorkerName) -> Struck:
    world.stop(leader)
    return Struck(_without(world, [leader]), lambda: world.go_on(leader))


def _cut_off(world: World, leader: WorkerName) -> Struck:
    return _cut(world, (leader,), "cut off", sends=False, hears=False)


def _mute(world: World, leader: WorkerName) -> Struck:
    return _cut(world, (leader,), "is heard by nobody", sends=False, hears=True)


def _deaf(world: World, leader: WorkerName) -> Struck:
    return _cut(world, (leader,), "hears nobody", sends=True, hears=False)


def _halves(world: World, leader: WorkerName) -> Struck:
    """The leader is in the smaller half, so that the larger one has to find another."""
    others = _without(world, [leader])
    small = (leader, *others[: max(0, (len(world.members) - 1) // 2 - 1)])
    return _cut(world, small, "cut off", sends=False, hears=False)


def _restarted(world: World, leader: WorkerName) -> Struck:
    names = tuple(world.processes)
    for name in names:
        world.kill(name)
    for name in names:
        world.agenda.after(world.chance.spread(BOOT), world.start, name)
    return Struck(names)


def _without(world: World, some: Sequence[WorkerName]) -> tuple[WorkerName, ...]:
    return tuple(name for name in world.members if name not in some)


def _cut(
    world: World, apart: tuple[WorkerName, ...], what: str, *, sends: bool, hears: bool
) -> Struck:
    """Some do not get through to the others, or not from them; a coordination service, where there
    is one, is on the others' side."""
    others = _without(world, apart)
    pairs: list[tuple[WorkerName, WorkerName]] = []
    lanes: list[Lane] = []
    service = world.ways_to_service(apart)
    if not sends:
        pairs += [(one, other) for one in apart for other in others]
        lanes += [way.there for way in service]
    if not hears:
        pairs += [(other, one) for one in apart for other in others]
        lanes += [way.back for way in service]
    world.happened(apart, what)
    for sender, receiver in pairs:
        world.network.cut(sender, receiver)
    for lane in lanes:
        lane.cuts += 1

    def mend() -> None:
        world.happened(apart, "connected again")
        for sender, receiver in pairs:
            world.network.mend(sender, receiver)
        for lane in lanes:
            lane.cuts -= 1

    return Struck(others, mend)


_FOR = f"for {LASTS // S} s"
FAULTS = {
    fault.name: fault
    for fault in (
        Fault(name="none", text="nothing: the first election"),
        Fault(name="leader-killed", text="the leader is killed", strike=_killed),
        Fault(
            name="leader-stopped",
            text=f"the leader is stopped (SIGSTOP) {_FOR}: its connections stay",
            strike=_stopped,
        ),
        Fault(
            name="leader-cut-off",
            text=f"nothing reaches the leader, and nothing from it arrives, {_FOR}",
            strike=_cut_off,
        ),
        Fault(name="leader-mute", text=f"nothing from the leader arrives {_FOR}", strike=_mute),
        Fault(name="leader-deaf", text=f"nothing reaches the leader {_FOR}", strike=_deaf),
        Fault(
            name="halves",
            text=f"two halves {_FOR}, the leader in the smaller one",
            strike=_halves,
        ),
        Fault(
            name="loss",
            text=f"from the start {LOSS // 10} % of the messages between processes are lost",
            loss=LOSS,
        ),
        Fault(name="missing", text="one of them never starts", missing=True),
        Fault(
            name="restart",
            text="all are killed, and start again",
            strike=_restarted,
        ),
    )
}
"""By name, in the order in which they are shown."""
