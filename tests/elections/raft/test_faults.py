"""The table of faults, as far as an election core alone can show them; numbers as in the table."""

import pytest

from interrex.core.errors import InterrexError
from interrex.core.ids import ChangeId
from interrex.core.time import MS, US
from interrex.elections.interface import Persisted
from interrex.elections.raft import RaftSettings
from interrex.elections.raft import messages as m

from .checkers import Checkers
from .network import Network, Server
from .solo import Solo, change, stored

TIMEOUT = RaftSettings().election_timeout


def cluster(size: int = 3, seed: int = 1) -> tuple[Network, Server]:
    network = Network(size, seed=seed)
    Checkers(network)
    network.start()
    leader = network.elect()
    network.run(200 * MS)
    return network, leader


def number(server: Server) -> int:
    return int(server.name[1:])


def only_links(network: Network, *links: tuple[int, int]) -> None:
    """Everything is cut but these links, which work both ways."""
    names = list(network.servers)
    kept = {(network[a].name, network[b].name) for a, b in links}
    network.cut = {
        (a, b) for a in names for b in names if (a, b) not in kept and (b, a) not in kept
    }


def test_02_a_stopped_leader_wakes_deposed() -> None:
    network, leader = cluster()
    network.stop(leader)
    network.run_until(lambda: network.leader() not in (None, leader))
    second = network.leader()
    network.resume(leader)
    network.run(50 * MS)
    assert second is not None
    assert (leader.raft.leading, leader.raft.leader) == (False, second.name)


def test_02_a_stopped_leader_that_nobody_replaced_goes_on_in_its_term() -> None:
    network, leader = cluster()
    term = leader.raft.epoch
    for server in network.alive():
        network.stop(server)
    network.run(3_000 * MS)
    for server in network.alive():
        network.resume(server)
    network.run(20 * MS)
    assert (leader.raft.leading, leader.raft.epoch) == (True, term)


def test_04_a_leader_in_the_minority_steps_down_and_the_majority_elects() -> None:
    network, leader = cluster(5)
    one = network.followers(leader)[0]
    rest = [number(server) for server in network.alive() if server not in (leader, one)]
    network.partition([number(leader), number(one)], rest)
    network.run(TIMEOUT)
    assert not leader.raft.leading
    network.run(3 * TIMEOUT)
    second = network.leader()
    assert second is not None
    assert number(second) in rest


def test_05_a_leader_that_hears_but_cannot_send_is_replaced_without_churn() -> None:
    network, leader = cluster()
    term = leader.raft.epoch
    network.cut = {(leader.name, other.name) for other in network.followers(leader)}
    network.run(10_000 * MS)
    second = network.leader()
    assert second not in (None, leader)
    assert second is not None
    assert second.raft.epoch == term + 1


def test_06_a_leader_that_sends_but_cannot_hear_steps_down() -> None:
    network, leader = cluster()
    network.cut = {(other.name, leader.name) for other in network.followers(leader)}
    network.run(TIMEOUT)
    assert not leader.raft.leading
    network.run(4 * TIMEOUT)
    assert network.leader() not in (None, leader)


def test_07_a_partial_mesh_of_five_has_a_stable_leader() -> None:
    network, _ = cluster(5)
    only_links(network, (1, 2), (1, 3), (2, 3), (3, 4), (2, 5))
    network.run(4_000 * MS)
    leader = network.leader()
    assert leader is not None
    term = leader.raft.epoch
    network.run(10_000 * MS)
    assert (network.leader(), leader.raft.epoch) == (leader, term)


@pytest.mark.parametrize("seed", range(20))
def test_08_the_only_one_that_reaches_a_quorum_leads_within_four_timeouts(seed: int) -> None:
    network, leader = cluster(5, seed)
    hub = network.followers(leader)[0]
    spokes = [server for server in network.alive() if server is not hub]
    only_links(network, *[(number(hub), number(server)) for server in spokes])
    network.run_until(lambda: hub.raft.leading, 4 * TIMEOUT)


def test_09_a_chain_does_not_livelock() -> None:
    for seed in range(10):
        network, _ = cluster(3, seed)
        only_links(network, (1, 2), (1, 3))
        network.run(4_000 * MS)
        leader = network.leader()
        assert leader is not None
        term = leader.raft.epoch
        network.run(10_000 * MS)
        assert (network.leader(), leader.raft.epoch) == (leader, term)


def test_13_a_crash_right_after_a_vote_never_votes_twice() -> None:
    server = Solo(persists=False)
    server.ask(2, 3)
    server.write()
    assert [one.granted for one in server.taken(m.Vote)] == [True]
    again = Solo(stored=server.disk.stored())
    assert not again.ask(3, 3)


def test_14_after_a_restart_of_everything_terms_and_data_are_there() -> None:
    network, leader = cluster()
    network.propose(leader, "a")
    network.run(50 * MS)
    term = leader.raft.epoch
    for server in network.alive():
        network.kill(server)
    network.start()
    second = network.elect()
    network.run(200 * MS)
    assert second.raft.epoch > term
    assert [server.data for server in network.alive()] == [[b"a"]] * 3


def test_15_a_vote_waits_until_the_tail_it_was_decided_on_is_on_disk() -> None:
    """canonical/raft #429: a vote on an unpersisted tail."""
    server = Solo(persists=False)
    server.hear(2, 1, change(1, 1))
    server.take()
    server.receive(m.RequestVote(1, 3, 2, 7, 1, 1, 1))
    first = server.writing[0]
    for record in first.records:
        server.disk.write(record)
    server.step(Persisted(first.token))
    assert server.taken(m.Vote) == []
    del server.writing[0]
    server.write()
    assert [one.granted for one in server.taken(m.Vote)] == [True]
    assert server.log == [(1, 1)]


def test_15_a_candidate_counts_itself_when_its_tail_and_its_vote_are_on_disk() -> None:
    server = Solo(persists=False)
    request = server.become_candidate()
    server.receive(m.Vote(1, 2, 1, request.round, granted=True))
    assert server.role == "candidate"
    server.write()
    assert server.role == "leader"


def test_15_a_candidate_that_all_others_elected_still_waits_for_its_own_disk() -> None:
    """Who leads a term has that term on its disk."""
    server = Solo(persists=False)
    request = server.become_candidate()
    for member in (2, 3):
        server.receive(m.Vote(1, member, 1, request.round, granted=True))
    assert server.role == "candidate"
    server.write()
    assert server.role == "leader"


def test_15_a_restarted_candidate_ignores_the_votes_of_its_former_life() -> None:
    """Its request left before its own vote was stored: it may vote for another in that term."""
    server = Solo(persists=False)
    request = server.become_candidate()
    again = Solo(stored=server.disk.stored(), seed=2)
    assert again.ask(3, 1)
    again.receive(m.Vote(1, 2, 1, request.round, granted=True))
    assert again.role == "follower"


def test_18_simultaneous_timeouts_converge_as_often_as_theory_says() -> None:
    """All draws are alike in one round with the chance of 1 in 2^32: rounds end soon."""
    worst = 0
    for seed in range(100):
        network = Network(5, seed=seed)
        network.start()
        network.elect()
        worst = max(worst, network.now)
    assert worst < 6 * TIMEOUT


def test_19_votes_of_old_terms_that_arrive_late_are_ignored() -> None:
    server = Solo(5)
    old = server.become_candidate()
    server.become_candidate()
    server.receive(m.Vote(1, 2, old.term, old.round, granted=True))
    server.receive(m.Vote(1, 3, old.term, old.round, granted=True))
    assert server.role == "candidate"


def test_20_a_leader_whose_heartbeats_are_late_is_not_deposed_again_and_again() -> None:
    network, leader = cluster()
    term = leader.raft.epoch
    for _ in range(100):
        current = network.leader() or leader
        network.stop(current)
        network.run(network.random.randrange(60 * MS, 150 * MS))
        network.resume(current)
        network.run(20 * MS)
    last = network.leader() or leader
    assert last.raft.epoch - term <= 3


def test_22_the_lease_is_shorter_than_patience_by_the_clocks_error() -> None:
    settings = RaftSettings(clock_error_per_mille=100)
    assert settings.lease_of(200 * MS) == 180 * MS
    with pytest.raises(InterrexError, match=r"is 0\.1 s, and must be at least 2 heartbeats"):
        RaftSettings(clock_error_per_mille=600)


def test_23_a_vote_that_cannot_be_stored_is_not_given() -> None:
    server = Solo(persists=False)
    server.ask(2, 3)
    server.pass_time(10_000 * MS)
    assert not any(one.granted for one in server.taken(m.Vote))


def test_23_a_server_whose_disk_hangs_does_not_campaign_again_and_again() -> None:
    server = Solo(persists=False)
    server.become_candidate()
    for _ in range(100):
        server.pass_time(100 * MS)
        for question in server.taken(m.PreVote):
            server.receive(m.PreVoteAnswer(1, 2, question.term, question.round, granted=True))
    assert server.core.epoch <= 2


def test_26_a_write_that_takes_a_second_gives_no_double_vote() -> None:
    server = Solo(persists=False)
    server.ask(2, 3)
    assert not server.ask(3, 3)
    server.pass_time(1_000 * MS)
    server.write()
    votes = [(one.target, one.granted) for one in server.taken(m.Vote)]
    assert votes == [(2, True)]


def test_26_slow_disks_slow_the_log_and_depose_nobody() -> None:
    network, leader = cluster()
    term = leader.raft.epoch
    network.disk_time = lambda server: 150 * MS
    for index in range(20):
        network.propose(leader, f"c{index}")
        network.run(100 * MS)
    network.run(1_000 * MS)
    assert (leader.raft.leading, leader.raft.epoch) == (True, term)
    assert all(leader.settled[ChangeId(f"c{index}")][0][0] for index in range(20))


def test_pysyncobj_84_votes_and_terms_survive() -> None:
    """PySyncObj #84, #202: votes and terms not persisted."""
    server = Solo(stored=stored(1, 1, term=5, vote=2))
    assert (server.core.epoch, server.ask(3, 5), server.ask(2, 5)) == (5, False, True)


def test_fabric8_7350_nobody_leads_before_the_votes_are_counted_and_its_own_is_stored() -> None:
    """Fault 31; fabric8 #7350: "leading" before it was confirmed."""
    server = Solo(persists=False)
    request = server.become_candidate()
    assert not server.core.leading
    server.receive(m.Vote(1, 2, 1, request.round, granted=True))
    assert (server.core.leading, ("w1", 1) in server.leaders) == (False, False)
    server.write()
    assert server.leaders[-1] == ("w1", 1)


def test_split_votes_after_a_proof_are_tried_again_within_milliseconds() -> None:
    """Without an order of ranks (a leader that had just begun) candidates may collide."""
    slowest = 0
    for seed in range(60):
        network, leader = cluster(5, seed)
        for server in network.followers(leader):
            server.raft._server.detection.order = ()
        killed_at = network.now
        network.kill(leader, notice=200 * US)
        network.elect()
        slowest = max(slowest, network.now - killed_at)
    assert slowest < 2 * TIMEOUT + 10 * MS
