"""What is said of a change of leader is why it changed, and not why it changed the last time."""

from interrex.elections.interface import LeaderChanged, PeerConnected, PeerLost, WakeUp
from interrex.elections.raft import messages as m

from .solo import Solo, stored, worker


def told(server: Solo) -> list[tuple[str | None, int, str]]:
    """What was announced since the last time this was asked."""
    changes = server.said(LeaderChanged)
    server.effects = [one for one in server.effects if not isinstance(one, LeaderChanged)]
    return [(one.leader, one.epoch, one.reason) for one in changes]


def leading() -> Solo:
    server = Solo()
    server.become_leader()
    server.commit_noop()
    told(server)
    return server


def following() -> Solo:
    """Member 3 of five, which follows member 5 and stands third in its succession."""
    server = Solo(5, stored=stored(1, 2, term=3, member=3), member=3)
    server.beat(5, 3)
    told(server)
    return server


def answer(server: Solo, member: int) -> None:
    """A follower answers the newest heartbeat."""
    newest = max(one.round for one in server.taken(m.Heartbeat))
    server.receive(m.HeartbeatAnswer(1, member, server.core.epoch, newest, 1, 1))


def test_a_lease_that_lapses_is_said_to_lapse() -> None:
    server = leading()
    deadline = server.core.deadline
    assert deadline is not None
    server.pass_time(deadline - server.now)
    assert told(server) == [(None, 1, "its lease has run out, and no majority has answered since")]


def test_a_lease_that_is_renewed_in_the_same_term_is_said_to_go_on() -> None:
    server = leading()
    deadline = server.core.deadline
    assert deadline is not None
    server.pass_time(deadline - server.now)
    told(server)
    answer(server, 2)
    assert told(server) == [("w1", 1, "a majority answers again, and term 1 goes on")]


def test_a_leader_that_steps_down_after_a_lapse_says_why() -> None:
    server = leading()
    deadline = server.core.deadline
    assert deadline is not None
    server.pass_time(deadline - server.now)
    told(server)
    server.beat(2, 2)
    assert told(server) == [("w2", 2, "w2 leads term 2")]


def test_a_silent_leader_that_is_heard_again_is_said_to_be() -> None:
    server = following()
    silence = server.core.wake_at
    assert silence is not None
    server.now = silence
    server.step(WakeUp())
    assert told(server) == [(None, 3, "w5 was silent")]
    server.step(PeerLost(worker(5), proved_dead=False))
    server.beat(5, 3)
    assert told(server) == [("w5", 3, "w5 is heard again, and term 3 goes on")]


def test_a_connection_that_was_closed_once_is_not_the_reason_of_a_later_loss() -> None:
    server = following()
    server.step(PeerLost(worker(5), proved_dead=False))
    server.step(PeerConnected(worker(5), 5))
    server.beat(5, 3)
    assert told(server) == []
    server.step(PeerLost(worker(5), proved_dead=True))
    assert told(server) == [(None, 3, "w5 is proved dead")]
