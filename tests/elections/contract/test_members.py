"""What every election with a log owes: members replaced by agreement, one after the other."""

from typing import Any

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS
from interrex.elections.interface import ReplaceMember
from tests.elections.contract.clusters import number, settled
from tests.elections.contract.conftest import New
from tests.elections.network import Network, Server


def replace(network: Network[Any], leader: Server, name: str, member: int | None) -> int | None:
    """Asks for a change of membership, and waits until it is settled."""
    change = f"{name} is {member}"
    network.step(leader, ReplaceMember(ChangeId(change), WorkerName(name), member))
    network.run_until(lambda: leader.settled.get(ChangeId(change)))
    return leader.outcome(change)


def names(server: Server) -> list[tuple[str, int]]:
    return [(one.worker, one.member) for one in server.election.members]


def test_a_lost_log_is_replaced_by_a_new_member_that_knows_everything(new: New) -> None:
    network = new()
    leader = settled(network)
    network.propose(leader, "a")
    network.run(50 * MS)
    lost = network.followers(leader)[0]
    network.kill(lost)
    joined = network.join(number(lost), 10)
    assert not joined.election.members
    assert replace(network, leader, lost.name, 10) is not None
    network.run(100 * MS)
    assert joined.data == [b"a"]
    assert (lost.name, 10) in names(leader)
    assert len(names(leader)) == 3
    assert names(joined) == names(leader)


def test_the_replaced_member_is_needed_no_more_and_the_new_one_counts(new: New) -> None:
    network = new()
    leader = settled(network)
    lost, other = network.followers(leader)
    network.kill(lost)
    network.join(number(lost), 10)
    assert replace(network, leader, lost.name, 10) is not None
    network.kill(other)
    network.propose(leader, "a")
    network.run(50 * MS)
    assert leader.outcome("a") is not None
    network.kill(leader)
    network.boot(other)
    second = network.elect()
    network.run(50 * MS)
    assert second.data == [b"a"]


def test_without_genesis_or_configuration_a_server_never_campaigns(new: New) -> None:
    network = new(1)
    settled(network)
    joined = network.join(2, 20)
    network.run(5_000 * MS)
    assert (joined.election.wake_at, joined.election.epoch) == (None, 0)


def test_a_new_server_that_never_answers_is_given_up(new: New) -> None:
    network = new(catch_up_timeout=500 * MS)
    leader = settled(network)
    assert replace(network, leader, "w4", 4) is None
    network.propose(leader, "a")
    network.run(50 * MS)
    assert leader.outcome("a") is not None
    assert len(names(leader)) == 3


def test_every_member_is_replaced_one_after_the_other_under_load(new: New) -> None:
    network = new(5)
    settled(network)
    for at in range(1, 6):
        leader = network.elect()
        for index in range(20):
            network.propose(leader, f"c{at}.{index}")
        if leader is network[at]:
            continue
        network.kill(network[at])
        network.join(at, 10 + at)
        assert replace(network, leader, f"w{at}", 10 + at) is not None
    network.run(100 * MS)
    last = network.elect()
    assert sum(member > 10 for _, member in names(last)) == 4
    assert all(len(server.data) == len(last.data) for server in network.alive())


def test_a_leader_that_removes_itself_hands_over_once_that_is_agreed(new: New) -> None:
    network = new()
    leader = settled(network)
    assert replace(network, leader, leader.name, None) is not None
    network.run(5 * MS)
    assert not leader.election.leading
    rest = network.followers(leader)
    network.run_until(lambda: any(server.election.leading for server in rest), 100 * MS)
    assert all(leader.name not in dict(names(server)) for server in rest)


def test_a_removed_server_that_keeps_campaigning_is_ignored(new: New) -> None:
    network = new(4)
    leader = settled(network)
    removed = network.followers(leader)[0]
    network.cut |= {(server.name, removed.name) for server in network.alive()}
    assert replace(network, leader, removed.name, None) is not None
    epoch = leader.election.epoch
    network.run(10_000 * MS)
    assert (leader.election.leading, leader.election.epoch) == (True, epoch)
    assert removed.election.epoch == epoch
    network.heal()
    network.kill(leader)
    network.run_until(lambda: network.leader() is not None)
    assert network.leader() is not removed


def test_a_removed_server_never_leads_those_who_removed_it(new: New) -> None:
    network = new(3)
    leader = settled(network)
    removed, other = network.followers(leader)
    assert replace(network, leader, removed.name, None) is not None
    network.kill(other)
    network.run(5_000 * MS)
    assert not removed.election.leading
    assert network.leader() is None


def test_two_changes_across_a_leader_change_never_make_two_majorities(new: New) -> None:
    """Fault 12: the schedule of raft-dev, 2015-07-10, on four servers."""
    network = new(4)
    first = settled(network)
    others = network.followers(first)
    network.partition([number(first)], [number(server) for server in others])
    network.step(first, ReplaceMember(ChangeId("x"), others[2].name, None))
    network.run(1_000 * MS)
    second = network.leader()
    assert second is not None
    assert second is not first
    assert replace(network, second, first.name, None) is not None
    network.heal()
    network.run(1_000 * MS)
    assert first.outcome("x") is None
    leaders = [server for server in network.alive() if server.election.leading]
    assert len(leaders) == 1
    assert first.name not in dict(names(leaders[0]))


def test_changes_that_cannot_be_are_refused(new: New) -> None:
    network = new(3)
    leader = settled(network)
    assert replace(network, leader, "w9", number(leader)) is None
    alone = new(1)
    only = settled(alone)
    assert replace(alone, only, only.name, None) is None
    full = new(7)
    leader = settled(full)
    assert replace(full, leader, "w8", 8) is None


def test_a_change_that_is_already_so_is_settled_at_once(new: New) -> None:
    network = new(3)
    leader = settled(network)
    assert replace(network, leader, "w3", 3) is not None
    assert names(leader) == [("w1", 1), ("w2", 2), ("w3", 3)]


def test_a_cluster_grows_from_one_to_three(new: New) -> None:
    network = new(1)
    leader = settled(network)
    network.propose(leader, "a")
    for at in (2, 3):
        network.join(at, at)
        assert replace(network, leader, f"w{at}", at) is not None
    network.run(100 * MS)
    network.kill(leader, notice=1 * MS)
    second = network.elect()
    network.run(50 * MS)
    assert second.data == [b"a"]
