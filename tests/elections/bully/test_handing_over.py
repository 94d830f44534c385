"""Stepping down: to a named worker or to the next best, which is then not bullied back."""

from interrex.core.ids import WorkerName
from interrex.core.time import MS
from interrex.elections.bully import BullySettings
from interrex.elections.interface import StepDown
from tests.elections.bully.network import BullyNetwork


def started(size: int = 3, settings: BullySettings | None = None) -> BullyNetwork:
    network = BullyNetwork(size, settings=settings)
    network.start()
    network.elect()
    network.run_for(100)
    return network


def test_the_named_successor_leads_and_is_not_bullied_back() -> None:
    network = started()
    began = network.now
    network.step(network[3], StepDown(WorkerName("w1")))
    network.run_until(lambda: network[1].bully.leading)
    assert network.now - began < 5 * MS
    network.run_for(30_000)
    assert network.elect() is network[1]


def test_without_a_name_the_next_highest_leads() -> None:
    network = started(4)
    network.step(network[4], StepDown())
    network.run_until(lambda: network[3].bully.leading)
    network.run_for(10_000)
    assert network.elect() is network[3]


def test_the_successor_has_all_that_was_acknowledged_and_what_was_under_way() -> None:
    network = started()
    network.write("a")
    network.propose(network[3], "b")
    network.step(network[3], StepDown(WorkerName("w1")))
    network.run_until(lambda: network[1].bully.leading)
    network.run_for(100)
    assert network[1].data == [b"a", b"b"]


def test_who_hands_over_has_stopped_to_lead_though_it_hears_late_of_its_successor() -> None:
    network = started(5, BullySettings(quorum=True))
    usual = network.latency
    network.latency = lambda sender, to, message: (
        90 * MS if (sender, to) == (network[1], network[5]) else usual(sender, to, message)
    )
    network.run_for(100)
    network.step(network[5], StepDown(WorkerName("w1")))
    network.run_until(lambda: network[1].bully.leading)
    assert not network[5].bully.leading


def test_while_it_hands_over_a_coordinator_takes_no_changes() -> None:
    network = started()
    network.step(network[3], StepDown(WorkerName("w1")))
    network.propose(network[3], "late")
    assert network[3].settled["late"] == [(None, "leadership is being handed over")]  # type: ignore[index]


def test_when_an_appointed_coordinator_dies_the_highest_leads_again() -> None:
    network = started()
    network.step(network[3], StepDown(WorkerName("w1")))
    network.run_until(lambda: network[1].bully.leading)
    network.run_for(100)
    network.die(1)
    began = network.now
    assert network.elect() is network[3]
    assert network.now - began < 5 * MS


def test_an_appointed_coordinator_stays_when_a_higher_worker_restarts() -> None:
    network = started()
    network.step(network[3], StepDown(WorkerName("w1")))
    network.run_until(lambda: network[1].bully.leading)
    network.die(3)
    network.run_for(100)
    network.boot(network[3])
    network.run_for(5000)
    assert network.elect() is network[1]


def test_a_successor_out_of_reach_is_not_handed_to() -> None:
    network = started()
    network.die(1)
    network.run_for(10)
    network.step(network[3], StepDown(WorkerName("w1")))
    network.run_for(1000)
    assert network.elect() is network[3]


def test_a_successor_that_dies_meanwhile_leaves_the_coordinator_in_office() -> None:
    network = started()
    network.disk_time = lambda server: None if server is network[1] else 1 * MS
    network.propose(network[3], "a")
    network.step(network[3], StepDown(WorkerName("w1")))
    network.die(1)
    network.run_for(300)
    assert network.elect() is network[3]
    network.write("b")


def test_a_quorum_hands_over_alike() -> None:
    network = started(settings=BullySettings(quorum=True))
    network.step(network[3], StepDown(WorkerName("w1")))
    network.run_until(lambda: network[1].bully.leading)
    network.run_for(10_000)
    assert network.elect() is network[1]
