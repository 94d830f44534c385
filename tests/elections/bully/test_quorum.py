"""With ``quorum = true`` a minority has no leader, and nothing acknowledged is lost."""

import pytest

from interrex.core.ids import ChangeId
from interrex.core.time import MS
from interrex.elections.bully import BullySettings
from interrex.elections.bully.messages import Beat, encode
from interrex.elections.interface import ConfirmRead, PayloadReceived, ReplaceMember
from tests.elections.bully.network import BullyNetwork

QUORUM = BullySettings(quorum=True)


def started(size: int = 3, settings: BullySettings = QUORUM) -> BullyNetwork:
    network = BullyNetwork(size, settings=settings)
    network.start()
    network.elect()
    network.run_for(100)
    return network


def test_a_minority_does_not_lead() -> None:
    network = started(5)
    network.divide([1, 2, 3], [4, 5])
    network.run_until(lambda: network[3].bully.leading and not network[5].bully.leading)
    network.run_for(5000)
    assert network[3].bully.leading
    assert not network[4].bully.leading
    assert not network[5].bully.leading
    assert network[5].bully.leader is None


def test_a_coordinator_without_a_majority_stops_at_its_deadline() -> None:
    network = started()
    network.partition([1, 2], [3])  # without a word
    deadline = network[3].bully.deadline
    assert deadline is not None
    assert deadline <= network.now + QUORUM.lease_of(QUORUM.election_timeout)
    network.run_until(lambda: not network[3].bully.leading)
    assert network.now <= deadline + QUORUM.heartbeat + MS
    network.run_until(lambda: network[2].bully.leading)
    network.run_for(1000)
    assert not network[3].bully.leading


def test_a_majority_on_disk_acknowledges() -> None:
    network = started()
    network.disk_time = lambda server: None if server is network[1] else 1 * MS
    before = network.now
    network.write("a")
    assert network.now - before < 10 * MS


def test_a_minority_acknowledges_nothing() -> None:
    network = started()
    network.partition([1, 2], [3])
    network.propose(network[3], "nothing")
    network.run_for(1000)
    assert network[3].settled["nothing"][0][0] is None  # type: ignore[index]


def test_nothing_acknowledged_is_lost_when_a_minority_comes_back_as_the_highest() -> None:
    network = started()
    network.partition([1, 2], [3])
    network.propose(network[3], "never acknowledged")
    network.run_until(lambda: network[2].bully.leading)
    network.propose(network[2], "acknowledged")
    network.run_for(50)
    assert network.settled_at(network[2], "acknowledged") is not None
    network.heal()
    network.run_until(lambda: network[3].bully.leading)
    network.run_for(500)
    assert [server.data for server in network.alive()] == [[b"acknowledged"]] * 3
    assert not any(server.lost for server in network.alive())


def test_an_older_epochs_change_is_agreed_only_together_with_one_of_the_new_epoch() -> None:
    """As in Raft (extended paper, 5.4.2): a majority may hold it and it may yet be replaced."""
    network = started(5)
    network.partition([1, 2, 3, 4], [5])
    network.run_until(lambda: network[4].bully.leading)
    leading = network[4].bully._server.node
    assert leading.copy.epoch == network[4].bully.epoch


@pytest.mark.parametrize("alive", [(1, 2), (2, 3), (1, 3)])
def test_any_majority_of_disks_holds_all_that_was_acknowledged(alive: tuple[int, int]) -> None:
    network = started()
    network.disk_time = lambda server: 50 * MS if server is network[1] else 1 * MS
    network.write("a")
    for server in list(network.alive()):
        network.kill(server)
    network.start(*alive)
    network.elect()
    network.run_for(500)
    assert [server.data for server in network.alive()] == [[b"a"]] * 2


def test_a_worker_that_is_alone_makes_no_epochs() -> None:
    network = started()
    network.divide([1], [2, 3])
    epoch = network[1].bully.epoch
    network.run_for(10_000)
    assert network[1].bully.epoch == epoch


@pytest.mark.parametrize("timeouts", [(2000 * MS,), (2000 * MS, QUORUM.election_timeout)])
def test_who_answers_a_beat_waits_as_long_as_that_beat_says(
    timeouts: tuple[int, ...],
) -> None:
    """Paper, section III (T): the coordinator's own deadline counts on it from when it asked. With
    the one that answers it is a majority, and the other one has not heard of it."""
    network = started()
    leading = network[3].bully
    asked_at = network.now
    for number, timeout in enumerate(timeouts, start=1000):
        beat = Beat(3, leading.epoch, number, 0, timeout, MS, appointed=False)
        network.step(network[1], PayloadReceived(network[3].name, encode(beat)))
    network.partition([1, 2], [3])  # without a word
    network.run_until(lambda: network[2].bully.leading)
    assert network.now >= asked_at + QUORUM.lease_of(timeouts[0])


def test_a_coordinator_whose_removal_is_under_way_counts_itself_for_nothing() -> None:
    """Found by the simulator: it answered reads, and led on, after another one led."""
    network = started(2)
    network.partition([1], [2])  # without a word
    network.step(network[2], ReplaceMember(ChangeId("removal"), network[2].name, None))
    assert list(network[2].bully._server.node.members.members) == [1]
    network.step(network[2], ConfirmRead(7))
    network.run_for(1000)
    assert network[2].reads == {7: False}
    assert not network[2].bully.leading
