"""What a worker has obeyed its election has promised: no coordinator is without effect for good.

A coordinator's command may reach a worker whose election has not heard of that epoch, and the
coordinator may be gone for good before anybody has. Whoever obeyed it obeys no older one any more.
"""

import msgspec
import pytest

from interrex.core.time import MS
from interrex.elections.bully.candidate import Candidate
from interrex.elections.bully.epochs import next_epoch, seat_of
from interrex.elections.bully.node import PROMISE, StoredPromise
from interrex.elections.bully.settings import BullySettings
from interrex.elections.interface import EpochObeyed
from tests.elections.bully.network import BullyNetwork, BullyServer

OF_A_LOST_DISK = 9
"""The seat of a member that is gone for good."""
BOTH = pytest.mark.parametrize("quorum", [False, True])


def started(*, quorum: bool = False) -> tuple[BullyNetwork, BullyServer]:
    network = BullyNetwork(3, settings=BullySettings(quorum=quorum))
    network.start()
    leader = network.elect()
    network.run_for(300)
    return network, leader


def obeys(network: BullyNetwork, server: BullyServer) -> int:
    """The server's worker obeys a command of an epoch that no election has heard of."""
    epoch = next_epoch(server.bully.epoch, OF_A_LOST_DISK)
    network.step(server, EpochObeyed(epoch))
    return epoch


def leads_above(network: BullyNetwork, epoch: int) -> bool:
    leader = network.leader()
    return leader is not None and network.agree() and leader.bully.epoch > epoch


@BOTH
def test_a_leader_whose_own_worker_obeyed_a_newer_epoch_makes_one_above_it(quorum: bool) -> None:
    network, leader = started(quorum=quorum)
    epoch = obeys(network, leader)
    assert not leader.bully.leading
    network.run_until(lambda: leads_above(network, epoch))
    assert network.leader() is leader
    assert seat_of(leader.bully.epoch) != OF_A_LOST_DISK


@BOTH
def test_a_leader_whose_followers_worker_obeyed_a_newer_epoch_makes_one_above_it(
    quorum: bool,
) -> None:
    network, leader = started(quorum=quorum)
    epoch = obeys(network, network[1])
    network.run_until(lambda: leads_above(network, epoch))
    assert network.leader() is leader


def test_who_forms_an_epoch_below_what_its_worker_obeys_makes_another() -> None:
    network, leader = started()
    network.kill(leader, notice=network.notice)
    network.run_until(lambda: isinstance(network[2].bully._server.role, Candidate))
    epoch = obeys(network, network[2])
    network.run_until(lambda: leads_above(network, epoch))
    assert network.leader() is network[2]


def test_an_older_epoch_that_was_obeyed_changes_nothing() -> None:
    network, leader = started()
    epoch = leader.bully.epoch
    network.step(leader, EpochObeyed(epoch - 1))
    network.step(leader, EpochObeyed(epoch))
    assert leader.bully.leading
    assert leader.bully.epoch == epoch


def test_what_was_obeyed_is_a_promise_on_disk() -> None:
    network, _ = started()
    epoch = obeys(network, network[1])
    network.run_for(1)
    network.kill(network[1])
    stored = msgspec.msgpack.decode(network[1].disk.facts[PROMISE], type=StoredPromise)
    assert stored.epoch >= epoch


def test_the_coordinator_whose_command_came_before_its_name_is_followed_at_once() -> None:
    """Mail of one connection keeps its order, but may be lost with the connection before."""
    network, high = started()
    network.divide([1, 2], [3])
    network.run_until(lambda: network[1].bully.leader == "w2")
    for _ in range(3):  # the lone one goes through epochs of its own
        network.kill(high)
        network.boot(high)
        network.run_until(lambda: high.bully.leading)
    epoch = high.bully.epoch
    assert epoch > network[1].bully.epoch
    network.step(network[1], EpochObeyed(epoch))
    assert network[1].bully.leader == "w2"
    network.unite()
    began = network.now
    network.run_until(lambda: network[1].bully.leader == "w3")
    assert network.now - began < 5 * MS
    assert network[1].bully.epoch == epoch
