"""The promises that are watched in every simulated run, one file each.

Each checker is independent of what it checks: it believes messages that were sent, records that
were written, what befell processes and what clients were told, and of the cores' inside only
what nobody can see otherwise.
"""

from interrex.core.spec import ClusterSpec
from interrex.elections.guarantees import guarantees_of
from interrex.simulator.checkers.acknowledged import Acknowledged
from interrex.simulator.checkers.applied import Applied
from interrex.simulator.checkers.assigned import Assigned
from interrex.simulator.checkers.away import Away
from interrex.simulator.checkers.caught_up import CaughtUp
from interrex.simulator.checkers.deadlines import Deadlines
from interrex.simulator.checkers.emptied import Emptied
from interrex.simulator.checkers.epochs import Epochs
from interrex.simulator.checkers.holding import Holding
from interrex.simulator.checkers.known_leader import KnownLeader
from interrex.simulator.checkers.leaders import OneLeader
from interrex.simulator.checkers.leaks import Leaks
from interrex.simulator.checkers.leaving import Leaving
from interrex.simulator.checkers.linearizable import Linearizable
from interrex.simulator.checkers.losses import LossesTold
from interrex.simulator.checkers.memory import Memory
from interrex.simulator.checkers.numbering import Numbering
from interrex.simulator.checkers.one_at_a_time import OneAtATime
from interrex.simulator.checkers.parts import OneLeaderAPart
from interrex.simulator.checkers.ports import Ports
from interrex.simulator.checkers.processes import Processes
from interrex.simulator.checkers.raft_all import raft_watch
from interrex.simulator.checkers.removals import Removals, RemovalsApart
from interrex.simulator.checkers.replicas_ready import ReplicasReady
from interrex.simulator.checkers.restarts import Restarts
from interrex.simulator.checkers.rollouts import Rollouts
from interrex.simulator.checkers.routed import Routed
from interrex.simulator.checkers.routes_end import RoutesEnd
from interrex.simulator.checkers.sessions import Sessions
from interrex.simulator.checkers.silence import Silence
from interrex.simulator.checkers.stops import Stops
from interrex.simulator.checkers.watch import Panel, Watch
from interrex.simulator.observation import Checker


def all_watches(spec: ClusterSpec) -> list[Watch]:
    """One watch for each promise that such a cluster is made, each made anew.

    Args:
        spec: names the election: those of its own are in one; what it does not promise is not
            watched, but what it promises instead.
    """
    guarantees = guarantees_of(spec)
    own = [raft_watch(spec)] if spec.election == "raft" else []
    alone = [] if spec.election == "bully" else [OneAtATime(by_votes=guarantees.quorum)]
    outside = [Sessions(), Away(spec), Emptied(spec)] if guarantees.coordinated else []
    changes = [Applied(), Acknowledged(), Linearizable()]
    return [
        OneLeader(),
        Epochs(),
        Deadlines(),
        Numbering(),
        *own,
        *alone,
        *outside,
        *(changes if guarantees.durable else [LossesTold(), OneLeaderAPart()]),
        Assigned(),
        Holding(),
        Processes(),
        Ports(),
        Removals() if guarantees.durable else RemovalsApart(),
        Stops(),
        Restarts(),
        Leaks(),
        Rollouts(),
        Routed(),
        Silence(),
        Leaving(),
        Memory(),
        KnownLeader(),
        CaughtUp(),
        ReplicasReady(),
        RoutesEnd(),
    ]


def all_checkers(spec: ClusterSpec) -> list[Checker]:
    """Everything that is checked in a run, made anew: one panel, as one look at each event is
    enough for all."""
    return [Panel(all_watches(spec))]
