"""A service that lost its data, or was set back, leads nobody: not those that start afterwards."""

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import pytest

from interrex.core.storage import Stored
from interrex.core.time import MS, S
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.memory import Memory
from interrex.elections.interface import (
    NOTHING_LOST,
    BeginAnew,
    Explaining,
    Persist,
    Renewable,
)
from tests.elections.coordinated.world import Fate, World
from tests.elections.etcd.world import World as EtcdWorld
from tests.elections.zookeeper.world import World as ZooKeeperWorld

AnyWorld = World[Any, Any, Any]
New = Callable[..., AnyWorld]


@pytest.fixture(params=[EtcdWorld, ZooKeeperWorld], ids=["etcd", "zookeeper"])
def new(request: pytest.FixtureRequest) -> New:
    made: New = request.param
    return made


def backup(world: AnyWorld) -> dict[str, Any]:
    """What the service keeps just now."""
    return deepcopy(dict(vars(world.store)))


def put_back(world: AnyWorld, kept: dict[str, Any]) -> None:
    """The service has this again, and nothing else; its servers begin again."""
    for name, value in deepcopy(kept).items():
        setattr(world.store, name, value)
    if isinstance(world, EtcdWorld):
        for server in world.servers.values():
            world.lose_watch(server)
    if isinstance(world, ZooKeeperWorld):
        world.begin_again()


def lose_everything(world: AnyWorld) -> None:
    put_back(world, dict(vars(type(world.store)())))


def hindrance(world: AnyWorld, name: str) -> str:
    core = world[name].election
    assert isinstance(core, Explaining)
    return core.hindrance


def agree(world: AnyWorld, *changes: str) -> None:
    for change in changes:
        world.propose(world.elect().name, change)
    world.run(S)
    assert all(server.log[-len(changes) :] for server in world.servers.values())


def restart_all(world: AnyWorld, *names: str) -> None:
    for name in names or list(world.servers):
        world.kill(name)
    for name in names or list(world.servers):
        world.restart(name)


def test_who_starts_after_the_data_was_lost_leads_nobody_until_it_is_back(new: New) -> None:
    world = new()
    agree(world, "a", "b", "c")
    kept = backup(world)
    lose_everything(world)
    restart_all(world)
    world.run(30 * S)
    assert world.leader is None
    for name in world.servers:
        assert "lost changes: 3 were acknowledged, it has 0" in hindrance(world, name)
        assert world[name].log == []
    put_back(world, kept)
    world.elect()
    world.run(S)
    assert [server.log for server in world.servers.values()] == [[b"a", b"b", b"c"]] * 3
    assert {hindrance(world, name) for name in world.servers} == {""}


def test_a_watch_that_goes_on_in_an_emptied_etcd_makes_nobody_lead() -> None:
    """Its revisions have come as far as those that were seen before, and the watch tells of a claim
    before its answer does."""
    world = EtcdWorld()
    agree(world, "a", "b")
    seen, epochs = world.store.revision, dict(world.epochs)
    world.fate = lambda worker, question: Fate(back=50 * MS)
    lose_everything(world)
    world.store.revision = seen
    world.run(60 * S)
    assert world.epochs == epochs
    for name in world.servers:
        assert "lost changes: 2 were acknowledged, it has 0" in hindrance(world, name)


def test_a_backup_that_lacks_changes_is_acted_on_by_nobody(new: New) -> None:
    world = new()
    agree(world, "a", "b")
    older = backup(world)
    agree(world, "c", "d")
    put_back(world, older)
    restart_all(world)
    world.run(30 * S)
    assert world.leader is None
    for name in world.servers:
        assert "set back" in hindrance(world, name) or "lost changes" in hindrance(world, name)
        assert world[name].log == []


def test_a_backup_that_lacks_nothing_but_an_epoch_is_refused_too(new: New) -> None:
    """Somebody else would lead in that epoch again."""
    world = new()
    agree(world, "a", "b")
    older = backup(world)
    for _ in range(10):
        name = world.elect().name
        world.kill(name)
        world.elect()
        world.restart(name)
    put_back(world, older)
    restart_all(world)
    world.run(10 * S)
    assert world.leader is None
    assert all("set back" in hindrance(world, name) for name in world.servers)


def all_lost_and_ended(new: New) -> AnyWorld:
    """The service lost three changes, no worker runs, and the disk of ``w1`` knows nothing."""
    world = new()
    agree(world, "a", "b", "c")
    lose_everything(world)
    for name in world.servers:
        world.kill(name)
    world["w1"].facts.clear()
    return world


def test_a_worker_whose_disk_knows_nothing_is_told_by_its_peers(new: New) -> None:
    world = all_lost_and_ended(new)
    for name in reversed(world.servers):
        world.restart(name)
    world.run(30 * S)
    assert world.leader is None
    assert hindrance(world, "w1") != ""


def test_changes_that_were_made_in_place_of_lost_ones_are_not_taken_for_them(new: New) -> None:
    world = all_lost_and_ended(new)
    for known in (world.epochs, world.acknowledged, world.history):
        known.clear()
    world.restart("w1")
    changes = [f"other{number}" for number in range(20)]
    for change in changes:
        world.propose(world.elect().name, change)
        world.run(S)
    world.restart("w2")
    world.run(10 * S)
    assert len(world["w1"].log) == len(changes)
    assert "change" in hindrance(world, "w2")
    assert len(world["w2"].log) < 3


def test_what_is_remembered_is_written_again_only_when_the_disk_has_answered() -> None:
    desk: Desk[Any] = Desk(Random(1))
    memory = Memory(desk, Stored())
    memory.keep()
    assert desk.effects == []
    for index in (1, 2, 3):
        memory.applied(index, b"x")
        memory.keep()
    assert len(desk.effects) == 1
    memory.persisted(desk.new_token())
    memory.keep()
    _, last = desk.effects
    assert isinstance(last, Persist)
    assert Memory(desk, stored_by(last)).index == 3


def stored_by(persist: Persist) -> Stored:
    (fact,) = persist.records
    return Stored({fact.key: fact.value})  # type: ignore[union-attr]


def test_a_member_that_keeps_nothing_has_nothing_written() -> None:
    desk: Desk[Any] = Desk(Random(1))
    memory = Memory(desk, None)
    memory.applied(1, b"x")
    memory.keep()
    assert desk.effects == []
    assert memory.index == 1


def test_what_a_peer_remembers_of_a_healthy_service_ends_no_leadership(new: New) -> None:
    """A peer may have heard of a change before the leader knows that it is written."""
    world = new()
    leader = world.elect()
    epoch = leader.election.epoch
    for number in range(50):
        world.propose(leader.name, f"c{number}")
        other = next(name for name in world.servers if name != leader.name)
        world.kill(other)
        world.restart(other)
    world.run(5 * S)
    assert (world.leader, leader.election.epoch) == (leader, epoch)
    world.check_logs()


@pytest.mark.parametrize("changes", [1, 3])
def test_who_runs_on_while_etcd_loses_its_data_leads_nobody_either(changes: int) -> None:
    """Not even for a moment: it has lost its lease, and finds nobody's key there."""
    world = EtcdWorld()
    agree(world, *(f"c{number}" for number in range(changes)))
    led = dict(world.epochs)
    world.store.expire(1 << 62)
    lose_everything(world)
    world.run(40 * S)
    assert world.epochs == led
    assert all("lost changes" in hindrance(world, name) for name in world.servers)


def lose_while_they_run(world: AnyWorld, kept: dict[str, Any] | None = None) -> None:
    """The servers are all away for a while, and come back with nothing, or with a backup."""
    world.fate = lambda worker, question: Fate(there=None)
    if isinstance(world, ZooKeeperWorld):
        for server in world.servers.values():
            server.cut = True
    world.run(30 * S)
    put_back(world, dict(vars(type(world.store)())) if kept is None else kept)
    if isinstance(world, ZooKeeperWorld):
        for server in world.servers.values():
            server.cut = False
    world.fate = lambda worker, question: Fate()
    world.run(30 * S)


def objection(world: AnyWorld, name: str) -> str:
    core = world[name].election
    assert isinstance(core, Renewable)
    return core.objection


def test_a_lost_snapshot_that_held_every_change_is_missed_by_those_who_run(new: New) -> None:
    """An emptied etcd's revisions may lie below the snapshot's, and above all that was current."""
    world = new(snapshot_after=3)
    agree(world, "a", "b", "c", "d")
    epochs = dict(world.epochs)
    lose_while_they_run(world)
    assert world.epochs == epochs
    for name in world.servers:
        assert "lost changes: 4 were acknowledged, it has 0" in hindrance(world, name)


def goes_on_from(world: AnyWorld, name: str, *changes: str) -> None:
    """What a worker knows is put in place of what was lost, and everybody goes on from it."""
    newest = max(world.epochs)
    assert objection(world, name) == ""
    world.step(world[name], BeginAnew())
    world.elect()
    world.run(10 * S)
    leader = world.elect()
    assert max(world.epochs) > newest
    world.propose(leader.name, "after")
    world.run(S)
    expected = [*(change.encode() for change in changes), b"after"]
    assert [server.log for server in world.servers.values()] == [expected] * len(world.servers)
    assert {objection(world, name) for name in world.servers} == {NOTHING_LOST}
    assert {hindrance(world, name) for name in world.servers} == {""}


def test_what_a_worker_knows_is_put_in_place_of_what_was_lost_when_a_person_says_so(
    new: New,
) -> None:
    """Every epoch from then on is above all before, and also after everything was restarted."""
    world = new()
    agree(world, "a", "b", "c")
    lose_while_they_run(world)
    goes_on_from(world, "w2", "a", "b", "c")
    for _ in world.servers:
        leader = world.elect().name
        world.kill(leader)
        world.elect()
        world.restart(leader)
    restart_all(world)
    world.elect()
    world.run(S)
    assert {objection(world, name) for name in world.servers} == {NOTHING_LOST}
    assert world["w1"].log == [b"a", b"b", b"c", b"after"]


def test_what_was_lost_twice_is_begun_anew_twice(new: New) -> None:
    world = new()
    agree(world, "a")
    lose_while_they_run(world)
    goes_on_from(world, "w1", "a")
    lose_while_they_run(world)
    assert world.leader is None
    goes_on_from(world, "w3", "a", "after")


def test_a_service_that_was_set_back_is_gone_on_from_what_was_known_after(new: New) -> None:
    world = new()
    agree(world, "a", "b")
    older = backup(world)
    agree(world, "c", "d")
    lose_while_they_run(world, older)
    assert world.leader is None
    goes_on_from(world, "w1", "a", "b", "c", "d")
    put_back(world, older)
    restart_all(world)
    world.run(30 * S)
    assert world.leader is None


def test_snapshots_after_a_new_beginning_keep_epochs_above_all_before(new: New) -> None:
    world = new(snapshot_after=3)
    agree(world, "a", "b", "c", "d")
    lose_while_they_run(world)
    goes_on_from(world, "w2", "a", "b", "c", "d")
    newest = max(world.epochs)
    agree(world, "e", "f", "g", "h")
    restart_all(world)
    world.elect()
    world.run(S)
    assert max(world.epochs) > newest
    assert len({tuple(server.log) for server in world.servers.values()}) == 1


def test_who_does_not_know_all_that_anybody_remembers_begins_nothing_anew(new: New) -> None:
    world = new()
    agree(world, "a", "b", "c")
    lose_while_they_run(world)
    world.kill("w1")
    world.restart("w1")
    world.run(5 * S)
    assert "w1 knows 0 of 3 changes" in objection(world, "w1")
    world.step(world["w1"], BeginAnew())
    world.run(10 * S)
    assert world.leader is None
    goes_on_from(world, "w3", "a", "b", "c")


def test_two_that_begin_anew_at_once_begin_the_same(new: New) -> None:
    world = new()
    agree(world, "a", "b", "c")
    lose_while_they_run(world)
    world.step(world["w1"], BeginAnew())
    world.step(world["w1"], BeginAnew())
    goes_on_from(world, "w2", "a", "b", "c")


def test_nothing_is_begun_anew_where_nothing_is_lost(new: New) -> None:
    world = new()
    agree(world, "a")
    epochs = dict(world.epochs)
    for name in world.servers:
        assert objection(world, name) == NOTHING_LOST
        world.step(world[name], BeginAnew())
    world.run(10 * S)
    assert world.epochs == epochs
    assert all(server.restored == 0 for server in world.servers.values())
