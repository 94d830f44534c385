"""Workers come, go, and come back without their disks."""

import pytest

from interrex.core.ids import ChangeId, WorkerName
from interrex.elections.bully import BullySettings
from interrex.elections.bully.changes import LAST_MEMBER
from interrex.elections.interface import ReplaceMember
from tests.elections.bully.network import BullyNetwork, BullyServer

BOTH = pytest.mark.parametrize("quorum", [False, True])


def started(size: int = 3, *, quorum: bool = False) -> BullyNetwork:
    network = BullyNetwork(size, settings=BullySettings(quorum=quorum))
    network.start()
    network.elect()
    network.run_for(100)
    return network


def replace(network: BullyNetwork, worker: str, member: int | None) -> ChangeId:
    leader = network.leader()
    assert leader is not None
    change = ChangeId(f"{worker} is {member}")
    network.step(leader, ReplaceMember(change, WorkerName(worker), member))
    return change


def seats(server: BullyServer) -> dict[str, int]:
    return {seat.worker: seat.number for seat in server.bully._server.node.members.members.values()}


@BOTH
def test_a_lost_disk_comes_back_simply(quorum: bool) -> None:
    network = started(quorum=quorum)
    network.write("a")
    network.die(1)
    network.run_for(5)
    network.join(1, 101)
    network.run_until(lambda: network[1].data == [b"a"])
    change = replace(network, "w1", 101)
    network.run_until(lambda: network.settled_at(network[3], change) is not None)
    network.run_for(100)
    assert seats(network[1]) == {"w1": 4, "w2": 2, "w3": 3}
    assert [member.member for member in network[3].bully.members] == [101, 2, 3]


@BOTH
def test_the_highest_leads_again_after_its_disk_was_lost_in_epochs_of_a_new_seat(
    quorum: bool,
) -> None:
    network = started(quorum=quorum)
    network.die(3)
    network.elect()
    network.join(3, 103)
    network.run_for(2000)
    assert network.leader() is network[2]
    replace(network, "w3", 103)
    network.run_until(lambda: network[3].bully.leading)
    assert network[3].bully.epoch % 1000 == 4


@BOTH
def test_a_cluster_of_which_every_disk_was_lost_once_leads_again_after_all_began_anew(
    quorum: bool,
) -> None:
    """Found by the simulator: whom the cluster began with was no member any more, what is agreed is
    not known after a start, and so none knew of a seat of its own: nobody ever stood again."""
    network = started(quorum=quorum)
    for number in (1, 2, 3):
        network.die(number)
        network.elect()
        network.join(number, 100 + number)
        network.run_for(2000)
        replace(network, f"w{number}", 100 + number)
        network.run_for(500)
    network.die(1, 2, 3)
    for number in (1, 2, 3):
        network.boot(network[number])
    network.elect()
    assert [member.member for member in network[1].bully.members] == [101, 102, 103]


def test_a_worker_without_a_disk_and_without_the_others_does_not_lead() -> None:
    """Its empty state would take the place of everybody's later."""
    network = started()
    network.write("a")
    network.die(1, 2, 3)
    network.join(1, 101)
    network.run_for(5000)
    assert network[1].bully.leader is None
    network.boot(network[2])
    network.run_until(lambda: network[2].bully.leading)
    network.run_for(200)
    assert network[1].data == [b"a"]


@BOTH
def test_a_new_worker_takes_part(quorum: bool) -> None:
    network = started(quorum=quorum)
    network.write("a")
    network.join(4, 104)
    network.run_until(lambda: network[4].data == [b"a"])
    replace(network, "w4", 104)
    network.run_until(lambda: network[4].bully.leading)
    assert network[4].bully.epoch % 1000 == 4


@BOTH
def test_a_worker_that_leaves_is_not_waited_for_and_does_not_lead(quorum: bool) -> None:
    network = started(4, quorum=quorum)
    change = replace(network, "w4", None)
    network.run_until(lambda: network.settled_at(network[4], change) is not None)
    network.run_until(lambda: network[3].bully.leading)
    network.run_for(3000)
    assert network[3].bully.leading
    assert seats(network[3]) == {"w1": 1, "w2": 2, "w3": 3}


def test_without_a_quorum_a_seat_waits_for_every_other_member() -> None:
    """Two sides of a partition must never give away the same seat."""
    network = started(4)
    network.divide([1], [2, 3, 4])
    network.run_for(1000)
    network.die(2)
    network.run_for(5)
    network.join(2, 102)
    change = replace(network, "w2", 102)
    network.run_for(5000)
    assert network.settled_at(network[4], change) is None
    network.unite()
    network.run_until(network.agree)
    change = replace(network, "w2", 102)
    network.run_until(lambda: network.settled_at(network[4], change) is not None)
    assert seats(network[4])["w2"] == 5


def test_a_seat_that_a_losing_side_gave_away_is_not_given_again() -> None:
    network = started()
    network.die(1)
    network.run_for(5)
    network.join(1, 101)
    network.run_for(50)
    change = replace(network, "w1", 101)
    network.run_until(lambda: network.settled_at(network[3], change) is not None)
    network.run_for(100)
    assert all(server.bully._server.node.seats == 4 for server in network.alive())
    network.kill(network[2])
    network.boot(network[2])
    assert network[2].bully._server.node.seats == 4


def test_the_last_member_cannot_be_removed() -> None:
    network = started(1)
    change = replace(network, "w1", None)
    assert network[1].settled[change] == [(None, LAST_MEMBER)]


def test_a_member_id_of_another_worker_is_refused() -> None:
    network = started()
    change = replace(network, "w1", 2)
    assert network[3].settled[change] == [(None, "member 2 is w2")]


@BOTH
def test_a_change_of_membership_asked_twice_is_done_once(quorum: bool) -> None:
    network = started(quorum=quorum)
    change = replace(network, "w2", 2)
    network.run_for(10)
    assert network.settled_at(network[3], change) is not None
    assert seats(network[3]) == {"w1": 1, "w2": 2, "w3": 3}
