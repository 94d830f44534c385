"""What every election with a log owes: leaders, epochs, and how they change."""

import pytest

from interrex.core.time import MS, US
from interrex.elections.interface import PeerLost, StepDown
from tests.elections.contract.clusters import TIMEOUT, number, only_links, settled
from tests.elections.contract.conftest import New


def test_after_a_proof_of_death_the_next_leads_after_one_round_and_one_write(new: New) -> None:
    network = new()
    leader = settled(network)
    killed_at = network.now
    network.kill(leader, notice=200 * US)
    network.elect()
    one_way, write = 100 * US, 500 * US
    assert network.now - killed_at == 200 * US + 3 * one_way + write


def test_the_next_in_order_dies_too_and_the_one_after_it_leads(new: New) -> None:
    network = new(5)
    leader = settled(network)
    epoch, killed_at = leader.election.epoch, network.now
    network.kill(leader, notice=200 * US)
    network.run_until(lambda: any(one.election.epoch > epoch for one in network.alive()))
    next_one = next(one for one in network.alive() if one.election.epoch > epoch)
    network.kill(next_one, notice=200 * US)
    network.elect()
    assert network.now - killed_at < TIMEOUT


def test_a_silent_leader_is_replaced_within_three_timeouts(new: New) -> None:
    network = new()
    leader = settled(network)
    network.stop(leader)
    network.run_until(lambda: network.leader() not in (None, leader), 3 * TIMEOUT)


def test_a_leader_in_the_minority_steps_down_and_the_majority_elects(new: New) -> None:
    network = new(5)
    leader = settled(network)
    one = network.followers(leader)[0]
    rest = [number(server) for server in network.alive() if server not in (leader, one)]
    network.partition([number(leader), number(one)], rest)
    network.run(TIMEOUT)
    assert not leader.election.leading
    network.run(3 * TIMEOUT)
    second = network.leader()
    assert second is not None
    assert number(second) in rest


def test_a_leader_that_hears_but_cannot_send_is_replaced_without_churn(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    network.cut = {(leader.name, other.name) for other in network.followers(leader)}
    network.run(10_000 * MS)
    second = network.leader()
    assert second is not None
    assert second is not leader
    assert second.election.epoch == epoch + 1


def test_a_leader_that_sends_but_cannot_hear_steps_down(new: New) -> None:
    network = new()
    leader = settled(network)
    network.cut = {(other.name, leader.name) for other in network.followers(leader)}
    network.run(TIMEOUT)
    assert not leader.election.leading
    network.run(4 * TIMEOUT)
    assert network.leader() not in (None, leader)


def test_a_partial_mesh_of_five_has_a_stable_leader(new: New) -> None:
    network = new(5)
    settled(network)
    only_links(network, (1, 2), (1, 3), (2, 3), (3, 4), (2, 5))
    network.run(4_000 * MS)
    leader = network.leader()
    assert leader is not None
    epoch = leader.election.epoch
    network.run(10_000 * MS)
    assert (network.leader(), leader.election.epoch) == (leader, epoch)


@pytest.mark.parametrize("seed", range(8))
def test_the_only_one_that_reaches_a_quorum_leads_within_four_timeouts(new: New, seed: int) -> None:
    network = new(5, seed)
    hub = network.followers(settled(network))[0]
    spokes = [server for server in network.alive() if server is not hub]
    only_links(network, *[(number(hub), number(server)) for server in spokes])
    network.run_until(lambda: hub.election.leading, 4 * TIMEOUT)


@pytest.mark.parametrize("seed", range(5))
def test_a_chain_does_not_livelock(new: New, seed: int) -> None:
    network = new(3, seed)
    settled(network)
    only_links(network, (1, 2), (1, 3))
    network.run(4_000 * MS)
    leader = network.leader()
    assert leader is not None
    epoch = leader.election.epoch
    network.run(10_000 * MS)
    assert (network.leader(), leader.election.epoch) == (leader, epoch)


def test_an_isolated_node_that_comes_back_disturbs_nobody(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    lonely = network.followers(leader)[0]
    rest = [number(one) for one in network.alive() if one is not lonely]
    network.partition([number(lonely)], rest)
    network.run(10_000 * MS)
    assert lonely.election.leader is None
    network.heal()
    network.run(3 * TIMEOUT)
    assert network.agree()
    assert (network.leader(), lonely.election.epoch) == (leader, epoch)


def test_a_death_that_was_none_costs_at_most_one_epoch(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    for other in network.followers(leader):
        network.step(other, PeerLost(leader.name, proved_dead=True))
    network.run(5 * TIMEOUT)
    assert network.agree()
    assert leader.election.epoch == epoch + 1


@pytest.mark.parametrize("seed", range(20))
def test_simultaneous_timeouts_converge(new: New, seed: int) -> None:
    network = new(5, seed)
    network.start()
    network.elect()
    assert network.now < 6 * TIMEOUT


def test_late_heartbeats_do_not_depose_again_and_again(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    for _ in range(100):
        current = network.leader() or leader
        network.stop(current)
        network.run(network.random.randrange(60 * MS, 150 * MS))
        network.resume(current)
        network.run(20 * MS)
    last = network.leader() or leader
    assert last.election.epoch - epoch <= 3


def test_a_transfer_to_a_dying_target_is_given_up_and_the_leader_goes_on(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    target = network.followers(leader)[0]
    network.cut |= {(leader.name, target.name), (target.name, leader.name)}
    network.propose(leader, "before")
    network.step(leader, StepDown(target.name))
    network.kill(target)
    network.run(TIMEOUT + 10 * MS)
    network.propose(leader, "after")
    network.run(50 * MS)
    assert leader.data == [b"before", b"after"]
    assert (leader.election.leading, leader.election.epoch) == (True, epoch)


def test_who_hands_over_has_stopped_to_lead_though_it_hears_late_of_its_successor(
    new: New,
) -> None:
    network = new(5)
    leader = settled(network)
    target, usual = network.followers(leader)[0], network.latency
    network.latency = lambda sender, to, message: (
        20 * MS if (sender, to) == (target, leader) else usual(sender, to, message)
    )
    network.run(100 * MS)
    network.step(leader, StepDown(target.name))
    network.run_until(lambda: target.election.leading)
    assert not leader.election.leading


def test_a_leader_whose_disk_hangs_steps_down_and_another_leads(new: New) -> None:
    network = new()
    leader = settled(network)
    network.disk_time = lambda server: None if server is leader else 500 * US
    network.propose(leader, "stuck")
    network.run(TIMEOUT + 20 * MS)
    assert not leader.election.leading
    network.run_until(lambda: network.leader() not in (None, leader), 3 * TIMEOUT)


def test_slow_disks_slow_the_log_and_depose_nobody(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    network.disk_time = lambda server: 150 * MS
    for index in range(20):
        network.propose(leader, f"c{index}")
        network.run(100 * MS)
    network.run(1_000 * MS)
    assert (leader.election.leading, leader.election.epoch) == (True, epoch)
    assert len(leader.data) == 20


def test_a_deadline_counts_from_when_the_answered_heartbeat_was_sent(new: New) -> None:
    """The patience that it asks for is 2 heartbeats and 4 round trips; a tenth is for clocks."""
    network = new()
    leader = settled(network)
    network.latency = lambda _from, _to, _message: 40 * MS
    network.run(5_000 * MS)
    deadline = leader.election.deadline
    assert deadline is not None
    assert deadline - network.now <= 430 * MS * 9 // 10 - 80 * MS
    network.cut = {(other.name, leader.name) for other in network.followers(leader)}
    network.run(deadline - network.now)
    assert not leader.election.leading
