"""Thesis 9.6: pre-vote, and who may have lost the leader."""

import pytest

from interrex.core.time import MS
from interrex.elections.interface import PeerLost
from interrex.elections.raft import messages as m

from .network import Network
from .solo import Solo, change, stored, worker


def follower(term: int = 3) -> Solo:
    server = Solo(stored=stored(1, 2, term=term))
    server.beat(2, term)
    server.take()
    return server


def answers(server: Solo) -> list[tuple[int, bool]]:
    return [(one.target, one.granted) for one in server.taken(m.PreVoteAnswer)]


def test_a_pre_candidate_changes_neither_term_nor_vote() -> None:
    """9.6: it only increments its term once it knows that a majority would vote for it."""
    server = Solo()
    server.pass_time(2 * server.settings.election_timeout)
    assert (server.role, server.core.epoch) == ("pre-candidate", 0)
    assert {one.term for one in server.taken(m.PreVote)} == {1}
    assert server.disk.facts == {}


def test_an_isolated_server_does_not_raise_its_term() -> None:
    """9.6, fault 10: its term is not inflated, so it does not disrupt when it comes back."""
    network = Network(3)
    network.start()
    leader = network.elect()
    lost = network.followers(leader)[0]
    term = leader.raft.epoch
    rest = [int(one.name[1:]) for one in network.alive() if one is not lost]
    network.partition([int(lost.name[1:])], rest)
    network.run(20_000 * MS)
    network.heal()
    network.run(1_000 * MS)
    assert [server.raft.epoch for server in network.alive()] == [term] * 3
    assert network.leader() is leader


def test_a_server_that_hears_a_leader_grants_no_pre_vote() -> None:
    """9.6 with 4.2.3: only if it has not heard from a leader for a time-out."""
    server = follower()
    assert server.pre_ask(3, 4) == []


def test_a_pre_vote_needs_an_up_to_date_log() -> None:
    """9.6: as for a vote, the candidate's log must be recent enough."""
    server = Solo(stored=stored(1, 2, term=3))
    assert server.pre_ask(2, 4, last=1, last_term=2) == [False]
    assert server.pre_ask(2, 4, last=2, last_term=2) == [True]


def test_a_pre_vote_may_be_granted_to_many() -> None:
    """9.6: it promises nothing; the vote that follows does."""
    server = Solo()
    assert server.pre_ask(2, 1) == [True]
    assert server.pre_ask(3, 1) == [True]


def test_a_pre_vote_of_an_old_term_is_answered_with_the_newer_one() -> None:
    """An older candidate has to catch up, or it would ask for ever."""
    server = Solo(stored=stored(term=9))
    server.receive(m.PreVote(1, 2, 4, 7, 99, 99, 0))
    assert [(one.term, one.granted) for one in server.taken(m.PreVoteAnswer)] == [(9, False)]
    asker = Solo()
    asker.receive(m.PreVoteAnswer(1, 2, 9, 7, granted=False))
    assert asker.core.epoch == 9


def test_pre_vote_traffic_does_not_reset_a_followers_timer() -> None:
    """Fault 16; hashicorp/raft #605."""
    server = Solo()
    due = server.core.wake_at
    server.pass_time(50 * MS)
    server.pre_ask(2, 1)
    server.pre_ask(3, 1, last=0, last_term=0)
    assert server.core.wake_at == due
    server = follower()
    server.beat(2, 3)
    due = server.core.wake_at
    server.pass_time(50 * MS)
    server.pre_ask(3, 4)
    assert server.core.wake_at == due


def test_a_refused_pre_vote_names_no_leader() -> None:
    """Fault 17; hashicorp/raft #609: a peer that names a dead leader holds up the election."""
    assert "leader" not in m.PreVoteAnswer.__struct_fields__
    assert "leader" not in m.Vote.__struct_fields__


def test_an_early_pre_vote_is_remembered_and_granted_when_the_leader_is_lost() -> None:
    """It is weighed again the moment the own leader is lost: nobody waits for another round."""
    server = follower()
    server.pre_ask(3, 4)
    server.step(PeerLost(worker(2), proved_dead=False))
    assert answers(server) == [(3, True)]


def test_an_early_pre_vote_is_granted_when_silence_is_noticed() -> None:
    server = follower()
    server.pre_ask(3, 4)
    server.pass_time(server.settings.election_timeout)
    assert answers(server) == [(3, True)]


def test_a_remembered_pre_vote_is_weighed_by_the_log_of_later() -> None:
    server = follower()
    server.pre_ask(3, 4, last=2, last_term=2)
    server.hear(2, 3, prev=2)
    server.hear(2, 3, change(3, 3), prev=2)
    server.take()
    server.step(PeerLost(worker(2), proved_dead=False))
    assert answers(server) == [(3, False)]


@pytest.mark.parametrize(
    "event",
    [
        m.PreVoteWithdrawn(1, 3, 3, 7),
        m.AppendAccepted(1, 3, 4, 0),
        PeerLost(worker(3), proved_dead=False),
    ],
    ids=["its sender hears a leader", "its sender changed its term", "its sender is gone"],
)
def test_a_remembered_pre_vote_is_dropped_when(event: m.Message | PeerLost) -> None:
    server = follower()
    server.pre_ask(3, 4)
    if isinstance(event, PeerLost):
        server.step(event)
    else:
        server.receive(event)
    server.take()
    server.step(PeerLost(worker(2), proved_dead=True))
    assert answers(server) == []


def test_a_pre_candidate_that_hears_a_leader_withdraws_its_question() -> None:
    server = Solo()
    server.pass_time(2 * server.settings.election_timeout)
    server.take()
    server.beat(2, 1)
    assert sorted(one.target for one in server.taken(m.PreVoteWithdrawn)) == [2, 3]


def test_an_answer_to_another_campaign_does_not_count() -> None:
    """A campaign's number keeps late answers, also those of an earlier life, apart."""
    server = Solo()
    server.pass_time(2 * server.settings.election_timeout)
    question = server.taken(m.PreVote)[0]
    server.receive(m.PreVoteAnswer(1, 2, 1, question.round - 1, granted=True))
    assert server.role == "pre-candidate"
    request = Solo(seed=2).become_candidate()
    again = Solo(seed=3)
    again.become_candidate()
    again.receive(m.Vote(1, 2, 1, request.round, granted=True))
    assert again.role == "candidate"


def test_two_of_three_get_out_of_pre_vote() -> None:
    """rabbitmq/ra #439: stuck in pre-vote with two of three up."""
    for seed in range(50):
        network = Network(3, seed=seed)
        network.start(1, 2)
        network.elect()
        assert network.now < 8 * network.settings.election_timeout


def test_a_vote_request_is_ignored_while_a_leader_is_heard() -> None:
    """Thesis 4.2.3: not even its term is taken over."""
    server = follower()
    assert not server.ask(3, 9)
    assert server.core.epoch == 3


def test_a_leader_inside_its_deadline_ignores_candidates() -> None:
    """Thesis 4.2.3, for the leader itself."""
    server = Solo()
    server.become_leader()
    assert not server.ask(3, 9)
    assert server.role == "leader"
