"""The coordination service that an election rests on: out of the leader's reach, or away."""

from interrex.core.time import S
from interrex.simulator.chance import Chance
from interrex.simulator.plan import Fault
from interrex.simulator.scenarios.expectations import (
    given_up_within,
    one_election,
    processes_live,
    taken_over_within,
    workers_live,
)
from interrex.simulator.scenarios.scenario import BEGINS, Scenario, fault


def _out_of_reach(chance: Chance) -> tuple[Fault, ...]:
    begins = BEGINS + chance.below(S)
    return (fault("coordination/unreachable", begins, "leader", lasts=12 * S),)


def _away(chance: Chance) -> tuple[Fault, ...]:
    return (fault("coordination/away", BEGINS + chance.below(S), lasts=8 * S),)


def _unseen(election: str) -> Scenario:
    return Scenario(
        name=f"{election}-session-expires-unseen", election=election, crowned=None, users=False,
        what=f"the leader reaches {election} no more, and no connection ends",
        must="it stops by its own deadline within 30 time-outs, and another leads within 60, once",
        faults=_out_of_reach, lasts=16 * S, settles=100,
        expects=(given_up_within(30), taken_over_within(60), one_election, processes_live,
                 workers_live),
    )  # fmt: skip


def _gone(election: str) -> Scenario:
    return Scenario(
        name=f"{election}-away", election=election, crowned=None, users=False,
        what=f"all servers of {election} are away for 8 s",
        must="services and routes stay as they are: nothing is started or stopped",
        faults=_away, lasts=12 * S, settles=100,
        expects=(processes_live, workers_live),
    )  # fmt: skip


COORDINATION = (_unseen("etcd"), _unseen("zookeeper"), _gone("etcd"), _gone("zookeeper"))
