"""Each election judges the times of a cluster file by its own rules."""

import pytest

from interrex.core.spec import ClusterSpec, Timing
from interrex.elections.registry import times_problem

TOO_SHORT = Timing(heartbeat=0.1, election_timeout=0.2)


def spec(election: str, timing: Timing) -> ClusterSpec:
    return ClusterSpec(name="shop", election=election, timing=timing)


@pytest.mark.parametrize("election", ["raft", "paxos", "bully"])
def test_who_counts_heartbeats_refuses_a_time_out_of_two(election: str) -> None:
    words = "election_timeout is 0.2 s, and must be at least 3 heartbeats: 0.3 s"
    assert times_problem(spec(election, TOO_SHORT)) == words


@pytest.mark.parametrize("election", ["etcd", "zookeeper"])
def test_who_counts_no_heartbeats_does_not_judge_them(election: str) -> None:
    assert times_problem(spec(election, TOO_SHORT)) == ""


@pytest.mark.parametrize("election", ["raft", "paxos", "bully", "etcd", "zookeeper"])
def test_the_usual_times_suit_every_election(election: str) -> None:
    assert times_problem(spec(election, Timing())) == ""
