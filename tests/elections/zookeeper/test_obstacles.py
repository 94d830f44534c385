"""What ZooKeeper refuses is said by the leader who meets it; what is just not heard is not."""

from interrex.core.time import S
from interrex.elections.zookeeper import questions as q
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
