"""What every election with a log owes: the same changes in the same order, and none lost."""

from random import Random

import pytest

from interrex.core.ids import ChangeId
from interrex.core.time import MS, US
from interrex.elections.interface import ConfirmRead, Propose
from tests.elections.contract.clusters import TIMEOUT, number, settled
from tests.elections.contract.conftest import New


def test_a_deposed_leader_cannot_tell_what_becomes_of_its_proposals(new: New) -> None:
    network = new()
    leader = settled(network)
    network.cut = {(leader.name, other.name) for other in network.followers(leader)}
    network.propose(leader, "same")
    network.run(1_000 * MS)
    assert leader.outcome("same") is None
    network.heal()
    second = network.elect()
    network.step(second, Propose(ChangeId("same"), b"data"))
    network.run(50 * MS)
    assert second.outcome("same") is not None


def test_a_leader_cut_off_gets_nothing_acknowledged(new: New) -> None:
    network = new()
    leader = settled(network)
    others = network.followers(leader)
    network.partition([number(leader)], [number(one) for one in others])
    network.propose(leader, "lost")
    network.run_until(lambda: any(one.election.leading for one in others))
    second = network.leader()
    assert second is not None
    network.propose(second, "kept")
    network.run(50 * MS)
    network.heal()
    network.run(3 * TIMEOUT)
    assert leader.outcome("lost") is None
    assert leader.data == second.data
    assert b"kept" in leader.data


def test_what_is_too_large_is_refused(new: New) -> None:
    network = new(max_change_bytes=30, max_uncommitted_bytes=60)
    leader = settled(network)
    network.propose(leader, "long", b"x" * 31)
    assert leader.outcome("long") is None
    network.cut = {(leader.name, other.name) for other in network.followers(leader)}
    for index in range(4):
        network.propose(leader, f"c{index}", b"x" * 20)
    assert leader.outcome("c3") is None


@pytest.mark.parametrize("batch_bytes", [1, 100, 100_000])
@pytest.mark.parametrize("seed", range(3))
def test_a_flood_over_a_bad_network_arrives_whole(new: New, batch_bytes: int, seed: int) -> None:
    network = new(3, seed, batch_bytes=batch_bytes, inflight_batches=2)
    leader = settled(network)
    random = Random(seed)

    def latency(*_: object) -> int | None:
        return None if random.random() < 0.1 else random.randrange(50 * US, 3 * MS)

    network.latency = latency
    network.duplicate = lambda: random.random() < 0.1
    for index in range(300):
        network.propose(network.leader() or leader, f"c{index}", bytes(random.randrange(60)))
        network.run(random.randrange(MS))
    network.latency = lambda *_: 100 * US
    network.run(3_000 * MS)
    last = network.elect()
    known = [len(server.data) for server in network.alive()]
    assert known == [len(last.data)] * 3
    assert len(last.data) >= 250


# Reads


def test_a_new_leader_confirms_only_when_it_has_all_that_was_acknowledged(new: New) -> None:
    network = new()
    leader = settled(network)
    for index in range(50):
        network.propose(leader, f"c{index}")
    network.run_until(lambda: leader.settled.get(ChangeId("c49")))
    network.kill(leader, notice=200 * US)
    second = network.elect()
    network.step(second, ConfirmRead(1))
    network.run_until(lambda: 1 in second.reads)
    assert second.reads[1]
    assert len(second.data) == 50


def test_a_leader_that_hears_no_majority_confirms_no_read(new: New) -> None:
    network = new()
    leader = settled(network)
    network.cut = {(other.name, leader.name) for other in network.followers(leader)}
    network.step(leader, ConfirmRead(1))
    network.run(3 * TIMEOUT)
    assert leader.reads == {1: False}


# Snapshots


def test_a_late_worker_gets_the_snapshot_and_what_follows(new: New) -> None:
    network = new(snapshot_after=10, trailing_entries=0, snapshot_chunk_bytes=50)
    leader = settled(network)
    late = network.followers(leader)[0]
    network.kill(late)
    for index in range(45):
        network.propose(leader, f"c{index}")
        network.run(5 * MS)
    network.boot(late)
    network.run(TIMEOUT)
    assert late.data == leader.data
    assert late.disk.snapshot is not None


@pytest.mark.parametrize("seed", range(1, 13))
def test_a_lost_chunk_is_sent_again(new: New, seed: int) -> None:
    network = new(snapshot_after=5, trailing_entries=0, snapshot_chunk_bytes=60)
    leader = settled(network)
    late = network.followers(leader)[0]
    network.kill(late)
    for index in range(20):
        network.propose(leader, f"c{index}")
        network.run(5 * MS)
    network.boot(late)
    random = Random(seed)
    network.latency = lambda *_: None if random.random() < 0.3 else 100 * US
    network.run(3_000 * MS)
    network.latency = lambda *_: 100 * US
    network.run(1_000 * MS)
    assert late.data == leader.data


def test_a_restarted_worker_hands_out_its_snapshot_first(new: New) -> None:
    network = new(snapshot_after=10, trailing_entries=2)
    leader = settled(network)
    for index in range(25):
        network.propose(leader, f"c{index}")
        network.run(5 * MS)
    for server in network.alive():
        assert server.disk.snapshot is not None
        network.kill(server)
    network.start()
    network.elect()
    network.run(50 * MS)
    assert [len(server.data) for server in network.alive()] == [25] * 3
