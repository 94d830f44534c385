"""Extended paper, sections 5.1 and 5.2: terms, roles, leader election. One rule a test."""

import pytest

from interrex.core.time import MS
from interrex.elections.interface import Persist
from interrex.elections.raft import RaftSettings
from interrex.elections.raft import messages as m

from .network import Network
from .solo import Solo, stored

ROLES = ["follower", "candidate", "leader"]


def as_role(role: str, size: int = 3) -> Solo:
    server = Solo(size)
    match role:
        case "follower":
            server.hear(2, 1)
        case "candidate":
            server.become_candidate()
        case _:
            server.become_leader()
    assert server.role == role
    server.take()
    return server


@pytest.mark.parametrize("role", ROLES)
def test_a_larger_term_is_taken_over_and_makes_a_follower(role: str) -> None:
    """5.1: a smaller current term is updated; a candidate or leader so reverts to follower."""
    server = as_role(role)
    server.hear(2, 5)
    assert (server.core.epoch, server.role, server.vote.term) == (5, "follower", 5)


@pytest.mark.parametrize("role", ROLES)
def test_a_request_with_a_stale_term_is_rejected(role: str) -> None:
    """5.1: a server rejects a request with a stale term."""
    server = as_role(role)
    server.hear(2, 4)
    server.take()
    server.receive(m.RequestVote(1, 3, 3, 7, 99, 99, 0))
    assert [(one.term, one.granted) for one in server.taken(m.Vote)] == [(4, False)]
    server.hear(3, 3)
    assert [one.term for one in server.taken(m.NewerTerm)] == [4]
    assert server.core.leader == "w2"


@pytest.mark.parametrize("role", ["candidate", "leader"])
def test_an_answer_with_a_larger_term_deposes(role: str) -> None:
    """5.1: also an answer that carries a larger term makes a follower."""
    server = as_role(role)
    server.receive(m.Vote(1, 2, 9, 1, granted=False))
    assert (server.core.epoch, server.role) == (9, "follower")


def test_servers_start_as_followers() -> None:
    """5.2: when servers start up, they begin as followers."""
    assert Solo().role == "follower"


def test_a_server_remains_follower_while_it_hears_a_leader() -> None:
    """5.2: a server stays follower as long as it receives valid mail of a leader."""
    server = Solo()
    for _ in range(100):
        server.beat(2, 1)
        server.pass_time(100 * MS)
    assert (server.role, server.core.epoch) == ("follower", 1)


def test_a_leader_sends_heartbeats_to_all_followers() -> None:
    """5.2: leaders send periodic heartbeats to all followers to keep their authority."""
    server = as_role("leader")
    server.pass_time(server.settings.heartbeat)
    assert sorted(one.target for one in server.taken(m.Heartbeat)) == [2, 3]


def test_a_new_leader_announces_itself_at_once() -> None:
    """5.2: having won, it sends heartbeats to all others, to prevent new elections."""
    server = Solo()
    server.become_leader()
    sent = server.take()
    assert sorted(one.target for one in sent if isinstance(one, m.Heartbeat)) == [2, 3]
    assert sorted(one.target for one in sent if isinstance(one, m.AppendEntries)) == [2, 3]


@pytest.mark.parametrize("role", ["follower", "candidate"])
def test_without_a_leader_a_server_raises_its_term_votes_for_itself_and_asks(role: str) -> None:
    """5.2: after the time-out a follower or candidate increments its term, votes for itself and
    sends RequestVote to all others (here after a pre-vote, thesis 9.6)."""
    server = as_role(role)
    term = server.core.epoch
    request = server.become_candidate()
    assert request.term == term + 1
    assert (server.vote.term, server.vote.vote) == (term + 1, 1)


@pytest.mark.parametrize(
    ("size", "granted", "refused", "role"),
    [
        (3, [2], [], "leader"),
        (3, [2, 3], [], "leader"),
        (5, [2, 3], [], "leader"),
        (5, [2], [], "candidate"),
        (5, [2], [3], "candidate"),
        (3, [], [2, 3], "follower"),
        (5, [2], [3, 4, 5], "follower"),
        (7, [2, 3, 4], [5, 6, 7], "leader"),
    ],
)
def test_a_candidate_wins_with_a_majority(
    size: int, granted: list[int], refused: list[int], role: str
) -> None:
    """5.2: votes of a majority of the full cluster for the same term win."""
    server = Solo(size)
    request = server.become_candidate()
    for member in granted:
        server.receive(m.Vote(1, member, 1, request.round, granted=True))
    for member in refused:
        server.receive(m.Vote(1, member, 1, request.round, granted=False))
    assert server.role == role


def test_one_server_alone_elects_itself_at_once() -> None:
    """5.2, for a cluster of one."""
    server = Solo(1)
    assert server.role == "leader"
    assert server.leaders[-1] == ("w1", 1)


def test_a_vote_counts_once_however_often_it_arrives() -> None:
    """5.2, on a network that duplicates."""
    server = Solo(5)
    request = server.become_candidate()
    for _ in range(5):
        server.receive(m.Vote(1, 2, 1, request.round, granted=True))
    assert server.role == "candidate"


@pytest.mark.parametrize(
    ("vote", "asked_by", "granted"),
    [(0, 2, True), (0, 3, True), (2, 2, True), (3, 3, True), (2, 3, False), (3, 2, False)],
)
def test_a_server_votes_once_per_term_first_come_first_served(
    vote: int, asked_by: int, granted: bool
) -> None:
    """5.2: at most one candidate per term gets a server's vote."""
    server = Solo(stored=stored(term=4, vote=vote))
    assert server.ask(asked_by, 4) is granted


def test_a_vote_is_kept_across_a_restart() -> None:
    """5.2, figure 2: the vote is on stable storage before the answer."""
    server = Solo()
    assert server.ask(2, 3)
    again = Solo(stored=server.disk.stored())
    assert not again.ask(3, 3)
    assert again.ask(2, 3)


def test_a_candidate_that_hears_this_terms_leader_follows_it() -> None:
    """5.2: AppendEntries of a leader whose term is at least as large makes it follow."""
    server = as_role("candidate")
    server.hear(3, server.core.epoch)
    assert (server.role, server.core.leader) == ("follower", "w3")


def test_a_candidate_stays_one_when_an_old_leader_writes() -> None:
    """5.2: with a smaller term it rejects the mail and continues."""
    server = Solo(stored=stored(term=6))
    server.become_candidate()
    server.hear(3, 6)
    assert (server.role, server.core.epoch) == ("candidate", 7)


def test_a_candidate_without_majority_times_out_and_stands_again() -> None:
    """5.2: with a split vote each candidate times out and starts a new election."""
    server = as_role("candidate")
    server.pass_time(2 * server.settings.election_timeout)
    assert server.role == "pre-candidate"
    assert server.become_candidate().term == 2


def test_election_timeouts_are_random_between_one_and_two() -> None:
    """5.2: time-outs are chosen at random from a fixed interval."""
    timeout = RaftSettings().election_timeout
    drawn = set()
    for seed in range(200):
        server = Solo(seed=seed)
        assert server.core.wake_at is not None
        drawn.add(server.core.wake_at - server.now)
    assert all(timeout <= wait < 2 * timeout for wait in drawn)
    assert len({wait * 10 // timeout for wait in drawn}) == 10


def test_random_timeouts_keep_split_votes_rare() -> None:
    """5.2: randomized time-outs ensure that split votes are rare."""
    splits = 0
    for seed in range(60):
        network = Network(5, seed=seed)
        network.start()
        splits += network.elect().raft.epoch > 1
    assert splits <= 6


def test_term_and_vote_are_stored_before_a_vote_leaves() -> None:
    """Figure 2: updated on stable storage before responding."""
    server = Solo(persists=False)
    assert not server.ask(2, 3)
    assert server.said(Persist)
    server.write()
    assert [one.granted for one in server.taken(m.Vote)] == [True]


def test_a_leader_of_a_term_never_meets_another() -> None:
    """Figure 3, election safety, seen from one server: a second leader stops the node."""
    server = as_role("follower")
    with pytest.raises(Exception, match="an epoch has one leader"):
        server.hear(3, 1)
