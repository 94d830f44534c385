"""The service that an election rests on is away, cut off, or loses its answers: for each of them.

Sessions are of 2 s: 10 election time-outs.
"""

from interrex.core.spec import COORDINATED
from interrex.core.time import MS, S
from interrex.simulator.chance import Chance
from interrex.simulator.faults.clocks import MOST_PPM
from interrex.simulator.faults.coordination import HOLDERS
from interrex.simulator.plan import Fault
from interrex.simulator.scenarios.expectations import (
    elections,
    given_up_within,
    one_election,
    processes_live,
    taken_over_within,
    workers_live,
)
from interrex.simulator.scenarios.scenario import BEGINS, FIRST, Scenario, fault

ALL = ("worker-1", "worker-2", "worker-3")
LONG = 9 * S


def _out_of_reach(chance: Chance) -> tuple[Fault, ...]:
    begins = BEGINS + chance.below(S)
    return (fault("coordination/unreachable", begins, "leader", lasts=12 * S),)


def _away(chance: Chance) -> tuple[Fault, ...]:
    return (fault("coordination/away", BEGINS + chance.below(S), lasts=8 * S),)


def _slow(chance: Chance) -> tuple[Fault, ...]:
    commit = chance.between(50 * MS, 200 * MS)
    return (
        fault("coordination/slow", BEGINS, lasts=4 * S, commit=commit, lag=2 * commit),
        fault("processes/kill", BEGINS + 500 * MS, "leader"),
    )


def _ended_at_work(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("users/restart", BEGINS, "web"),
        fault("processes/stop", BEGINS + chance.between(10 * MS, 500 * MS), FIRST, lasts=4 * S),
    )


def _answers_lost(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("processes/kill", BEGINS, "leader"),
        fault(
            "coordination/bad-ways",
            BEGINS,
            *ALL,
            lasts=chance.between(100 * MS, 400 * MS),
            extra=0,
            there=0,
            back=1000,
        ),
    )


def _clocks_apart(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("clocks/rate", BEGINS, "host1", lasts=6 * S, ppm=-MOST_PPM),
        fault("coordination/rate", BEGINS, lasts=6 * S, ppm=MOST_PPM),
        fault(
            "coordination/unreachable", BEGINS + S, "host1-1", lasts=chance.between(4 * S, 5 * S)
        ),
    )


def _server_apart(chance: Chance) -> tuple[Fault, ...]:
    lasts = chance.between(3 * S, 5 * S)
    return (fault("coordination/server-apart", BEGINS, lasts=lasts, server=HOLDERS),)


def _emptied(chance: Chance) -> tuple[Fault, ...]:
    begins = BEGINS + chance.below(S)
    after = chance.between(S, 4 * S)
    return (fault("coordination/emptied", begins, *ALL, lasts=9 * S, kills_after=after),)


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


def _of(election: str) -> tuple[Scenario, ...]:
    return (
        _unseen(election),
        _gone(election),
        Scenario(
            name=f"{election}-slow-to-be-sure", election=election, lasts=LONG,
            what=f"the leader dies where {election} takes long to agree on anything",
            must="nobody leads before it is confirmed; within 25 time-outs somebody does",
            faults=_slow, expects=(taken_over_within(25),),
        ),
        Scenario(
            name=f"{election}-leadership-ends-at-work", election=election, lasts=LONG,
            what=f"a leader by {election} is stopped amid a rolling restart, past its session",
            must="it wakes deposed and does nothing more; the next one, within 20, finishes",
            faults=_ended_at_work, expects=(taken_over_within(20),), settles=200,
        ),
        Scenario(
            name=f"{election}-answers-lost", election=election, lasts=LONG,
            what=f"the leader dies; what is asked of {election} is done, and the answers are lost",
            must="what was done is found again: somebody leads within 15 time-outs, at most 2 do",
            faults=_answers_lost, expects=(taken_over_within(15), elections(1, 2)),
        ),
        Scenario(
            name=f"{election}-clocks-apart", election=election, lasts=LONG, workers=1, hosts=3,
            crowned="host1-1",
            what=f"the leader's clock is 4.5 % slow, {election}'s as much fast, and they part",
            must="its deadline is before its session's end all the same; another leads, once",
            faults=_clocks_apart, expects=(one_election,),
        ),
        Scenario(
            name=f"{election}-server-apart", election=election, lasts=LONG,
            what=f"the server of {election} that the leader uses loses the others",
            must="another server is found, or another leader: 2 elections at most",
            faults=_server_apart, expects=(elections(0, 2),),
        ),
        Scenario(
            name=f"{election}-emptied", election=election, lasts=13 * S, users=False,
            what=f"{election} comes back empty, all workers start after that, and all is put back",
            must="until then nobody leads, and nothing is started or stopped; then somebody leads",
            faults=_emptied, expects=(processes_live, elections(1, 2)), settles=100,
        ),
    )  # fmt: skip


COORDINATION = tuple(scenario for election in COORDINATED for scenario in _of(election))
