"""Raft's promises together: its five properties, its votes, its disk and its lease."""

from interrex.core.spec import ClusterSpec
from interrex.simulator.checkers.raft_append_only import AppendOnly
from interrex.simulator.checkers.raft_configuration import NewestConfiguration
from interrex.simulator.checkers.raft_elected import Elected
from interrex.simulator.checkers.raft_election_safety import ElectionSafety
from interrex.simulator.checkers.raft_knowledge import Knowledge
from interrex.simulator.checkers.raft_leader_completeness import LeaderCompleteness
from interrex.simulator.checkers.raft_lease import Leases
from interrex.simulator.checkers.raft_log_matching import LogMatching
from interrex.simulator.checkers.raft_membership import OneMembershipAtATime
from interrex.simulator.checkers.raft_placing import Placing
from interrex.simulator.checkers.raft_promises import Promises
from interrex.simulator.checkers.raft_state_machine import StateMachineSafety
from interrex.simulator.checkers.raft_stickiness import Stickiness
from interrex.simulator.checkers.raft_truncation import Truncation
from interrex.simulator.checkers.raft_votes import Votes
from interrex.simulator.checkers.raft_watch import RaftWatch


def raft_watch(spec: ClusterSpec) -> RaftWatch:
    """All of them, made anew, for a cluster that begins so."""
    return RaftWatch(
        [
            ElectionSafety(),
            Votes(),
            Elected(),
            Promises(),
            AppendOnly(),
            LogMatching(),
            Truncation(),
            LeaderCompleteness(),
            StateMachineSafety(),
            Leases(),
            Stickiness(),
            Knowledge(),
            Placing(),
            OneMembershipAtATime(),
            NewestConfiguration(spec),
        ]
    )
