"""What a core keeps instead of counting it anew at every step, compared with what it stands for."""

from typing import Any

from interrex.core.quorum import agreed_index
from interrex.elections.replicated.leader import LeaderRole
from interrex.elections.replicated.server import ReplicatedServer


def assert_remembers_rightly(server: ReplicatedServer[Any, Any, Any, Any]) -> None:
    """Of the disk: since when the oldest write waits. Of a leader: that nothing is left to settle
    where its lease says so, and what each follower's round trip seldom exceeds."""
    disk, groups = server.node.disk, server.node.membership.groups
    assert disk.waiting_since == (disk._batches[0].since if disk._batches else None)
    role = server.role
    if not isinstance(role, LeaderRole):
        return
    lease = role._lease
    if lease._is_settled and lease._groups is groups:
        assert min(agreed_index(voters, lease._answers) for voters in groups) <= lease.answered
    for progress in role.replication.progress.values():
        trips = progress.round_trips
        assert trips.bound == trips.smoothed + 4 * trips.jitter
