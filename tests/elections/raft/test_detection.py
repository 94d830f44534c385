"""How a lost leader is noticed, who stands first, and how long it takes."""

import pytest

from interrex.core.time import MS, US
from interrex.elections.interface import PeerConnected, PeerLost
from interrex.elections.raft import RaftSettings
from interrex.elections.raft import messages as m
from interrex.elections.replicated.roundtrips import RoundTrips
from interrex.elections.replicated.succession import rank, succession

from .network import Network
from .solo import Solo, change, stored, worker


def follower(size: int = 3, member: int = 1, term: int = 3, round_trip: int = MS) -> Solo:
    server = Solo(size, stored=stored(1, 2, term=term, member=member), member=member)
    server.beat(size, term, round_trip=round_trip)
    server.take()
    return server


# The order of succession


def test_the_most_recent_log_stands_first() -> None:
    order = succession([1, 2, 3, 4], leader=1, matched={2: 5, 3: 9, 4: 7}, active={2, 3, 4})
    assert order == (3, 4, 2)


def test_who_does_not_answer_stands_last() -> None:
    assert succession([1, 2, 3], leader=1, matched={2: 5, 3: 9}, active={2}) == (2, 3)


def test_the_dead_and_the_refused_are_passed_over() -> None:
    assert rank((4, 5, 6), 6, passed=set()) == 2
    assert rank((4, 5, 6), 6, passed={4}) == 1
    assert rank((4, 5, 6), 9, passed={4}) == 2


def test_heartbeats_and_appends_carry_the_order() -> None:
    server = Solo()
    server.become_leader()
    server.commit_noop()
    server.propose("a")
    server.accept(3, 2)
    server.take()
    server.pass_time(server.settings.heartbeat)
    beats = server.taken(m.Heartbeat)
    assert {one.succession for one in beats} == {(3, 2)}
    server.propose("b")
    assert {one.succession for one in server.taken(m.AppendEntries)} == {(3, 2)}


# Proof of death


def test_on_proof_rank_0_asks_for_votes_at_once() -> None:
    """No pre-vote: nobody's leader is at stake any more."""
    server = follower(3, member=1)
    server.step(PeerLost(worker(3), proved_dead=True))
    assert {(one.target, one.term, one.ended) for one in server.taken(m.RequestVote)} == {
        (2, 4, 3),
        (3, 4, 3),
    }


def test_on_proof_rank_k_waits_k_times_four_round_trips() -> None:
    server = follower(5, member=3, round_trip=3 * MS)
    server.step(PeerLost(worker(5), proved_dead=True))
    server.pass_time(2 * 4 * 3 * MS - 1)
    assert server.role == "follower"
    server.pass_time(1)
    assert server.role == "pre-candidate"


def test_a_voter_that_was_not_connected_is_asked_as_soon_as_it_is() -> None:
    """Paper 5.1: what is not answered is asked again; here it is known when it was lost."""
    server = follower(3, member=1)
    server.step(PeerLost(worker(2), proved_dead=False))
    server.step(PeerLost(worker(3), proved_dead=True))
    [lost] = [one for one in server.taken(m.RequestVote) if one.target == 2]
    server.step(PeerConnected(worker(2), 2))
    assert server.taken(m.RequestVote) == [lost]


def test_a_voter_that_has_answered_is_not_asked_again() -> None:
    server = follower(5, member=1)
    server.step(PeerLost(worker(5), proved_dead=True))
    [asked] = [one for one in server.taken(m.RequestVote) if one.target == 2]
    server.receive(m.Vote(1, 2, asked.term, asked.round, granted=True))
    server.step(PeerConnected(worker(2), 2))
    assert server.taken(m.RequestVote) == []


def test_rank_1_stands_at_once_when_rank_0_is_proved_dead_too() -> None:
    server = follower(5, member=2)
    server.step(PeerLost(worker(5), proved_dead=True))
    assert server.role == "follower"
    server.step(PeerLost(worker(1), proved_dead=True))
    assert server.role == "candidate"


def test_rank_1_stands_at_once_when_it_must_refuse_rank_0_for_its_log() -> None:
    server = follower(5, member=2)
    server.step(PeerLost(worker(5), proved_dead=True))
    server.receive(m.RequestVote(2, 1, 4, 7, 1, 1, 3))
    assert (server.role, server.core.epoch) == ("candidate", 5)


def test_rank_2_waits_when_rank_0_was_refused() -> None:
    server = follower(5, member=3)
    server.step(PeerLost(worker(5), proved_dead=True))
    server.receive(m.RequestVote(3, 1, 4, 7, 1, 1, 3))
    assert server.role == "follower"


def test_who_gave_its_vote_waits_for_the_candidate() -> None:
    server = follower(5, member=2)
    server.step(PeerLost(worker(5), proved_dead=True))
    server.receive(m.RequestVote(2, 1, 4, 7, 9, 9, 3))
    server.step(PeerLost(worker(4), proved_dead=True))
    server.pass_time(100 * MS)
    assert (server.role, server.vote.vote) == ("follower", 1)


def test_when_the_candidate_dies_as_well_the_next_stands_at_once() -> None:
    server = follower(5, member=2)
    server.step(PeerLost(worker(5), proved_dead=True))
    server.receive(m.RequestVote(2, 1, 4, 7, 9, 9, 3))
    server.step(PeerLost(worker(1), proved_dead=True))
    assert (server.role, server.core.epoch) == ("candidate", 5)


def test_a_candidates_proof_is_believed_by_who_has_none_yet() -> None:
    """It names the term whose leadership is over: that can never become wrong."""
    server = follower(3, member=1)
    server.receive(m.RequestVote(1, 2, 4, 7, 9, 9, 3))
    assert [one.granted for one in server.taken(m.Vote)] == [True]


def test_a_proof_about_an_older_leadership_is_nothing() -> None:
    server = follower(3, member=1)
    server.receive(m.RequestVote(1, 2, 4, 7, 9, 9, 2))
    assert server.taken(m.Vote) == []
    assert server.core.leader == "w3"


def test_late_mail_of_a_dead_leader_does_not_bring_it_back() -> None:
    server = follower(5, member=2)
    server.step(PeerLost(worker(5), proved_dead=True))
    server.hear(5, 3, change(3, 3), prev=2)
    server.beat(5, 3)
    assert server.core.leader is None


def test_a_wrong_proof_is_forgotten_after_a_timeout() -> None:
    """A server that may not campaign would ignore its living leader for ever."""
    server = Solo(stored=stored(term=3, member=9), member=9)
    server.beat(2, 3)
    server.step(PeerLost(worker(2), proved_dead=True))
    server.pass_time(server.settings.election_timeout)
    server.beat(2, 3)
    assert server.core.leader == "w2"


def test_the_death_of_a_leader_is_said_at_once() -> None:
    server = follower(5, member=3)
    server.step(PeerLost(worker(5), proved_dead=True))
    assert server.leaders[-1] == (None, 3)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_take_over_costs_one_and_a_half_round_trips_and_one_write(size: int) -> None:
    """From proof to all-know: request, vote, announcement; the two writes run side by side."""
    network = Network(size)
    network.start()
    leader = network.elect()
    network.run(200 * MS)
    killed_at = network.now
    network.kill(leader, notice=200 * US)
    network.elect()
    assert network.now - killed_at == 200 * US + 3 * 100 * US + 500 * US


def test_a_take_over_does_not_depend_on_who_hears_first() -> None:
    """Proof reaches the followers at different times; the order of ranks stands."""
    slowest = 0
    for seed in range(40):
        network = Network(5, seed=seed)
        network.start()
        leader = network.elect()
        network.run(200 * MS)
        killed_at = network.now
        network.kill(leader)
        for server in network.alive():
            delay = network.random.randrange(100 * US, 1500 * US)
            network.tell(server, PeerLost(leader.name, proved_dead=True), delay)
        network.elect()
        slowest = max(slowest, network.now - killed_at)
    assert slowest < 8 * MS


# Suspicion


def test_a_closed_connection_starts_a_pre_vote_after_an_allowance() -> None:
    server = follower(3, member=1)
    server.step(PeerLost(worker(3), proved_dead=False))
    server.pass_time(server.settings.reconnect_allowance - 1)
    assert server.role == "follower"
    server.pass_time(1)
    assert (server.role, server.core.epoch) == ("pre-candidate", 3)


def test_a_leader_that_is_heard_again_in_time_stays() -> None:
    server = follower(3, member=1)
    server.step(PeerLost(worker(3), proved_dead=False))
    server.step(PeerConnected(worker(3), 3))
    server.beat(3, 3)
    server.pass_time(150 * MS)
    assert (server.role, server.core.leader) == ("follower", "w3")


def test_one_broken_connection_never_deposes_a_healthy_leader() -> None:
    """Fault 33: the others still hear it."""
    network = Network(3)
    network.start()
    leader = network.elect()
    term = leader.raft.epoch
    one = network.followers(leader)[0]
    for _ in range(20):
        network.cut = {(leader.name, one.name), (one.name, leader.name)}
        network.step(one, PeerLost(leader.name, False))
        network.run(100 * MS)
        network.heal()
        network.run(100 * MS)
    assert (network.leader(), leader.raft.epoch) == (leader, term)


def test_a_leader_lost_without_proof_is_replaced_within_the_allowance() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    killed_at = network.now
    network.kill(leader, notice=200 * US, proved=False)
    network.elect()
    assert network.now - killed_at < 15 * MS


def test_proof_after_suspicion_makes_the_question_a_request() -> None:
    server = follower(3, member=1)
    server.step(PeerLost(worker(3), proved_dead=False))
    server.pass_time(20 * MS)
    server.take()
    server.step(PeerLost(worker(3), proved_dead=True))
    assert {one.ended for one in server.taken(m.PreVote)} == {3}


def test_proof_in_a_term_without_leader_is_about_the_last_one() -> None:
    server = follower(5, member=1)
    server.step(PeerLost(worker(5), proved_dead=False))
    server.receive(m.PreVoteAnswer(1, 4, 4, 7, granted=False))
    assert (server.role, server.core.epoch) == ("follower", 4)
    server.step(PeerLost(worker(5), proved_dead=True))
    assert {one.ended for one in server.taken(m.RequestVote)} == {3}


# Silence


def test_a_silent_leader_is_lost_after_the_timeout_and_said_so() -> None:
    server = follower(3, member=1)
    server.pass_time(server.settings.election_timeout - 1)
    assert server.core.leader == "w3"
    server.pass_time(1)
    assert server.core.leader is None


def test_a_silent_leader_is_succeeded_in_order_and_not_by_chance() -> None:
    """Waiting a random part more, as in the paper, took half a time-out longer."""
    first, second = follower(3, member=1), follower(3, member=2)
    for server in (first, second):
        server.pass_time(server.settings.election_timeout)
    assert (first.role, second.role) == ("pre-candidate", "follower")
    second.pass_time(4 * MS)
    assert second.role == "pre-candidate"


def test_a_shorter_timeout_takes_back_nothing_of_the_patience_that_was_answered_before() -> None:
    """Thesis 6.4.1: the leader counts on it from when it sent that heartbeat."""
    server = follower(3, member=1)
    floor = server.settings.election_timeout
    for timeout in (3 * floor, floor):
        server.receive(m.Heartbeat(1, 3, 3, 2, 0, timeout, 0, (1, 2)))
    server.pass_time(3 * floor - 1)
    assert server.core.leader == "w3"
    server.pass_time(1)
    assert server.core.leader is None


def test_the_timeout_grows_with_the_measured_round_trips_and_never_below_the_floor() -> None:
    server = follower(3, member=1)
    floor = server.settings.election_timeout
    server.receive(m.Heartbeat(1, 3, 3, 2, 0, 10, 0, (1, 2)))
    assert server.core._server.detection.timeout == floor
    server.receive(m.Heartbeat(1, 3, 3, 2, 0, 3 * floor, 0, (1, 2)))
    assert server.core._server.detection.timeout == 3 * floor
    server.receive(m.Heartbeat(1, 3, 3, 2, 0, 10**15, 0, (1, 2)))
    assert server.core._server.detection.timeout == server.settings.longest_timeout


def test_round_trips_are_smoothed_as_in_rfc_6298() -> None:
    trips = RoundTrips()
    trips.measured(800)
    assert (trips.smoothed, trips.jitter) == (800, 400)
    trips.measured(1600)
    assert (trips.smoothed, trips.jitter) == (900, 500)


def test_a_leader_on_slow_links_asks_for_patience() -> None:
    """Adaptive time-outs: far apart, the floor would depose every leader."""
    network = Network(3, settings=RaftSettings())
    network.latency = lambda _from, _to, _message: 60 * MS
    network.start()
    network.run(5_000 * MS)
    leader = network.elect()
    elections = leader.raft.epoch
    network.run(20_000 * MS)
    assert leader.raft.epoch == elections
    follower = network.followers(leader)[0]
    assert follower.raft._server.detection.timeout > network.settings.election_timeout


def test_a_follower_that_was_stopped_gives_its_leader_a_fresh_chance() -> None:
    """Its own stop must not be taken for the leader's silence."""
    server = follower(3, member=1)
    server.oversleep(1_000 * MS)
    assert (server.role, server.core.leader) == ("follower", "w3")
    server.beat(3, 3)
    server.pass_time(100 * MS)
    assert server.core.leader == "w3"


def test_that_chance_is_given_once() -> None:
    server = follower(3, member=1)
    server.oversleep(1_000 * MS)
    server.oversleep(1_000 * MS)
    server.oversleep(1_000 * MS)
    assert server.role == "pre-candidate"


def test_a_stopped_followers_pre_votes_wait_for_that_chance() -> None:
    """A pre-vote that is read before the leader's mail must not be granted by mistake."""
    server = follower(3, member=1)
    server.now += 1_000 * MS
    assert server.pre_ask(2, 4) == []
    server.beat(3, 3)
    server.pass_time(100 * MS)
    assert server.taken(m.PreVoteAnswer) == []


# The leader's own deadline


def test_a_leader_nobody_answers_steps_down_by_its_deadline() -> None:
    """Thesis 6.2: check-quorum."""
    server = Solo()
    server.become_leader()
    deadline = server.core.deadline
    assert deadline is not None
    server.pass_time(deadline - server.now - 1)
    before = server.core.leading
    server.pass_time(1)
    assert (before, server.core.leading) == (True, False)
    assert server.leaders[-1][0] is None
    server.pass_time(server.settings.election_timeout)
    assert server.role == "follower"


def test_the_deadline_counts_from_when_the_answered_heartbeat_was_sent() -> None:
    server = Solo()
    server.become_leader()
    server.take()
    server.pass_time(server.settings.heartbeat)
    beat = server.taken(m.Heartbeat)[0]
    sent_at = server.now
    server.pass_time(20 * MS)
    server.receive(m.HeartbeatAnswer(1, 2, 1, beat.round, 0, 0))
    lease = server.settings.lease_of(server.settings.election_timeout)
    assert server.core.deadline == sent_at + lease


def test_a_stopped_leader_is_none_past_its_deadline_until_a_majority_answers() -> None:
    """Fault 2: it asks before it believes in itself again, and only for a bounded time."""
    server = Solo()
    server.become_leader()
    beat = server.taken(m.Heartbeat)[-1]
    server.receive(m.HeartbeatAnswer(1, beat.target, 1, beat.round, 0, 0))
    server.oversleep(5_000 * MS)
    assert (server.core.leading, server.core.leader, server.role) == (False, None, "leader")
    beat = server.taken(m.Heartbeat)[-1]
    server.receive(m.HeartbeatAnswer(1, beat.target, 1, beat.round, 0, 0))
    assert (server.core.leading, server.core.leader) == (True, "w1")
    server.oversleep(5_000 * MS)
    server.pass_time(server.settings.election_timeout // 2)
    assert server.role == "follower"


def test_a_leader_whose_disk_does_not_answer_hands_over() -> None:
    """A disk that hangs for an election time-out is no leader's disk."""
    network = Network(3)
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    network.disk_time = lambda server: None if server is leader else 500 * US
    network.propose(leader, "a")
    stuck_at = network.now
    network.run_until(lambda: network.leader() not in (None, leader))
    assert network.now - stuck_at < network.settings.election_timeout + 10 * MS


def test_heartbeats_do_not_wait_for_the_disk() -> None:
    server = Solo(persists=True)
    server.become_leader()
    server.persists = False
    server.propose("a")
    server.take()
    server.pass_time(server.settings.heartbeat)
    assert len(server.taken(m.Heartbeat)) == 2
    slow = Solo(persists=False)
    slow.hear(2, 1, change(1, 1))
    slow.take()
    slow.beat(2, 1)
    assert [(one.received, one.matched) for one in slow.taken(m.HeartbeatAnswer)] == [(1, 0)]


def test_an_overloaded_leader_asks_for_patience_by_its_own_lateness() -> None:
    """Fault 20: heartbeats that come late lengthen the time-out instead of deposing."""
    server = Solo()
    server.become_leader()
    server.oversleep(170 * MS)
    patience = server.taken(m.Heartbeat)[-1].timeout
    assert patience >= 100 * MS + 2 * 120 * MS
