"""Drawing how a fleet elects: the options of its election, and what it rests on."""

import msgspec

from interrex.core.spec import COORDINATED, ELECTIONS, Bully, ClusterSpec, Etcd, ZooKeeper
from interrex.core.state import workers_of
from interrex.core.time import MS, US, S
from interrex.simulator.chance import Chance
from interrex.simulator.plan import CoordinationConditions

DRAWN_ELECTIONS = (*ELECTIONS, "bully-quorum", *COORDINATED)
"""What fleets can be drawn to elect by: as a cluster file names it, and bully as the lab does."""

PRIORITIES = (0, 0, 0, 1, 2)
SYNC_LIMIT = 5
"""Of ZooKeeper: the ticks until a server notices that it lost the others, as its own configuration
has it; the least session is two ticks."""


def draw_election(spec: ClusterSpec, name: str, chance: Chance) -> ClusterSpec:
    """The cluster with this election, its options drawn.

    Args:
        spec: how the fleet is otherwise.
        name: one of ``DRAWN_ELECTIONS``.
        chance: where its options are drawn from.
    """
    priority = {worker: chance.pick(PRIORITIES) for worker in workers_of(spec)}
    priority = priority if chance.one_in(2) else {}
    replace = msgspec.structs.replace
    match name:
        case "bully" | "bully-quorum":
            options = Bully(
                quorum=chance.one_in(3) or name == "bully-quorum",
                preempt=not chance.one_in(3),
                priority=priority,
            )
            return replace(spec, election="bully", bully=options)
        case "etcd":
            session, timeout = chance.between(2, 8), chance.scale(100, 1000) / 1000
            etcd = Etcd(session=float(session), timeout=timeout, priority=priority)
            return replace(spec, election=name, etcd=etcd)
        case "zookeeper":
            session = chance.between(1, 12)
            lines = ZooKeeper(session=float(session), priority=priority)
            return replace(spec, election=name, zookeeper=lines)
        case _:
            return replace(spec, election=name)


def draw_coordination(chance: Chance) -> CoordinationConditions:
    """How many servers, how near and how slow they are, and which sessions they grant."""
    conditions = CoordinationConditions(
        servers=chance.pick((1, 3, 3, 3, 5)),
        near=chance.scale(50 * US, 10 * MS),
        commit=chance.scale(200 * US, 20 * MS),
        lag=chance.scale(100 * US, 200 * MS),
        election=chance.scale(100 * MS, 2 * S),
        ppm=chance.pick((-20_000, -1000, 0, 50, 1000, 20_000)),
        least=chance.pick((1000, 2000, 4000)),
        most=chance.pick((4000, 6000, 20_000)),
    )
    patience = SYNC_LIMIT * conditions.least * MS // 2
    return msgspec.structs.replace(conditions, notices=chance.between(S, patience))
