"""When a coordinator is lost, who takes over, and how soon; when nobody does."""

from itertools import pairwise

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS, US
from interrex.elections.bully import BullySettings
from interrex.elections.interface import PeerConnected, PeerLost
from tests.elections.bully.network import BullyNetwork, BullyServer
from tests.elections.network import Delay


def started(size: int = 3, settings: BullySettings | None = None) -> BullyNetwork:
    network = BullyNetwork(size, settings=settings)
    network.start()
    network.elect()
    network.run_for(300)
    return network


def always(delay: int) -> Delay[BullyServer]:
    """Everything takes so long (ns)."""
    return lambda _from, _to, _message: delay


def test_after_proof_of_death_the_next_highest_leads_without_any_time_out() -> None:
    network = started(5)
    network.die(5)
    began = network.now
    assert network.elect() is network[4]
    assert network.now - began < 5 * MS


def test_proof_that_only_the_next_has_is_enough() -> None:
    """A worker whose own proof is late believes who halts it."""
    network = started()
    network.kill(network[3])
    network.step(network[2], PeerLost(WorkerName("w3"), proved_dead=True))
    began = network.now
    network.run_until(lambda: network[1].bully.leader == "w2")
    assert network.now - began < 5 * MS


def test_when_the_next_highest_is_dead_too_the_one_after_it_leads_at_once() -> None:
    network = started(4)
    network.die(4, 3)
    began = network.now
    assert network.elect() is network[2]
    assert network.now - began < 5 * MS


def test_the_one_after_it_leads_when_the_next_dies_while_it_forms_its_epoch() -> None:
    network = started(4)
    network.die(4)
    network.run_until(lambda: network[1].bully.epoch % 1000 == 3)
    network.die(3)
    began = network.now
    assert network.elect() is network[2]
    assert network.now - began < 30 * MS


def test_a_closed_connection_that_comes_back_deposes_nobody() -> None:
    network = started()
    epoch = network[3].bully.epoch
    network.step(network[1], PeerLost(WorkerName("w3"), proved_dead=False))
    network.run_for(2)
    network.step(network[1], PeerConnected(WorkerName("w3"), 3))
    network.run_for(1000)
    assert network.elect() is network[3]
    assert network[3].bully.epoch == epoch


def test_a_short_pause_of_the_coordinator_is_nothing() -> None:
    network = started()
    epoch = network[3].bully.epoch
    network.stop(network[3])
    network.run_for(100)
    network.resume(network[3])
    network.run_for(1000)
    assert network.elect() is network[3]
    assert network[3].bully.epoch == epoch


def test_a_slow_network_is_measured_and_deposes_nobody() -> None:
    network = started()
    for milliseconds in (20, 60, 90):
        network.latency = always(milliseconds * MS)
        network.run_for(3000)
    epoch = network[3].bully.epoch
    network.run_for(3000)
    assert network[3].bully.epoch == epoch
    assert network[3].bully.leading


def test_a_follower_that_was_stopped_gives_its_coordinator_time_to_be_heard() -> None:
    network = started()
    epoch = network[3].bully.epoch
    network.stop(network[1])
    network.run_for(2000)
    network.resume(network[1])
    network.run_for(1000)
    assert network.elect() is network[3]
    assert network[3].bully.epoch == epoch


def test_a_stopped_follower_delays_changes_by_no_more_than_a_time_out() -> None:
    """It is no longer in reach: the others' copies are enough. It gets what it lacks."""
    network = started()
    network.stop(network[1])
    before = network.now
    network.write("a")
    assert network.now - before <= 400 * MS
    before = network.now
    network.write("b")
    assert network.now - before <= 10 * MS
    network.resume(network[1])
    network.run_for(500)
    assert network[1].data == [b"a", b"b"]


def test_a_coordinator_that_was_stopped_does_not_call_itself_one_when_it_goes_on() -> None:
    network = started()
    network.stop(network[3])
    network.run_until(lambda: network[2].bully.leading)
    network.resume(network[3])
    assert not network[3].bully.leading
    network.run_for(50)
    assert not network[3].bully.leading
    assert network[2].bully.leading


def test_a_coordinator_that_is_stopped_again_and_again_takes_the_lead_back_ever_more_rarely() -> (
    None
):
    network = started()
    waits = []
    for _ in range(5):
        network.stop(network[3])
        network.run_until(lambda: network[2].bully.leading)
        network.resume(network[3])
        began = network.now
        network.run_until(lambda: network[3].bully.leading)
        network.elect()
        waits.append(network.now - began)
    assert all(later > 1.5 * earlier for earlier, later in pairwise(waits))


def test_a_higher_worker_that_is_back_takes_over() -> None:
    network = started()
    network.die(3)
    network.elect()
    network.write("while it was away")
    network.boot(network[3])
    network.run_until(lambda: network[3].bully.leading)
    network.run_for(100)
    assert network[3].data == [b"while it was away"]
    assert network[2].lost == []


def test_a_higher_worker_that_is_back_waits_its_turn_where_it_may_not_preempt() -> None:
    network = started(settings=BullySettings(preempt=False))
    network.die(3)
    assert network.elect() is network[2]
    network.boot(network[3])
    network.run_for(5000)
    assert network.elect() is network[2]
    network.die(2)
    assert network.elect() is network[3]


@pytest.mark.parametrize("preempt", [True, False])
def test_a_cluster_that_starts_waits_for_all_and_elects_once(preempt: bool) -> None:
    network = BullyNetwork(3, settings=BullySettings(preempt=preempt))
    for number in (1, 2, 3):
        network.start(number)
        network.run_for(150)
    network.elect()
    network.run_for(2000)
    assert network.elect() is network[3]
    assert network[3].bully.epoch == 1003


def test_a_cluster_of_which_some_never_start_elects_the_highest_of_the_others() -> None:
    network = BullyNetwork(5)
    network.start(1, 2, 4)
    assert network.elect() is network[4]
    assert network.now <= 1500 * MS


def test_a_false_proof_of_death_costs_an_election_at_most() -> None:
    network = started()
    network.step(network[2], PeerLost(WorkerName("w3"), proved_dead=True))
    network.step(network[2], PeerConnected(WorkerName("w3"), 3))
    network.run_for(2000)
    assert network.elect() is network[3]


def test_mail_left_in_a_dead_coordinators_socket_does_not_bring_it_back() -> None:
    network = started()
    network.latency = lambda _from, _to, _message: 5 * MS
    network.run_for(60)
    network.die(3)  # its last beats are still under way
    network.latency = lambda _from, _to, _message: 100 * US
    network.run_for(3)
    network.run_for(20)
    assert network.elect() is network[2]


def test_a_coordinator_whose_disk_does_not_answer_hands_over() -> None:
    network = started()
    network.disk_time = lambda server: None if server is network[3] else 500 * US
    network.propose(network[3], "stuck")
    network.run_until(lambda: network[2].bully.leading)
    assert network[3].settled["stuck"][0][0] is None  # type: ignore[index]
    network.run_for(1000)
    assert network[2].bully.leading


def test_without_a_quorum_nobody_leads_alone_before_a_closed_connection_had_time_to_come_back() -> (
    None
):
    network = started()
    epoch = network[3].bully.epoch
    network.divide([1], [2, 3])
    network.run_for(150)
    assert network[1].bully.leader is None
    network.unite()
    network.run_for(1000)
    assert network.elect() is network[3]
    assert network[3].bully.epoch == epoch
