"""What every election owes, whatever it rests on: one leader that all know, rising epochs, and the
same changes everywhere."""

from collections.abc import Callable

import pytest

from interrex.core.time import MS, US, S
from interrex.elections.interface import ConfirmRead, PeerLost, StepDown
from tests.elections.contract.clusters import TIMEOUT
from tests.elections.contract.conftest import WITH_A_LOG
from tests.elections.contract.every import (
    Cluster,
    Server,
    new_bully,
    new_bully_with_quorum,
    new_etcd,
    new_zookeeper,
)

EVERY: dict[str, Callable[..., Cluster]] = {
    **WITH_A_LOG,
    "bully": new_bully,
    "bully with a quorum": new_bully_with_quorum,
    "etcd": new_etcd,
    "zookeeper": new_zookeeper,
}
New = Callable[..., Cluster]


@pytest.fixture(params=list(EVERY.values()), ids=list(EVERY))
def new(request: pytest.FixtureRequest) -> New:
    made: New = request.param
    return made


def settled(cluster: Cluster) -> Server:
    """Starts it and waits until everybody knows the leader."""
    cluster.start()
    leader: Server = cluster.elect()
    cluster.run(TIMEOUT)
    return leader


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
def test_a_cluster_elects_a_leader_that_all_know(new: New, size: int) -> None:
    cluster = new(size)
    cluster.start()
    leader = cluster.elect()
    assert leader.election.leading
    cluster.run(TIMEOUT)
    names = sorted(server.name for server in cluster.alive())
    assert [one.worker for one in leader.election.members] == names


def test_only_a_leader_has_a_deadline_and_it_is_still_to_come(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    assert leader.election.deadline is not None
    assert leader.election.deadline > cluster.now
    assert {one.election.deadline for one in cluster.followers(leader)} == {None}


def test_a_leader_that_is_proved_dead_is_followed_at_once_in_a_higher_epoch(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    epoch, killed_at = leader.election.epoch, cluster.now
    cluster.kill(leader, notice=200 * US)
    second = cluster.elect()
    assert second.election.epoch > epoch
    assert cluster.now - killed_at < TIMEOUT


def test_a_silent_leader_is_replaced_and_wakes_deposed(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    epoch = leader.election.epoch
    cluster.stop(leader)
    cluster.run_until(lambda: cluster.leader() not in (None, leader), 12 * S)
    second = cluster.leader()
    assert second.election.epoch > epoch
    cluster.resume(leader)
    cluster.run(50 * MS)
    assert (leader.election.leading, leader.election.leader) == (False, second.name)


def test_a_stopped_leader_that_nobody_replaced_goes_on_in_its_epoch(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    epoch = leader.election.epoch
    for server in cluster.alive():
        cluster.stop(server)
    cluster.run(1_500 * MS)
    for server in cluster.alive():
        cluster.resume(server)
    cluster.run(20 * MS)
    assert (leader.election.leading, leader.election.epoch) == (True, epoch)


def test_one_broken_connection_deposes_nobody(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    epoch = leader.election.epoch
    cluster.step(cluster.followers(leader)[0], PeerLost(leader.name, proved_dead=False))
    cluster.run(10_000 * MS)
    assert (leader.election.leading, leader.election.epoch) == (True, epoch)


def test_after_a_restart_of_everything_epochs_only_rise_and_changes_are_there(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    epoch = leader.election.epoch
    cluster.propose(leader, "a")
    cluster.run(50 * MS)
    assert leader.outcome("a") is not None
    for server in cluster.alive():
        cluster.kill(server)
    cluster.start()
    again = cluster.elect()
    assert again.election.epoch > epoch
    cluster.propose(again, "b")
    cluster.run(50 * MS)
    assert [server.data for server in cluster.alive()] == [[b"a", b"b"]] * 3


def test_leadership_is_handed_to_the_named_worker(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    target = cluster.followers(leader)[1]
    began = cluster.now
    cluster.step(leader, StepDown(target.name))
    cluster.run_until(lambda: cluster.agree() and cluster.leader() is target)
    assert cluster.now - began < 20 * MS


def test_who_hands_over_has_stopped_to_lead_before_its_successor_leads(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    target = cluster.followers(leader)[1]
    cluster.step(leader, StepDown(target.name))

    def has_taken_over() -> bool:
        leading = [one.name for one in cluster.alive() if one.election.leading]
        assert len(leading) <= 1, leading
        return leading == [target.name]

    cluster.run_until(has_taken_over)


def test_who_steps_down_for_nobody_in_particular_leaves_the_lead_to_another(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    epoch = leader.election.epoch
    cluster.step(leader, StepDown(None))
    cluster.run_until(lambda: cluster.agree() and cluster.leader() is not leader)
    assert cluster.leader().election.epoch > epoch


def test_changes_reach_everybody_in_one_order(new: New) -> None:
    cluster = new(5)
    leader = settled(cluster)
    for index in range(100):
        cluster.propose(leader, f"c{index}")
        if index % 7 == 0:
            cluster.run(300 * US)
    cluster.run(1_000 * MS)
    expected = [f"c{index}".encode() for index in range(100)]
    assert [server.data for server in cluster.alive()] == [expected] * 5
    indices = [leader.outcome(f"c{index}") for index in range(100)]
    assert indices == sorted(index for index in indices if index is not None)


def test_only_the_leader_takes_proposals(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    other = cluster.followers(leader)[0]
    cluster.propose(other, "a")
    assert other.outcome("a") is None


def test_what_was_acknowledged_survives_the_leader(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    for index in range(20):
        cluster.propose(leader, f"c{index}")
    cluster.run(100 * MS)
    assert leader.outcome("c19") is not None
    cluster.kill(leader, notice=200 * US)
    second = cluster.elect()
    cluster.run(50 * MS)
    assert second.data == [f"c{index}".encode() for index in range(20)]


def test_a_read_is_confirmed_to_the_leader_only_and_not_by_itself(new: New) -> None:
    cluster = new()
    leader = settled(cluster)
    other = cluster.followers(leader)[0]
    cluster.step(leader, ConfirmRead(1))
    assert 1 not in leader.reads
    cluster.step(other, ConfirmRead(2))
    cluster.run(10 * MS)
    assert (leader.reads, other.reads) == ({1: True}, {2: False})
