"""The elections that a program can run among its own members, by the names in its URLs."""

from interrex.core.spec import Bully, ClusterSpec, Timing

EMBEDDED = ("raft", "paxos", "bully")


def embedded_spec(
    election: str, name: str, heartbeat_s: float, election_timeout_s: float
) -> ClusterSpec:
    """What ``new_election`` is to make for a program's members.

    Bully is given its quorum: a program is promised one leader an epoch whatever it elects by. It
    does not preempt: a leadership that goes on is not ended by a member that comes back.
    """
    timing = Timing(heartbeat=heartbeat_s, election_timeout=election_timeout_s)
    bully = Bully(quorum=True, preempt=False)
    return ClusterSpec(name=name, election=election, timing=timing, bully=bully)
