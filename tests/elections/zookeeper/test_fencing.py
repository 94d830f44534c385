"""The breadcrumb names who led; a successor fences it, and whoever led before, before it leads."""

import pytest

from interrex.core.time import MS, S
from interrex.elections.coordinated.payload import Raise, encode_payload
from interrex.elections.interface import PayloadReceived, StepDown
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import ACTIVE, FENCED
from tests.elections.zookeeper.world import Server, World


def others(world: World, leader: Server) -> list[Server]:
    return [server for server in world.servers.values() if server is not leader]


def test_a_successor_of_one_that_may_live_raises_the_epoch_everywhere_before_it_leads() -> None:
    """It was stopped: its session has run out, nobody has proof that it is dead."""
    world = World(3)
    leader = world.elect()
    world.run(S)
    world.stop(leader.name)
    world.run_until(lambda: leader.session not in world.store.sessions)
    successor = world.elect()
    epoch = successor.election.epoch
    assert [server.gate for server in others(world, leader)] == [epoch, epoch]
    assert world.store.nodes[FENCED].data == b"%d" % epoch
    world.go_on(leader.name)
    assert leader.gate == epoch
    assert not leader.election.leading


def test_a_worker_that_says_nothing_is_not_waited_for_longer_than_patience() -> None:
    world = World(3)
    leader = world.elect()
    world.run(S)
    world.stop(leader.name)
    world.run_until(lambda: world.leader is None)
    won = world.run_until(lambda: world.store.nodes[ACTIVE].modified > leader.election.epoch)
    began = world.now
    assert won > 0
    world.elect()
    assert 2 * S <= world.now - began < 3 * S


@pytest.mark.parametrize("way", ["proof", "hand-over", "its own restart"])
def test_one_that_certainly_commands_no_more_needs_no_fence(way: str) -> None:
    world = World(1 if way == "its own restart" else 3)
    leader = world.elect()
    world.run(S)
    first = leader.election.epoch
    began = world.now
    if way == "hand-over":
        world.step(leader, StepDown(None))
    else:
        world.kill(leader.name)
    if way == "its own restart":
        world.restart(leader.name)
    successor = world.elect()
    assert successor.election.epoch > first
    assert world.now - began < 200 * MS
    assert {server.gate for server in world.servers.values()} == {0}


def test_who_dies_before_it_has_fenced_leaves_that_to_its_successor() -> None:
    """The third one has proof that the second is dead, and none that the first one is."""
    world = World(3)
    leader = world.elect()
    world.run(S)
    world.stop(leader.name)
    world.run_until(lambda: world.store.nodes[ACTIVE].modified > leader.election.epoch)
    second = max(others(world, leader), key=lambda server: server.election.epoch)
    world.kill(second.name)
    third = world.elect()
    assert third not in (leader, second)
    assert third.gate == third.election.epoch
    assert world.store.nodes[FENCED].data == b"%d" % third.election.epoch


def test_a_worker_that_connects_later_is_told_before_any_command() -> None:
    world = World(3)
    leader = world.elect()
    world.run(S)
    absent = others(world, leader)[0]
    world.kill(absent.name)
    world.stop(leader.name)
    world.run_until(lambda: leader.session not in world.store.sessions)
    successor = world.elect()
    world.restart(absent.name)
    world.run(10 * MS)
    assert absent.gate == successor.election.epoch


def test_a_breadcrumb_that_no_worker_wrote_is_fenced_against() -> None:
    world = World(3)
    leader = world.elect()
    world.run(S)
    version = world.store.nodes[ACTIVE].version
    write = q.Transact((q.Write(ACTIVE, b"\xff", version),))
    world.store.answer(others(world, leader)[0].session, write, world.now)
    world.run_until(lambda: not leader.election.leading)
    successor = world.elect()
    assert successor.gate == successor.election.epoch


def test_a_receiver_says_so_only_when_the_epoch_is_on_its_disk() -> None:
    world = World(2)
    leader = world.elect()
    world.run(S)
    other = others(world, leader)[0]
    assert other.core is not None
    raised = other.core.step(PayloadReceived(leader.name, encode_payload(Raise(77))), world.now)
    assert [type(effect).__name__ for effect in raised] == ["RaiseEpoch"]


def test_a_workers_places_of_earlier_sessions_are_removed() -> None:
    """By itself: a place that nobody stands in would be waited for until its session runs out."""
    world = World(3)
    leader = world.elect()
    world.run(S)
    back = others(world, leader)[0]
    world.kill(back.name, proved=False)
    world.restart(back.name)
    world.run(100 * MS)
    places = [node for node in world.store.nodes if f"~{back.name}~" in node]
    assert len(places) == 1
