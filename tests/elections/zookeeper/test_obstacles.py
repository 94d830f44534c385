"""What ZooKeeper refuses is said by the leader who meets it; what is just not heard is not."""

from random import Random

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.elections.interface import Noticed
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.settings import ZooKeeperSettings
from interrex.elections.zookeeper.zookeeper import ZooKeeper
from tests.elections.zookeeper.world import World


def led_while(answer: q.Failed) -> set[str]:
    """Obstacles that a leader meets while all that it writes fails like this, for a while."""
    world = World()
    leader = world.elect()
    world.run(S)
    usual, writes = world.ask, True

    def ask(server: object, request: int, question: q.Question) -> None:
        if writes and isinstance(question, q.Transact):
            world.reply(server, request, answer, S // 100)  # type: ignore[arg-type]
        else:
            usual(server, request, question)  # type: ignore[arg-type]

    world.ask = ask  # type: ignore[method-assign]
    world.propose(leader.name, "a")
    met = set()
    while leader.election.leading and leader.election.deadline - world.now > S // 2:  # type: ignore[operator]
        world.run(S // 10)
        met.add(leader.election.obstacle)  # type: ignore[attr-defined]
    writes = False
    world.run(20 * S)
    assert world.leader is not None
    assert world.leader.election.obstacle == ""  # type: ignore[attr-defined]
    return met


def test_a_leader_says_what_zookeeper_refuses_until_it_does_not() -> None:
    met = led_while(q.Failed(False, "ZooKeeper: NoAuthError", refused=True))
    assert any("nothing can be written to ZooKeeper: ZooKeeper: NoAuth" in text for text in met)


def test_a_zookeeper_that_is_not_heard_is_no_obstacle() -> None:
    assert led_while(q.Failed(True, "ZooKeeper: connection lost")) == {""}


@pytest.mark.parametrize(
    ("kinds", "told"),
    [((q.Read, q.List), "nothing can be read from"), ((q.Transact,), "nothing can be written to")],
    ids=["reads", "writes"],
)
def test_everybody_says_what_zookeeper_refuses_until_it_does_not(
    kinds: tuple[type, ...], told: str
) -> None:
    """Also who does not lead, and cannot: neither the one that is to nor one that starts anew."""
    world = World()
    leader = world.elect()
    world.run(S)
    usual, refused = world.ask, q.Failed(False, "ZooKeeper: NoAuthError()", refused=True)

    def ask(server: object, request: int, question: q.Question) -> None:
        if isinstance(question, kinds):
            world.reply(server, request, refused, S // 100)  # type: ignore[arg-type]
        else:
            usual(server, request, question)  # type: ignore[arg-type]

    world.ask = ask  # type: ignore[method-assign]
    world.kill(leader.name)
    world.restart(leader.name)
    world.run(20 * S)
    cores = [server.core for server in world.servers.values() if server.core is not None]
    assert all(f"{told} ZooKeeper: ZooKeeper: NoAuthError()" in core.hindrance for core in cores)  # type: ignore[attr-defined]
    world.ask = usual  # type: ignore[method-assign]
    world.elect()
    world.run(20 * S)
    assert {core.hindrance for core in cores} == {""}  # type: ignore[attr-defined]


def test_why_there_is_no_session_is_told_until_there_is_one() -> None:
    core = ZooKeeper(WorkerName("w1"), 1, ZooKeeperSettings(), Random(1))
    assert "no server answers" in core.hindrance
    core.step(Noticed(q.Unserved("ZooKeeper at h is 3.4.14, and 3.5 is the oldest")), S)
    assert "gives no session: ZooKeeper at h is 3.4.14, and 3.5 is the oldest" in core.hindrance
    assert core.hindrance.endswith("see to its servers, nothing is to be done here")
    core.step(Noticed(q.Unserved("ZooKeeper refuses the user 'shop'", "let it in")), S)
    assert core.hindrance.endswith("refuses the user 'shop'; let it in")
    core.step(Noticed(q.Connected(1, 4000)), 2 * S)
    assert core.hindrance == ""
    core.step(Noticed(q.Suspended()), 3 * S)
    assert "no server answers" in core.hindrance
