"""Thesis 3.10: leadership transfer."""

from interrex.core.ids import ChangeId
from interrex.core.time import MS
from interrex.elections.interface import PeerLost, StepDown
from interrex.elections.raft import messages as m

from .network import Network
from .solo import Solo, worker


def ready(size: int = 3) -> Solo:
    server = Solo(size)
    server.become_leader()
    server.commit_noop()
    return server


def test_leadership_is_handed_to_the_named_worker() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    target = network.followers(leader)[1]
    began = network.now
    network.step(leader, StepDown(target.name))
    network.run_until(lambda: network.agree() and network.leader() is target)
    assert network.now - began < 5 * MS


def test_without_a_name_the_best_placed_takes_over() -> None:
    server = ready()
    server.propose("a")
    server.accept(3, 2)
    server.take()
    server.step(StepDown())
    assert [one.target for one in server.taken(m.TimeoutNow)] == [3]


def test_the_target_is_told_only_when_it_holds_the_whole_log() -> None:
    """3.10: the prior leader brings the target's log up to date first."""
    server = ready()
    server.propose("a")
    server.take()
    server.step(StepDown(worker(2)))
    assert server.taken(m.TimeoutNow) == []
    server.accept(2, 2)
    assert [one.target for one in server.taken(m.TimeoutNow)] == [2]


def test_proposals_are_refused_while_handing_over() -> None:
    """3.10: the prior leader stops accepting new client requests."""
    server = ready()
    server.step(StepDown(worker(2)))
    server.propose("a")
    assert server.settled == {"a": None}


def test_the_target_campaigns_at_once_and_those_who_hear_the_leader_vote_for_it() -> None:
    """3.10: TimeoutNow makes it start an election; its request carries permission to disrupt."""
    server = Solo()
    server.beat(2, 4)
    server.take()
    server.receive(m.TimeoutNow(1, 2, 4))
    requests = server.taken(m.RequestVote)
    assert {(one.target, one.term, one.ended) for one in requests} == {(2, 5, 4), (3, 5, 4)}
    other = Solo()
    other.beat(2, 4)
    other.take()
    other.receive(m.RequestVote(1, 3, 5, 7, 99, 99, 4))
    assert [one.granted for one in other.taken(m.Vote)] == [True]


def test_a_transfer_to_a_dying_target_is_given_up_and_the_leader_goes_on() -> None:
    """3.10, fault 27: after about an election time-out it resumes."""
    network = Network(3)
    network.start()
    leader = network.elect()
    target = network.followers(leader)[0]
    network.cut |= {(leader.name, target.name), (target.name, leader.name)}
    network.propose(leader, "a")
    network.step(leader, StepDown(target.name))
    network.kill(target)
    network.propose(leader, "refused")
    network.run(network.settings.election_timeout + 10 * MS)
    term = leader.raft.epoch
    network.propose(leader, "b")
    network.run(50 * MS)
    assert leader.settled[ChangeId("refused")][0][0] is None
    assert leader.settled[ChangeId("b")][0][0] is not None
    assert (leader.raft.leading, leader.raft.epoch) == (True, term)


def test_a_target_whose_connection_closes_is_given_up_at_once() -> None:
    server = ready()
    server.propose("a")
    server.step(StepDown(worker(2)))
    server.step(PeerLost(worker(2), proved_dead=True))
    server.propose("b")
    server.accept(3, 3)
    assert server.settled == {"a": 2, "b": 3}


def test_a_transfer_to_oneself_or_a_stranger_is_nothing() -> None:
    server = ready()
    server.step(StepDown(worker(1)))
    server.step(StepDown(worker(9)))
    server.propose("a")
    server.accept(2, 2)
    assert server.settled == {"a": 2}


def test_a_transfer_message_of_an_old_term_is_nothing() -> None:
    server = Solo()
    server.beat(2, 4)
    server.receive(m.TimeoutNow(1, 3, 3))
    assert (server.role, server.core.epoch) == ("follower", 4)


def test_a_follower_cannot_step_down() -> None:
    server = Solo()
    server.beat(2, 4)
    server.step(StepDown())
    assert (server.role, server.core.epoch) == ("follower", 4)


def test_once_the_target_was_told_a_leader_goes_on_in_another_term_only() -> None:
    """3.10: the target's request carries permission to disrupt, whenever the target reads that it
    may stand: nobody would be in its way but a vote in its term that was given already."""
    server = ready()
    server.step(StepDown(worker(2)))
    assert [one.target for one in server.taken(m.TimeoutNow)] == [2]
    term = server.core.epoch
    server.step(PeerLost(worker(2), proved_dead=False))
    assert (server.role, server.core.epoch, server.core.leading) == ("candidate", term + 1, False)
    assert {(one.term, one.ended) for one in server.taken(m.RequestVote)} == {(term + 1, term)}


def test_a_target_that_reads_late_that_it_may_stand_does_not_lead_beside_the_old_leader() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    target = network.followers(leader)[0]
    usual = network.latency
    late = network.settings.election_timeout + 10 * MS
    network.latency = lambda sender, to, message: (
        late if isinstance(message, m.TimeoutNow) else usual(sender, to, message)
    )
    network.step(leader, StepDown(target.name))
    network.run(late - 1 * MS)
    term = leader.raft.epoch
    assert leader.raft.leading
    for _ in range(300):
        network.run(1 * MS)
        assert (leader.raft.leading, leader.raft.epoch, target.raft.leading) == (True, term, False)
