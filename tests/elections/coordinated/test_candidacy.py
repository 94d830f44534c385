"""Members that stand only when they are asked to, and of which two may go by one name."""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, cast

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.coordinated.candidacy import Candidacy
from interrex.elections.coordinated.election import CoordinatedElection
from interrex.elections.etcd.etcd import Etcd
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.zookeeper.settings import ZooKeeperSettings
from interrex.elections.zookeeper.zookeeper import ZooKeeper
from tests.elections.coordinated.world import Fate, World
from tests.elections.etcd.world import World as EtcdWorld
from tests.elections.zookeeper.world import World as ZooKeeperWorld

Core = CoordinatedElection[Any]


class Etcds(EtcdWorld):
    """Programs by etcd; who is in ``same`` goes by one name."""

    same: Iterable[str] = ()

    def new_core(self, name: WorkerName, random: Random) -> Etcd:
        settings = EtcdSettings(priority=self._priority.get(name, 0))
        called = WorkerName("same") if name in self.same else name
        return Etcd(called, 0, settings, random, f"process {name}")


class ZooKeepers(ZooKeeperWorld):
    """Programs by ZooKeeper."""

    same: Iterable[str] = ()

    def new_core(self, name: WorkerName, random: Random) -> ZooKeeper:
        settings = ZooKeeperSettings(priority=self._priority.get(name, 0))
        called = WorkerName("same") if name in self.same else name
        return ZooKeeper(called, 0, settings, random, f"process {name}")


Programs = World[Any, Any, Any]
New = Callable[..., Programs]


@pytest.fixture(params=[Etcds, ZooKeepers], ids=["etcd", "zookeeper"])
def new(request: pytest.FixtureRequest) -> New:
    kind = request.param

    def made(same: Iterable[str] = (), **given: Any) -> Programs:
        world: Programs = type(kind.__name__, (kind,), {"same": same})(**given)
        return world

    return made


def core(world: Programs, name: str) -> Core:
    return cast(Core, world[name].election)


def stand(world: Programs, name: str, stands: bool = True, successor: str | None = None) -> None:
    chosen = None if successor is None else WorkerName(successor)
    world.step(world[name], cast(Any, Candidacy(stands, chosen)))


def lead(world: Programs, name: str) -> int:
    """Until it leads; its epoch."""
    world.run_until(lambda: core(world, name).leading)
    return core(world, name).epoch


def test_nobody_leads_who_does_not_stand(new: New) -> None:
    world = new()
    world.run(20 * S)
    assert world.leader is None
    stand(world, "w2")
    lead(world, "w2")
    world.run(20 * S)
    assert core(world, "w1").leader == "w2"


def test_who_stands_no_more_leaves_nothing_and_the_highest_of_the_others_leads(new: New) -> None:
    world = new(priority={"w3": 1})
    stand(world, "w1")
    first = lead(world, "w1")
    for name in ("w2", "w3"):
        stand(world, name)
    world.run_until(lambda: core(world, "w1").candidates == ["w3", "w2"])
    stand(world, "w1", stands=False)
    assert lead(world, "w3") > first
    world.run_until(lambda: core(world, "w1").is_settled)
    world.run_until(lambda: core(world, "w3").candidates == ["w2"])


def test_a_successor_goes_before_it(new: New) -> None:
    world = new(priority={"w3": 1})
    stand(world, "w1")
    lead(world, "w1")
    for name in ("w2", "w3"):
        stand(world, name)
    world.run_until(lambda: core(world, "w1").candidates == ["w3", "w2"])
    stand(world, "w1", stands=False, successor="w2")
    stand(world, "w1")
    lead(world, "w2")


def test_who_is_alone_leads_again_at_once(new: New) -> None:
    world = new(workers=1)
    for _ in range(3):
        stand(world, "w1")
        begin = world.now
        lead(world, "w1")
        assert begin == 0 or world.now - begin < 200 * MS
        stand(world, "w1", stands=False)
        world.run_until(lambda: core(world, "w1").is_settled)


def test_a_place_whose_answers_are_lost_is_taken_and_left_once(new: New) -> None:
    world = new(workers=2)
    world.run(S)
    lost = iter([True] * 3)

    def fate(worker: WorkerName, question: object) -> Fate:
        writes = "Transact" in type(question).__name__
        return Fate(back=None) if writes and next(lost, False) else Fate()

    world.fate = fate
    stand(world, "w1")
    first = lead(world, "w1")
    lost = iter([True] * 3)
    stand(world, "w1", stands=False)
    world.run_until(lambda: core(world, "w1").is_settled)
    stand(world, "w2")
    assert lead(world, "w2") > first
    assert core(world, "w2").candidates == []


def test_a_second_of_one_name_learns_of_the_first_after_two_sessions_and_never_leads(
    new: New,
) -> None:
    world = new(workers=2, same=("w1", "w2"))
    stand(world, "w1")
    lead(world, "w1")
    stand(world, "w2")
    begin = world.now
    world.run_until(lambda: core(world, "w2").rival is not None)
    assert world.now - begin >= 2 * core(world, "w1").session
    rival = core(world, "w2").rival
    assert rival is not None
    assert rival.text == "process w1"
    assert core(world, "w1").leading
    assert not core(world, "w2").leading


def test_a_dead_ones_name_is_its_successors_when_its_session_is_over(new: New) -> None:
    world = new(workers=2, same=("w1", "w2"))
    stand(world, "w1")
    first = lead(world, "w1")
    world.kill("w1", proved=False)
    stand(world, "w2")
    assert lead(world, "w2") > first
    assert core(world, "w2").rival is None


def test_whoever_waits_or_looks_on_does_not_spin(new: New) -> None:
    world = new(workers=3)
    for name in ("w1", "w2"):
        stand(world, name)
    world.run(5 * S)
    before = len(world.asked)
    world.run(60 * S)
    assert len(world.asked) - before < 60 * 20
