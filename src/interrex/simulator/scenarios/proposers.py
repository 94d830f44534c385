"""What is asked of Paxos by name: proposers that duel, and one that alone reaches a quorum."""

from interrex.core.time import MS, S
from interrex.simulator.chance import Chance
from interrex.simulator.plan import Conditions, Fault
from interrex.simulator.scenarios.expectations import elections, led_from, taken_over_within
from interrex.simulator.scenarios.leaders import one_in_reach
from interrex.simulator.scenarios.scenario import BEGINS, FIRST, Scenario, fault


def _long_duel(chance: Chance) -> Conditions:
    """So much of it that several propose at once."""
    return Conditions(near=chance.between(15 * MS, 25 * MS), sync=5 * MS, asks_every=0)


def _long_silent(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/cut-off", BEGINS, FIRST, lasts=4 * S),)


PROPOSERS = (
    Scenario(
        name="one-reaches-a-quorum-by-paxos", workers=5, election="paxos",
        what="one of five reaches all others, which hear nobody but it, and they elect by Paxos",
        must="it leads within 4 time-outs",
        faults=one_in_reach, expects=(taken_over_within(4), led_from("worker-3"), elections(1, 2)),
    ),
    Scenario(
        name="duelling-proposers", workers=5, election="paxos",
        what="the leader by Paxos falls silent where promises take a good part of a time-out",
        must="proposers of one round part by chance: one of them leads within 16 time-outs",
        faults=_long_silent, weather=_long_duel, lasts=7 * S,
        expects=(taken_over_within(16), elections(1, 2)),
    ),
)  # fmt: skip
