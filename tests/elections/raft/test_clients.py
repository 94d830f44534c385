"""Extended paper, section 8, and thesis 6.4: proposals and reads."""

import pytest

from interrex.core.ids import ChangeId
from interrex.core.time import MS
from interrex.elections.interface import ConfirmRead, ProposalSettled, Propose, ReadConfirmed
from interrex.elections.raft import RaftSettings
from interrex.elections.raft import messages as m

from .network import Network
from .solo import Solo, stored


def confirmed(server: Solo) -> dict[int, bool]:
    return {one.read: one.confirmed for one in server.said(ReadConfirmed)}


def answer(server: Solo, member: int) -> None:
    """A follower answers the newest heartbeat that it was sent."""
    beats = [one for one in server.taken(m.Heartbeat) if one.target == member]
    server.receive(m.HeartbeatAnswer(1, member, server.core.epoch, beats[-1].round, 1, 1))


def test_only_the_leader_takes_proposals() -> None:
    """8: clients send all of their requests to the leader; others say so at once."""
    server = Solo()
    server.propose("a")
    assert server.settled == {"a": None}


def test_a_leader_commits_an_empty_entry_at_the_start_of_its_term() -> None:
    """8: a blank no-op makes it find out which entries are committed."""
    server = Solo(stored=stored(1, 1))
    server.become_leader()
    assert server.disk.entries[-1].data == b""
    server.commit_noop()
    assert server.committed == [b"1.1", b"2.1"]


def test_no_ops_and_configurations_are_not_handed_out() -> None:
    """Only changes of data are ``Committed``."""
    server = Solo(1)
    server.propose("a", b"data")
    assert server.committed == [b"data"]
    assert server.settled == {"a": 2}


def test_a_read_needs_a_majority_after_it_was_asked() -> None:
    """6.4: the leader exchanges heartbeats with a majority before it answers."""
    server = Solo()
    server.become_leader()
    server.commit_noop()
    server.step(ConfirmRead(1))
    assert confirmed(server) == {}
    answer(server, 2)
    assert confirmed(server) == {1: True}


def test_an_answer_to_an_earlier_heartbeat_confirms_no_read() -> None:
    """6.4: only a round that began after the question proves anything about it."""
    server = Solo()
    server.become_leader()
    beats = [one for one in server.taken(m.Heartbeat) if one.target == 2]
    server.commit_noop()
    server.step(ConfirmRead(1))
    server.receive(m.HeartbeatAnswer(1, 2, 1, beats[-1].round, 1, 1))
    assert confirmed(server) == {}


def test_a_read_waits_for_the_first_commit_of_the_term() -> None:
    """6.4: the leader needs an entry of its own term committed to know what is."""
    server = Solo()
    server.become_leader()
    server.step(ConfirmRead(1))
    answer(server, 2)
    assert confirmed(server) == {}
    server.accept(2, 1)
    answer(server, 2)
    assert confirmed(server) == {1: True}


def test_reads_share_heartbeat_rounds() -> None:
    """6.4: one round confirms any number of reads; the rest wait together for the next."""
    server = Solo()
    server.become_leader()
    server.commit_noop()
    server.take()
    for read in range(100):
        server.step(ConfirmRead(read))
    beats = [one for one in server.take() if isinstance(one, m.Heartbeat) and one.target == 2]
    assert len(beats) == 1
    server.receive(m.HeartbeatAnswer(1, 2, 1, beats[0].round, 1, 1))
    assert confirmed(server) == {0: True}
    answer(server, 2)
    assert confirmed(server) == dict.fromkeys(range(100), True)


def test_a_follower_confirms_no_read() -> None:
    server = Solo()
    server.step(ConfirmRead(1))
    assert confirmed(server) == {1: False}


def test_a_deposed_leader_confirms_no_read() -> None:
    """6.4: a stale leader must not answer."""
    server = Solo()
    server.become_leader()
    server.commit_noop()
    server.step(ConfirmRead(1))
    server.hear(2, 7)
    assert confirmed(server) == {1: False}


def test_a_leader_past_its_deadline_confirms_no_read() -> None:
    server = Solo()
    server.become_leader()
    server.commit_noop()
    server.now += 1_000 * MS
    server.step(ConfirmRead(1))
    assert confirmed(server).get(1) is not True
    server.pass_time(1_000 * MS)
    assert confirmed(server) == {1: False}


def test_alone_a_leader_confirms_at_once() -> None:
    server = Solo(1)
    server.step(ConfirmRead(1))
    assert confirmed(server) == {1: True}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (RaftSettings(max_change_bytes=10), "more than 10"),
        (RaftSettings(max_change_bytes=30, max_uncommitted_bytes=30), "waiting to be committed"),
    ],
)
def test_what_is_too_large_is_refused(settings: RaftSettings, reason: str) -> None:
    """A leader refuses instead of growing without a bound."""
    server = Solo(settings=settings)
    server.become_leader()
    for number in range(2):
        server.propose(f"c{number}", b"x" * 20)
    reasons = [one.reason for one in server.said(ProposalSettled)]
    assert any(reason in one for one in reasons)


def test_a_change_asked_again_under_another_leader_is_applied_by_its_id() -> None:
    """8: the log may hold a command twice; its id is what makes it applied once."""
    network = Network(3)
    network.start()
    leader = network.elect()
    network.cut = {(leader.name, other.name) for other in network.followers(leader)}
    network.step(leader, Propose(ChangeId("same"), b"data"))
    network.run(1_000 * MS)
    assert leader.settled[ChangeId("same")] == [(None, "a majority does not answer")]
    network.heal()
    second = network.elect()
    network.step(second, Propose(ChangeId("same"), b"data"))
    network.run(50 * MS)
    assert second.settled[ChangeId("same")][-1][0] is not None
