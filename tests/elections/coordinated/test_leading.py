"""What is the same whatever the service: who goes next, and what a leader says of reads."""

from collections.abc import Callable
from typing import Any

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.interface import StepDown
from tests.elections.coordinated.world import World
from tests.elections.etcd.world import World as EtcdWorld
from tests.elections.zookeeper.world import World as ZooKeeperWorld

New = Callable[..., World[Any, Any, Any]]


@pytest.fixture(params=[EtcdWorld, ZooKeeperWorld], ids=["etcd", "zookeeper"])
def new(request: pytest.FixtureRequest) -> New:
    made: New = request.param
    return made


def test_a_restarted_worker_ends_its_own_old_leadership_at_once(new: New) -> None:
    """It is the only one of its name."""
    world = new(workers=1)
    leader = world.elect()
    first = leader.election.epoch
    world.run(S)
    begin = world.now
    world.kill(leader.name)
    world.restart(leader.name)
    world.elect()
    assert world.now - begin < 200 * MS
    assert leader.election.epoch > first


def test_a_leader_hands_over_to_whom_it_was_asked_for(new: New) -> None:
    world = new()
    world.elect()
    for chosen in ("w3", "w1", "w2", "w3"):
        world.run(S)
        leader = world.elect()
        if leader.name == chosen:
            continue
        begin = world.now
        world.step(leader, StepDown(WorkerName(chosen)))
        assert not leader.election.leading
        assert world.elect().name == chosen
        assert world.now - begin < 50 * MS


def test_a_chosen_one_that_is_not_there_is_not_waited_for(new: New) -> None:
    world = new()
    leader = world.elect()
    world.run(S)
    absent = next(server.name for server in world.servers.values() if server is not leader)
    world.kill(absent)
    world.run(10 * S)
    world.step(leader, StepDown(absent))
    begin = world.now
    assert world.elect() is not leader
    assert world.now - begin < 100 * MS


def test_a_leader_that_is_to_hand_over_to_itself_leads_on(new: New) -> None:
    """Nobody gains by an election, and nobody would keep its place for it meanwhile."""
    world = new()
    leader = world.elect()
    epoch = leader.election.epoch
    world.step(leader, StepDown(leader.name))
    world.run(S)
    assert (world.leader, leader.election.epoch) == (leader, epoch)


def test_of_several_candidates_the_one_of_the_highest_priority_goes_first(new: New) -> None:
    world = new(priority={"w2": 5})
    world.run(S)
    for _ in range(4):
        leader = world.elect()
        world.run(10 * S)
        world.kill(leader.name)
        assert leader.name == "w2" or world.elect().name == "w2"
        world.elect()
        world.restart(leader.name)
        world.run(S)


@pytest.mark.parametrize(("leads", "waits"), [(20, 3), (3, 20)])
def test_of_two_with_different_sessions_the_leaders_own_is_waited_for(
    new: New, leads: int, waits: int
) -> None:
    """The other one's time-out says nothing about when this one's leadership has ended."""
    world = new(workers=2, priority={"w1": 1}, sessions_s={"w1": leads, "w2": waits})
    world.run(S)
    if world.elect().name != "w1":
        world.step(world["w2"], StepDown(WorkerName("w1")))
    world.run_until(lambda: world.leader is world["w1"])
    world.run(30 * S)
    began = world.now
    world.stop("w1")
    world.run_until(lambda: world["w2"].election.leading)
    assert leads * S * 3 // 5 <= world.now - began <= leads * S + 3 * S
    world.go_on("w1")
    assert not world["w1"].election.leading
