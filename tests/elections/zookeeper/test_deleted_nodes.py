"""Nodes that a person deletes: made again where that is safe, and told where it is not."""

from collections.abc import Sequence

import pytest

from interrex.core.time import MS, S
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import ACTIVE, FENCED, LINE, SNAPSHOT, TIP
from tests.elections.zookeeper.world import Fate, World


def delete(world: World, *paths: str) -> None:
    """By somebody with a session of its own."""
    world.store.new_session(99, world.now)
    answer = world.store.answer(99, q.Transact(tuple(q.Remove(path) for path in paths)), world.now)
    assert isinstance(answer, q.Transacted)


def hindrances(world: World) -> set[str]:
    return {server.election.hindrance for server in world.servers.values()}  # type: ignore[attr-defined]


def agree(world: World, *changes: str) -> None:
    for change in changes:
        world.propose(world.elect().name, change)
    world.run(S)


def test_a_deleted_breadcrumb_is_made_again_and_who_led_is_fenced() -> None:
    world = World()
    agree(world, "a", "b")
    leader = world.elect()
    epoch = leader.election.epoch
    delete(world, ACTIVE)
    world.run_until(lambda: not leader.election.leading)
    assert world.elect().election.epoch > epoch
    assert world.store.nodes[FENCED].data == b"%d" % world.elect().election.epoch
    agree(world, "c")
    world.check_logs()
    assert [len(server.log) for server in world.servers.values()] == [3, 3, 3]
    assert hindrances(world) == {""}


def test_why_nobody_leads_is_told_while_the_breadcrumb_cannot_be_made_again() -> None:
    def is_forbidden(worker: str, question: q.Question) -> Fate:
        operations: Sequence[q.Operation] = ()
        if isinstance(question, q.Transact):
            operations = question.operations
        makes = any(isinstance(one, q.Create) and one.path == ACTIVE for one in operations)
        return Fate(there=None) if makes else Fate()

    world = World(fate=is_forbidden)
    world.elect()
    delete(world, ACTIVE)
    world.run(10 * S)
    assert world.leader is None
    assert all("somebody deleted active in ZooKeeper" in why for why in hindrances(world))


def test_what_a_leader_of_before_still_writes_is_not_done_after_the_breadcrumb_was_made_again() -> (
    None
):
    """Its versions begin again: the second leader's is the same as the first's was."""
    world = World()
    leader = world.elect()
    agree(world, "a")
    crumb = world.store.nodes[ACTIVE]
    guards = [
        one
        for _, name, asked in world.asked
        if name == leader.name and isinstance(asked, q.Transact)
        for one in asked.operations
        if isinstance(one, q.Check)
    ]
    late = q.Transact((*guards[-2:], q.Write(FENCED, b"late", q.ANY)))
    assert isinstance(world.store.answer(leader.session, late, world.now), q.Transacted)
    delete(world, ACTIVE)
    while world.store.nodes.get(ACTIVE) is None or (
        world.store.nodes[ACTIVE].version < crumb.version
    ):
        world.run(MS)
    answer = world.store.answer(leader.session, late, world.now)
    assert isinstance(answer, q.NotHeld)


@pytest.mark.parametrize("deleted", [(FENCED,), (ACTIVE, FENCED)])
def test_deleted_nodes_of_the_fencing_are_made_again(deleted: tuple[str, ...]) -> None:
    world = World()
    agree(world, "a")
    delete(world, *deleted)
    world.run(10 * S)
    agree(world, "b")
    assert set(deleted) <= set(world.store.nodes)
    assert world.elect().log == [b"a", b"b"]


def test_a_deleted_line_is_made_again_with_everybody_in_it() -> None:
    world = World()
    agree(world, "a")
    places = [path for path in world.store.nodes if path.startswith(f"{LINE}/")]
    delete(world, *places, LINE)
    world.run(20 * S)
    agree(world, "b")
    assert len([path for path in world.store.nodes if path.startswith(f"{LINE}/")]) == 3


@pytest.mark.parametrize("deleted", [TIP, SNAPSHOT])
def test_nodes_that_hold_changes_are_not_made_again_but_asked_for(deleted: str) -> None:
    world = World()
    agree(world, "a")
    leader = world.elect()
    delete(world, deleted)
    world.propose(leader.name, "b")
    world.run(20 * S)
    if deleted == TIP:
        assert world.leader is None
        assert all(f"the node {deleted} is gone" in why for why in hindrances(world))
    world.kill(leader.name)
    world.run(20 * S)
    assert world.leader is None
