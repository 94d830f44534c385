"""Workers, their disks, clocks and machines, and who belongs to the cluster."""

from interrex.core.spec import Timing
from interrex.core.time import MS, US, S
from interrex.simulator.chance import Chance
from interrex.simulator.faults.clocks import HOUR, MOST_PPM
from interrex.simulator.plan import Conditions, Fault
from interrex.simulator.scenarios.expectations import (
    adopted,
    elections,
    processes_live,
    refused,
    taken_over_within,
    undisturbed,
    workers_live,
)
from interrex.simulator.scenarios.scenario import BEGINS, FIRST, Scenario, fault

OTHERS = ("worker-2", "worker-3")


def _removed(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("network/cut-off", BEGINS, "worker-3", lasts=chance.between(S, 2 * S)),
        fault("users/workers", BEGINS + 100 * MS, workers=2),
    )


def _grown_twice(chance: Chance) -> tuple[Fault, ...]:
    """The leader dies within a change of the members, and the next one is asked for another."""
    return (
        fault("users/workers", BEGINS, workers=7),
        fault("processes/kill", BEGINS + chance.below(20 * MS), "leader"),
        fault("users/workers", BEGINS, when="leader-ends", workers=7, after=chance.below(300 * MS)),
    )


def _dies_having_voted(chance: Chance) -> tuple[Fault, ...]:
    """Whoever is asked for a vote is killed between two effects of one of its next steps."""
    die = [
        fault("processes/kill-within-step", BEGINS + chance.below(40 * MS), worker,
              effects=chance.below(3))
        for worker in OTHERS
    ]  # fmt: skip
    return (fault("processes/kill", BEGINS, "leader"), *die)


def _tail_not_stored(chance: Chance) -> tuple[Fault, ...]:
    """The leader dies when others have much in memory that is not on their disks."""
    slow = [fault("disks/slow", BEGINS, other, lasts=2 * S, sync=300 * MS) for other in OTHERS]
    return (
        *slow,
        fault("users/storm", BEGINS + 50 * MS, "web", lasts=500 * MS, every=5 * MS),
        fault("processes/kill", BEGINS + chance.between(200 * MS, 500 * MS), "leader"),
    )


def _full_while_voting(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("disks/full", BEGINS, "worker-2", lasts=chance.between(S, 2 * S)),
        fault("processes/kill", BEGINS + 50 * MS, FIRST),
    )


def _corrupt(chance: Chance) -> tuple[Fault, ...]:
    return (fault("disks/flip", BEGINS + chance.below(S), "worker-3", restored=0, kill=1),)


def _torn(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("disks/torn", BEGINS, chance.pick(OTHERS), lasts=2 * S),
        fault("users/scale", BEGINS + 100 * MS, "web", replicas=4),
    )


def _failing(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("disks/failing", BEGINS, FIRST, lasts=chance.between(200 * MS, S)),
        fault("users/scale", BEGINS + 10 * MS, "web", replicas=4),
    )


def _slow_to_vote(chance: Chance) -> tuple[Fault, ...]:
    slow = [fault("disks/slow", BEGINS, other, lasts=2 * S, sync=S) for other in OTHERS]
    return (*slow, fault("processes/kill", BEGINS + 100 * MS, FIRST))


def _jump(chance: Chance) -> tuple[Fault, ...]:
    by = HOUR if chance.one_in(2) else -HOUR
    return (fault("clocks/jump", BEGINS, "local", lasts=S, by=by),)


def _other_rate(chance: Chance) -> tuple[Fault, ...]:
    ppm = MOST_PPM if chance.one_in(2) else -MOST_PPM
    host = f"host{chance.between(1, 3)}"
    return (fault("clocks/rate", BEGINS, host, lasts=2 * S, ppm=ppm),)


def _three_hosts(chance: Chance) -> Conditions:
    return Conditions(near=50 * US, far=chance.between(100 * US, 2 * MS), asks_every=0)


def _killed(chance: Chance) -> tuple[Fault, ...]:
    return (fault("processes/kill", BEGINS + chance.below(S), "worker-3"),)


def _stands_still(chance: Chance) -> tuple[Fault, ...]:
    return (fault("processes/stop", BEGINS, "worker-3", lasts=2400 * MS),)


def _log_lost(chance: Chance) -> tuple[Fault, ...]:
    return (fault("disks/lost", BEGINS + chance.below(S), "worker-3"),)


def _lost_by_the_first(chance: Chance) -> tuple[Fault, ...]:
    """A cluster of one has grown when its first worker loses its log."""
    return (
        fault("users/workers", BEGINS, workers=2),
        fault("users/workers", BEGINS + 2 * S, workers=3),
        fault("disks/lost", BEGINS + 6 * S + chance.below(S), FIRST),
    )


def _host_replaced(chance: Chance) -> tuple[Fault, ...]:
    return (fault("machines/replaced", BEGINS + chance.below(S), "host3", lasts=S),)


def _first_write_torn(chance: Chance) -> tuple[Fault, ...]:
    return (fault("disks/torn", chance.between(20 * MS, 200 * MS), "host1-1", lasts=2 * S),)


def _lost_at_first(chance: Chance) -> tuple[Fault, ...]:
    return (fault("disks/lost", chance.between(20 * MS, 60 * MS), "host2-1"),)


def _host_lost(chance: Chance) -> tuple[Fault, ...]:
    return (fault("machines/lost", BEGINS, "host3", lasts=2400 * MS),)


def _host_never_back(chance: Chance) -> tuple[Fault, ...]:
    """``another``: a new host comes in the place of the one that is left."""
    at = BEGINS + chance.below(S)
    return (
        fault("users/abandoned", at, "host3", "host2", way=0, another=chance.below(2), workers=1),
    )


def _host_cut_off(chance: Chance) -> tuple[Fault, ...]:
    """Meanwhile a service leaves its ports, another one needs some, and the first one is back."""
    leaves = chance.pick(("web", "api"))
    grows = "api" if leaves == "web" else "web"
    at = BEGINS + 2 * S + chance.below(500 * MS)
    changes = (
        fault("users/removal", at, leaves),
        fault("users/scale", at + chance.between(2 * S, 3 * S), grows, replicas=12),
        fault("users/removal", at + 4 * S, leaves),
    )
    lost = fault(
        "users/abandoned", BEGINS, "host3", "host2", lasts=8 * S, way=2, another=0, workers=1
    )
    return (lost, *changes)


def _misfit(chance: Chance) -> tuple[Fault, ...]:
    """Files that no election can go by, and more replicas than can be told of."""
    return (
        fault("users/misfit", BEGINS, "web", way=0, replicas=chance.between(1, 5)),
        fault("users/misfit", BEGINS + 300 * MS, "web", way=1, replicas=1),
    )


def _senseless(chance: Chance) -> tuple[Fault, ...]:
    return (fault("users/scale", BEGINS, "nothing", replicas=3),)


WORKERS = (
    Scenario(
        name="removed-while-away",
        what="a worker is taken from the file while it is cut off, and comes back",
        must="it is ignored, told, and ends; nobody is elected",
        faults=_removed, expects=(undisturbed,), settles=150, users=False,
    ),
    Scenario(
        name="two-changes-of-members",
        what="the leader dies within a change of the members, and another change is asked for",
        must="never two majorities that do not meet; both changes come true",
        faults=_grown_twice, expects=(elections(1, 3),), settles=100,
    ),
    Scenario(
        name="dies-having-voted",
        what="workers die between storing a vote and sending it, or after",
        must="nobody votes twice, and there is a leader in the end",
        faults=_dies_having_voted, settles=60,
    ),
    Scenario(
        name="tail-not-stored", what="the leader dies while others' newest entries wait for disks",
        must="no vote rests on what is not stored; what was acknowledged is there",
        faults=_tail_not_stored, expects=(elections(1, 3),),
    ),
    Scenario(
        name="disk-full-while-voting", what="a disk is full when its worker is asked for a vote",
        must="no vote, no loss, nobody ends; it goes on once there is space",
        faults=_full_while_voting, expects=(elections(1, 3),),
    ),
    Scenario(
        name="log-corrupt", what="a stored record is damaged, and its worker dies",
        must="found by checksum; it comes back under a new identity; nobody else notices",
        faults=_corrupt, expects=(undisturbed,),
    ),
    Scenario(
        name="write-torn", what="a worker dies within a write",
        must="what was torn is cut off, what was acknowledged is there",
        faults=_torn, expects=(undisturbed,),
    ),
    Scenario(
        name="sync-fails", what="the leader's disk fails",
        must="it ends itself at once and never pretends; the next one leads within 4 time-outs",
        faults=_failing, expects=(taken_over_within(4),),
    ),
    Scenario(
        name="sync-takes-a-second", what="the leader dies, and every other disk takes 1 s a write",
        must="no double vote; somebody leads once they are as fast as before",
        faults=_slow_to_vote, expects=(elections(1, 3),),
    ),
    Scenario(
        name="wall-clock-jumps", what="the wall clock jumps by an hour, either way, and back",
        must="nothing happens", faults=_jump,
        expects=(undisturbed, workers_live, processes_live), users=False,
    ),
    Scenario(
        name="clock-at-another-rate", hosts=3, workers=1, crowned=None,
        what="one host's clock runs 4.5 % faster or slower",
        must="the lease's margin covers it: nobody is elected",
        faults=_other_rate, weather=_three_hosts, expects=(workers_live, elections(0, 1)),
    ),
    Scenario(
        name="worker-killed", what="a worker that does not lead is killed",
        must="its processes live on and are adopted; nobody is elected",
        faults=_killed, users=False, expects=(undisturbed, adopted, processes_live),
    ),
    Scenario(
        name="worker-stopped", what="a worker stands still for longer than it may be silent",
        must="it is killed and started again; its processes live on and are adopted",
        faults=_stands_still, users=False, expects=(undisturbed, adopted, processes_live),
    ),
    Scenario(
        name="log-lost", what="a worker dies and its log is removed",
        must="it comes back under a new identity and is let in; its processes live on",
        faults=_log_lost, users=False, expects=(undisturbed, processes_live),
    ),
    Scenario(
        name="log-lost-by-the-first", workers=1, users=False, lasts=12 * S,
        what="a cluster of one worker has grown to three, and the first one's log is lost",
        must="it finds the others, none of which the cluster began with, and is let in",
        faults=_lost_by_the_first, expects=(processes_live,),
    ),
    Scenario(
        name="first-write-torn", hosts=2, workers=1, crowned=None, users=False,
        what="of a new cluster's two hosts, the worker of one dies within its very first write",
        must="its empty log is told from a lost one: it goes on under its own identity",
        faults=_first_write_torn, weather=_three_hosts, expects=(elections(0, 2),),
    ),
    Scenario(
        name="log-lost-at-first", hosts=2, workers=1, crowned=None, users=False,
        what="the log of one of two new hosts is removed before anything was written to it",
        must="it is made again under its own identity, and the cluster begins",
        faults=_lost_at_first, weather=_three_hosts, expects=(elections(0, 2),),
    ),
    Scenario(
        name="host-lost", hosts=3, workers=1, crowned="host1-1",
        what="one of three hosts loses power for longer than a lost host is waited for",
        must="its replicas run elsewhere within that time and 5 more time-outs, and once only in "
        "the end",
        faults=_host_lost, weather=_three_hosts, users=False,
        timing=Timing(lost_host=1.0, respawn_grace=0.5),
        expects=(undisturbed,), settles=100,
    ),
    Scenario(
        name="host-replaced", hosts=3, workers=1, crowned="host1-1", users=False, lasts=8 * S,
        what="one of three hosts comes back with empty disks, made again from the cluster's file",
        must="its worker is told that it has lost its log, and is let in under a new identity; "
        "nobody is elected",
        faults=_host_replaced, weather=_three_hosts, expects=(undisturbed,), settles=100,
    ),
    Scenario(
        name="host-never-back", hosts=3, workers=1, crowned="host1-1", users=False, lasts=8 * S,
        what="of three hosts one is lost for good as another is left; the file names neither",
        must="the one that lives is left all the same, and nobody waits for the other",
        faults=_host_never_back, weather=_three_hosts,
        timing=Timing(lost_host=1.0, respawn_grace=0.5),
        expects=(undisturbed,), settles=100,
    ),
    Scenario(
        name="host-cut-off-and-removed", hosts=3, workers=1, crowned="host1-1", users=False,
        lasts=12 * S,
        what="of three hosts one is cut off and another left, and services are taken from the file "
        "and put back, while the first one's balancers go on by what they know",
        must="no port that these send to goes to another service; all are free in the end",
        faults=_host_cut_off, weather=_three_hosts,
        timing=Timing(lost_host=1.0, respawn_grace=0.5),
        settles=150,
    ),
    Scenario(
        name="bad-changes",
        what="a file by which nobody can be elected, and more replicas than a message can name",
        must="each is refused whole, with its reason; what runs is untouched",
        faults=_misfit, users=False,
        expects=(undisturbed, workers_live, processes_live,
                 refused("3 heartbeats", "slots would take", "nothing was changed")),
    ),
    Scenario(
        name="senseless-change", what="a user asks for a change of a service that does not exist",
        must="it changes nothing: what runs is untouched",
        faults=_senseless, users=False,
        expects=(undisturbed, workers_live, processes_live),
    ),
)  # fmt: skip
