"""Leaders that die, stop, hang or are cut off, and those who take over."""

from interrex.core.time import MS, US, S
from interrex.simulator.chance import Chance
from interrex.simulator.plan import Conditions, Fault
from interrex.simulator.scenarios.expectations import (
    changes_again_within,
    elections,
    given_up_within,
    led_from,
    one_election,
    taken_over_within,
    undisturbed,
)
from interrex.simulator.scenarios.scenario import BEGINS, FIRST, Scenario, fault

FIVE = tuple(f"worker-{number}" for number in range(1, 6))


def _killed(chance: Chance) -> tuple[Fault, ...]:
    return (fault("processes/kill", BEGINS + chance.below(200 * MS), "leader"),)


def _stopped(chance: Chance) -> tuple[Fault, ...]:
    lasts = chance.between(500 * MS, 1500 * MS)
    return (
        fault("processes/stop", BEGINS, FIRST, lasts=lasts),
        fault("users/scale", BEGINS + 400 * MS, "web", replicas=5),
    )


def _late_commands(chance: Chance) -> tuple[Fault, ...]:
    """Nothing of what it says arrives until another one leads; connections and all stay."""
    return (
        fault("network/mute", BEGINS, FIRST, lasts=chance.between(S, 1500 * MS)),
        fault("users/restart", BEGINS - chance.between(2 * MS, 20 * MS), "web"),
        fault("replicas/kill", BEGINS + MS, "web", number=chance.below(6)),
    )


def _cut_off(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/cut-off", BEGINS, FIRST, lasts=chance.between(S, 2 * S)),)


def _minority(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/halves", BEGINS, FIRST, "worker-2", lasts=chance.between(S, 2 * S)),)


def _mute(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/mute", BEGINS, FIRST, lasts=chance.between(S, 2 * S)),)


def _deaf(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/deaf", BEGINS, FIRST, lasts=chance.between(S, 2 * S)),)


def _mesh(*connected: tuple[int, int]) -> int:
    """Which ways are cut when only these pairs of five reach each other."""
    open_ways = {way for one, other in connected for way in ((one, other), (other, one))}
    return sum(
        1 << ((one - 1) * 5 + other - 1)
        for one in range(1, 6)
        for other in range(1, 6)
        if one != other and (one, other) not in open_ways
    )


def _partial_mesh(chance: Chance) -> tuple[Fault, ...]:
    ways = _mesh((2, 3), (3, 4), (2, 4), (1, 2), (4, 5))
    return (fault("network/mesh", BEGINS, *FIVE, lasts=2 * S, ways=ways),)


def one_in_reach(chance: Chance) -> tuple[Fault, ...]:
    """Of five, the third reaches all others, and these only it."""
    ways = _mesh((3, 1), (3, 2), (3, 4), (3, 5))
    return (fault("network/mesh", BEGINS, *FIVE, lasts=2 * S, ways=ways),)


def _chain(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/ring", BEGINS, FIRST, "worker-2", "worker-3", lasts=2 * S),)


def _comes_back(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/cut-off", BEGINS, "worker-3", lasts=chance.between(S, 2 * S)),)


def _all_restart(chance: Chance) -> tuple[Fault, ...]:
    return (fault("machines/all-restart", BEGINS, lasts=chance.between(100 * MS, S)),)


def _power_lost_amid_votes(chance: Chance) -> tuple[Fault, ...]:
    """A vote may have left, and its record be lost."""
    lost = fault(
        "machines/lost", BEGINS, "local", when="leader-ends", lasts=chance.between(100 * MS, S),
        within_write=2,
    )  # fmt: skip
    return (lost, fault("processes/kill", BEGINS + MS, "leader"))


def _seeks_in_vain(chance: Chance) -> tuple[Fault, ...]:
    """One that hears nobody asks all others again and again, while the leader dies."""
    return (
        fault("network/deaf", BEGINS, "worker-5", lasts=2 * S),
        fault("processes/kill", BEGINS + chance.between(300 * MS, S), "leader"),
    )


def _sleeps_through(chance: Chance) -> tuple[Fault, ...]:
    """It wakes up still following the dead leader."""
    return (
        fault("processes/kill", BEGINS + 200 * MS, FIRST),
        fault("processes/stop", BEGINS + 100 * MS, "worker-5", lasts=chance.between(S, 2 * S)),
    )


def _missed_by_all(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/cut-off", BEGINS, FIRST, lasts=2 * S),)


def _bad_mail(chance: Chance) -> Conditions:
    return Conditions(
        datagrams=True, loss=chance.below(301), doubled=200, overtaken=200, near=200 * US,
        asks_every=0,
    )  # fmt: skip


def _overloaded(chance: Chance) -> tuple[Fault, ...]:
    stands, runs = chance.between(50 * MS, 300 * MS), chance.between(50 * MS, 200 * MS)
    return (fault("processes/stutter", BEGINS, FIRST, lasts=2 * S, stands=stands, runs=runs),)


def _target_dies(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("users/hand-over", BEGINS, "worker-2"),
        fault("processes/kill", BEGINS + chance.below(3 * MS), "worker-2"),
    )


def _target_dies_behind(chance: Chance) -> tuple[Fault, ...]:
    """Its disk is behind, so that it is not let stand, when it is killed."""
    return (
        fault("disks/slow", BEGINS, "worker-2", lasts=S, sync=300 * MS),
        fault("users/storm", BEGINS + 5 * MS, "web", lasts=S, every=10 * MS),
        fault("users/hand-over", BEGINS + 100 * MS, "worker-2"),
        fault("processes/kill", BEGINS + 101 * MS + chance.below(100 * MS), "worker-2"),
    )


def _target_lost_behind(chance: Chance) -> tuple[Fault, ...]:
    """Nobody hears that it is dead."""
    return (
        fault("disks/slow", BEGINS, "host2-1", lasts=S, sync=300 * MS),
        fault("users/storm", BEGINS + 5 * MS, "web", lasts=S, every=10 * MS),
        fault("users/hand-over", BEGINS + 100 * MS, "host2-1"),
        fault("machines/lost", BEGINS + 101 * MS + chance.below(100 * MS), "host2",
              lasts=chance.between(S, 2 * S)),
    )  # fmt: skip


def _three_hosts(chance: Chance) -> Conditions:
    return Conditions(near=50 * US, far=chance.between(100 * US, 2 * MS), asks_every=0)


def _reset(chance: Chance) -> tuple[Fault, ...]:
    return (fault("network/reset-all", BEGINS, FIRST),)


def _two_of_three(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("processes/stop", BEGINS, "worker-3", lasts=2 * S),
        fault("processes/kill", BEGINS + chance.below(300 * MS), "leader"),
    )


def _no_majority(chance: Chance) -> tuple[Fault, ...]:
    lasts = chance.between(S, 1500 * MS)
    return tuple(
        fault("processes/stop", BEGINS, worker, lasts=lasts) for worker in ("worker-2", "worker-3")
    )


def _slow_everywhere(chance: Chance) -> Conditions:
    """Between winning a vote and knowing that one leads there is much time."""
    return Conditions(near=5 * MS, sync=chance.between(5 * MS, 20 * MS), asks_every=0)


def _handed_over_at_work(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("users/restart", BEGINS, "web"),
        fault("users/hand-over", BEGINS + chance.between(10 * MS, 500 * MS), "worker-2"),
    )


def _duel(chance: Chance) -> Conditions:
    """Votes take a good part of a time-out: candidates come upon each other."""
    return Conditions(near=chance.between(5 * MS, 12 * MS), sync=5 * MS, asks_every=0)


LEADERS = (
    Scenario(
        name="leader-killed", what="the leader is killed",
        must="the next one leads within 2 time-outs, and there is one election",
        faults=_killed, expects=(taken_over_within(2), one_election),
    ),
    Scenario(
        name="leader-stopped", what="the leader is stopped for longer than its lease",
        must="it is replaced within 4 time-outs; it wakes deposed, and disturbs nobody",
        faults=_stopped, expects=(taken_over_within(4), given_up_within(2), one_election),
    ),
    Scenario(
        name="commands-too-late", what="a leader's commands arrive when another one leads",
        must="it is replaced within 6 time-outs, once; what then arrives is refused by its epoch",
        faults=_late_commands, expects=(taken_over_within(6), one_election),
    ),
    Scenario(
        name="leader-in-the-minority", workers=5,
        what="of five, the leader and one other are cut off",
        must="it steps down within 1 time-out, the majority elects within 4, once",
        faults=_minority, expects=(given_up_within(1), taken_over_within(4), one_election),
    ),
    Scenario(
        name="leader-mute", what="the leader hears, and nothing that it sends arrives",
        must="it is replaced within 4 time-outs, once, and terms do not churn",
        faults=_mute, expects=(taken_over_within(4), one_election),
    ),
    Scenario(
        name="leader-deaf", what="the leader sends, and hears nothing",
        must="it steps down within 1 time-out and is replaced within 6, once",
        faults=_deaf, expects=(given_up_within(1), taken_over_within(6), one_election),
    ),
    Scenario(
        name="partial-mesh", workers=5,
        what="three of five reach each other; two, the leader among them, reach one of those each",
        must="a well connected one leads within 6 time-outs, and there are 2 elections at most",
        faults=_partial_mesh,
        expects=(taken_over_within(6), led_from("worker-2", "worker-4"), elections(1, 2)),
    ),
    Scenario(
        name="one-reaches-a-quorum", workers=5,
        what="one of five reaches all others, which hear nobody but it; it still hears the leader",
        must="it leads within 4 time-outs: one to miss the leader, and votes until it is asked",
        faults=one_in_reach, expects=(taken_over_within(4), led_from("worker-3"), elections(1, 2)),
    ),
    Scenario(
        name="chain", what="of three, the leader and a follower reach each other no more",
        must="no livelock: 2 elections at most",
        faults=_chain, expects=(elections(0, 2),),
    ),
    Scenario(
        name="isolated-comes-back", what="a follower is cut off, and comes back",
        must="nobody is elected: it has asked before it raised a term",
        faults=_comes_back, expects=(undisturbed,),
    ),
    Scenario(
        name="all-restart", what="all machines lose power at once",
        must="terms, votes and data are all there", faults=_all_restart,
        expects=(elections(1, 3),),
    ),
    Scenario(
        name="power-lost-amid-votes",
        what="the leader dies, and the machine within the write of a vote for another",
        must="one vote a term, also where the record of one is lost; somebody leads",
        faults=_power_lost_amid_votes, expects=(elections(1, 3),),
    ),
    Scenario(
        name="seeks-in-vain", workers=5,
        what="one that hears nobody asks for votes all the time, while the leader dies",
        must="nobody's timer begins anew by that: the next one leads, 2 elections at most",
        faults=_seeks_in_vain, expects=(elections(1, 2),), crowned=FIRST,
    ),
    Scenario(
        name="sleeps-through", workers=5,
        what="a follower is stopped while the leader dies, and names the dead one when it wakes",
        must="the next one leads within 3 time-outs, once",
        faults=_sleeps_through, expects=(taken_over_within(3), one_election),
    ),
    Scenario(
        name="missed-by-all-at-once", workers=5,
        what="the leader falls silent for all others at one instant",
        must="a split vote is made up for: the next one leads within 6 time-outs",
        faults=_missed_by_all, expects=(taken_over_within(6), elections(1, 2)),
    ),
    Scenario(
        name="bad-mail", what="the election's mail is lost (0 to 30 %), doubled and overtaken",
        must="old terms are ignored; a killed leader is replaced within 15 time-outs",
        faults=_killed, weather=_bad_mail, expects=(taken_over_within(15),), crowned=None,
    ),
    Scenario(
        name="leader-overloaded", what="the leader stands still again and again, as if overloaded",
        must="it flaps no more than once in 2 time-outs: 5 elections in 2 s",
        faults=_overloaded, expects=(elections(0, 5),),
    ),
    Scenario(
        name="heir-dies", what="whom the leader hands over to dies meanwhile",
        must="within 4 time-outs there is a leader, 2 elections at most",
        faults=_target_dies, expects=(elections(0, 2),), settles=60,
    ),
    Scenario(
        name="heir-dies-behind",
        what="whom the leader hands over to dies before it has all that it needs to lead",
        must="the old leader goes on, in its epoch, and takes changes again within 2 time-outs",
        faults=_target_dies_behind, users=False,
        expects=(undisturbed, changes_again_within(2)),
    ),
    Scenario(
        name="heir-lost-behind", hosts=3, workers=1, crowned="host1-1", users=False,
        what="the same, and its host loses power: nobody hears of its death",
        must="after 1 time-out the old leader goes on, and takes changes again within 2",
        faults=_target_lost_behind, weather=_three_hosts,
        expects=(undisturbed, changes_again_within(2)),
    ),
    Scenario(
        name="deadline-unseen", what="the leader is cut off, and no connection ends",
        must="it stops by its own deadline within 1 time-out, before another leads",
        faults=_cut_off, expects=(given_up_within(1), taken_over_within(4), one_election),
    ),
    Scenario(
        name="two-of-three-up",
        what="one of three stands still for good, and of the two others the leader dies",
        must="the one that is left is not stuck asking: it leads once the dead one is back, "
        "within 40 time-outs, 2 elections at most",
        faults=_two_of_three, expects=(taken_over_within(40), elections(1, 2)),
    ),
    Scenario(
        name="no-majority", what="two of three workers stand still: nobody can lead",
        must="services and routes stay as they are: nothing is started or stopped",
        faults=_no_majority, expects=(given_up_within(1),),
    ),
    Scenario(
        name="slow-to-be-sure", what="the leader dies where every vote and every write is slow",
        must="nobody leads before it is confirmed; within 6 time-outs somebody does",
        faults=_killed, weather=_slow_everywhere, expects=(taken_over_within(6),),
    ),
    Scenario(
        name="handed-over-at-work", what="leadership is handed over amid a rolling restart",
        must="the old leader does nothing more, the new one finishes; one election",
        faults=_handed_over_at_work, expects=(one_election,), settles=200,
    ),
    Scenario(
        name="connections-reset", what="all connections of a live leader are reset",
        must="one election at most", faults=_reset, expects=(elections(0, 1),),
    ),
    Scenario(
        name="duelling-candidates", workers=5,
        what="the leader dies where votes take a good part of a time-out",
        must="chance parts the candidates: the next one leads within 8 time-outs",
        faults=_killed, weather=_duel, expects=(taken_over_within(8),),
    ),
)  # fmt: skip
