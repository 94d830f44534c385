"""What somebody has done to etcd: said by everybody who meets it, mended where that is safe."""

from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import LEADER
from tests.elections.etcd.world import Fate, World

NO_SPACE = q.Failed(q.Certainty.REFUSED, "etcdserver: mvcc: database space exceeded")


def overwrite(world: World) -> None:
    """As ``etcdctl put`` does: the key is under no lease from then on."""
    world.store.answer(q.Transact((), (q.Put(LEADER, b"garbage"),)), world.now)


def obstacles(world: World) -> list[str]:
    cores = [server.core for server in world.servers.values() if server.core is not None]
    return [core.obstacle for core in cores]  # type: ignore[attr-defined]


def hindrances(world: World) -> list[str]:
    cores = [server.core for server in world.servers.values() if server.core is not None]
    return [core.hindrance for core in cores]  # type: ignore[attr-defined]


def test_a_leader_whose_key_was_written_over_writes_it_again_and_leads_on() -> None:
    world = World()
    leader = world.elect()
    world.run(S)
    epoch = leader.election.epoch
    overwrite(world)
    world.run(S)
    key = world.store.keys[LEADER]
    assert (leader.name.encode() in key.value, key.created, key.lease > 0) == (True, epoch, True)
    assert {server.election.leader for server in world.servers.values()} == {leader.name}
    world.run(30 * S)
    assert (world.leader, leader.election.epoch) == (leader, epoch)
    world.kill(leader.name)
    assert world.elect() is not leader


def test_a_leaders_key_that_nobody_keeps_is_told_until_it_is_deleted() -> None:
    world = World()
    leader = world.elect()
    world.run(S)
    world.kill(leader.name)
    overwrite(world)
    world.run(30 * S)
    assert world.leader is None
    assert all("delete it" in why for why in obstacles(world))
    world.store.answer(q.Transact((), (q.Delete(LEADER),)), world.now)
    world.elect()
    world.run(S)
    assert set(obstacles(world)) == {""}


def refusing(world: World, answer: q.Failed, all_of_them: bool = False) -> None:
    """Whatever writes, or all that is asked, is refused from now on."""
    usual = world.ask

    def ask(server: object, request: int, question: q.Question) -> None:
        writes = isinstance(question, q.Transact) and any(
            isinstance(one, q.Put) for one in question.success
        )
        if writes or (all_of_them and isinstance(question, q.Transact)):
            world.reply(server, request, answer, S // 100)  # type: ignore[arg-type]
        else:
            usual(server, request, question)  # type: ignore[arg-type]

    world.ask = ask  # type: ignore[method-assign]


def test_a_leader_says_why_nothing_can_be_written_until_it_can() -> None:
    world = World()
    leader = world.elect()
    world.run(S)
    usual = world.ask
    refusing(world, NO_SPACE)
    world.propose(leader.name, "a")
    world.run(3 * S)
    assert leader.election.leading
    assert "database space exceeded; compact" in leader.election.obstacle  # type: ignore[attr-defined]
    world.ask = usual  # type: ignore[method-assign]
    world.run(3 * S)
    assert leader.settled["a"] == 1
    assert set(obstacles(world)) == {""}


def test_everybody_says_why_nothing_can_be_read() -> None:
    world = World()
    world.elect()
    world.run(S)
    refusing(world, q.Failed(q.Certainty.REFUSED, "etcdserver: user name is empty"), True)
    world.run(20 * S)
    assert all("user name is empty; name a user" in why for why in obstacles(world))


def test_servers_that_are_not_heard_are_no_obstacle_and_tell_why_nobody_leads() -> None:
    """Another one may answer the next time: a change waits for that as long as any other."""
    for certainty in (q.Certainty.NOT_DONE, q.Certainty.UNKNOWN):
        world = World()
        leader = world.elect()
        world.run(S)
        refusing(world, q.Failed(certainty, "no answer in time"), True)
        world.propose(leader.name, "a")
        for _ in range(20):
            world.run(S)
            assert set(obstacles(world)) == {""}
        assert all("no answer in time" in why for why in hindrances(world))


def test_one_lost_answer_is_no_obstacle() -> None:
    lost = {"left": 3}

    def fate(worker: WorkerName, question: q.Question) -> Fate:
        puts = isinstance(question, q.Transact) and any(
            isinstance(one, q.Put) and one.key.startswith("log/") for one in question.success
        )
        if puts and lost["left"]:
            lost["left"] -= 1
            return Fate(back=None)
        return Fate()

    world = World(fate=fate)
    leader = world.elect()
    world.propose(leader.name, "a")
    while leader.settled.get("a") is None:
        world.run(S // 10)
        assert set(obstacles(world)) == {""}
