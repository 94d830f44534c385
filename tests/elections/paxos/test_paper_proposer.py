"""Paxos Made Simple, sections 2.2 to 3: what a proposer and leader does, sentence by sentence."""

import pytest

from interrex.core.ids import ChangeId
from interrex.core.time import MS
from interrex.elections.interface import (
    ConfirmRead,
    PeerConnected,
    PeerLost,
    ReadConfirmed,
    StepDown,
)
from interrex.elections.paxos import PaxosSettings
from interrex.elections.paxos import messages as m
from interrex.elections.replicated.payload import NOOP

from .network import Network, Server
from .solo import Solo, accepted, stored, value, worker


def confirmed(server: Solo) -> dict[int, bool]:
    return {one.read: one.confirmed for one in server.said(ReadConfirmed)}


def test_phase_1a_asks_all_acceptors_about_all_slots_that_are_not_learned() -> None:
    """3: "executes phase 1 for infinitely many instances" with a single message."""
    server = Solo(stored=stored(1, 1, 1, chosen=2))
    asked = server.become_candidate()
    assert {one: (two.round, two.start) for one, two in asked.items()} == {2: (2, 3), 3: (2, 3)}
    assert asked[2].held == ((3, 1), (4, 0))


def test_phase_1_is_run_once_in_a_leadership() -> None:
    """3: a leader can then "execute phase 2 for any number of instances"."""
    server = Solo()
    server.become_leader()
    server.take()
    for index in range(50):
        server.propose(f"c{index}")
        server.accepts(2, index + 1)
    assert not any(isinstance(one, m.Prepare) for one in server.take())
    assert len(server.committed) == 50


def test_nothing_is_proposed_before_a_majority_has_promised() -> None:
    """Phase 2a: "if the proposer receives a response ... from a majority of acceptors"."""
    server = Solo(5)
    asked = server.become_candidate()
    server.promised(asked[2])
    assert (server.role, server.taken(m.Accept)) == ("candidate", [])
    server.propose("a")
    assert server.settled == {"a": None}
    server.promised(asked[3])
    assert server.role == "leader"


def test_its_own_promise_counts_when_it_is_on_its_disk() -> None:
    """2.5: who leads a round has that round on its disk."""
    server = Solo(persists=False)
    asked = server.become_candidate()
    server.promised(asked[2])
    assert (server.role, server.core.leading) == ("candidate", False)
    server.write()
    assert server.leaders[-1] == ("w1", 1)
    assert server.promise == (1, 1)


def test_p2c_the_value_is_that_of_the_highest_numbered_proposal_among_the_answers() -> None:
    """P2c, phase 2a: "the value of the highest-numbered proposal among the responses"."""
    server = Solo(5, stored=stored(2, 4, promised=4))
    asked = server.become_candidate()
    server.promised(asked[2], accepted(1, 3, "later"))
    server.take()
    server.promised(asked[3], accepted(1, 1, "oldest"), accepted(2, 3, "earlier"))
    assert server.proposed() == {1: value("later"), 2: accepted(2, 4).data}


def test_p2c_any_value_will_do_where_none_was_reported() -> None:
    """Phase 2a: "or is any value if the responses reported no proposals"."""
    server = Solo()
    server.become_leader()
    server.take()
    server.propose("mine", b"data")
    assert list(server.proposed()) == [1]


def test_p2b_every_later_proposal_for_a_chosen_slot_has_the_chosen_value() -> None:
    """P2b: the value was chosen by two others; whichever of them promises, it is proposed again."""
    for one in (2, 3):
        server = Solo(stored=stored(1, promised=2))
        asked = server.become_candidate()
        server.promised(asked[one], accepted(1, 2, "chosen"))
        assert server.proposed(one) == {1: value("chosen")}


def test_gaps_are_filled_with_no_ops() -> None:
    """3: "the leader ... fill[s] the gap ... by proposing, as commands 136 and 137, a special
    no-op command"."""
    server = Solo(stored=stored(promised=1))
    server.become_leader(accepted(1, 1), accepted(4, 1))
    assert server.proposed() == {1: value("1.1"), 2: NOOP, 3: NOOP, 4: value("4.1")}
    server.propose("next")
    server.accepts(2, 5)
    assert server.committed == [b"1.1", b"4.1", b"x"]
    assert server.settled == {"next": 5}


def test_a_new_leader_that_finds_nothing_proposes_nothing() -> None:
    """Differs from Raft: phase 1 says by itself that nothing is left to be learned."""
    server = Solo()
    server.become_leader()
    server.take()
    server.step(ConfirmRead(1))
    (beat,) = [one for one in server.taken(m.Heartbeat) if one.target == 2]
    server.receive(m.HeartbeatAnswer(1, 2, 1, beat.beat, 0, 0))
    assert confirmed(server) == {1: True}
    assert server.log == []


def test_a_read_waits_until_all_that_was_found_is_learned() -> None:
    """What an earlier leader acknowledged is among it."""
    server = Solo(stored=stored(promised=1))
    server.become_leader(accepted(1, 1))
    server.step(ConfirmRead(1))
    for beat in [one for one in server.taken(m.Heartbeat) if one.target == 2]:
        server.receive(m.HeartbeatAnswer(1, 2, 2, beat.beat, 0, 0))
    assert confirmed(server) == {}
    server.accepts(2, 1)
    (beat,) = [one for one in server.taken(m.Heartbeat) if one.target == 2]
    server.receive(m.HeartbeatAnswer(1, 2, 2, beat.beat, 1, 1))
    assert (server.committed, confirmed(server)) == ([b"1.1"], {1: True})


def test_an_answer_to_an_earlier_heartbeat_confirms_no_read() -> None:
    """Only a beat that was sent after the question proves anything about it."""
    server = Solo()
    server.become_leader()
    (early,) = [one for one in server.taken(m.Heartbeat) if one.target == 2]
    server.step(ConfirmRead(1))
    server.receive(m.HeartbeatAnswer(1, 2, 1, early.beat, 0, 0))
    assert confirmed(server) == {}


def test_what_a_promise_says_to_be_chosen_is_learned_at_once() -> None:
    server = Solo(stored=stored(promised=1))
    server.become_leader(accepted(1, 1), accepted(2, 1), chosen=2)
    assert server.committed == [b"1.1", b"2.1"]
    assert server.proposed() == {}


def test_a_value_is_chosen_when_a_majority_has_accepted_it() -> None:
    """2.1: "a large enough set of acceptors have accepted it": any two majorities share one."""
    server = Solo(5)
    asked = server.become_candidate()
    server.promised(asked[2])
    server.promised(asked[3])
    server.propose("a")
    server.accepts(2, 1)
    assert server.committed == []
    server.accepts(5, 1)
    assert server.committed == [b"x"]


def test_its_own_acceptance_counts_when_it_is_on_its_disk() -> None:
    server = Solo(persists=False)
    asked = server.become_candidate()
    server.promised(asked[2])
    server.write()
    server.propose("a")
    server.accepts(2, 1)
    assert server.committed == []
    server.write()
    assert server.committed == [b"x"]


def test_a_late_answer_to_an_earlier_campaign_does_not_count() -> None:
    server = Solo(5)
    old = server.become_candidate()
    new = server.become_candidate()
    assert new[2].round == old[2].round + 1
    server.promised(old[2])
    server.promised(old[3])
    assert server.role == "candidate"


def test_a_promise_of_many_values_comes_in_parts() -> None:
    server = Solo(stored=stored(promised=1))
    asked = server.become_candidate()[2]
    server.receive(m.Promise(1, 2, 2, asked.campaign, 0, 1, 1, 2, (accepted(1, 1),)))
    (again,) = server.taken(m.Prepare)
    assert (server.role, again.start, again.target) == ("candidate", 2, 2)
    server.promised(again, accepted(2, 1))
    assert server.proposed() == {1: value("1.1"), 2: value("2.1")}


def test_an_acceptor_cuts_a_long_promise_into_parts() -> None:
    server = Solo(stored=stored(1, 1, 1), settings=PaxosSettings(batch_bytes=10))
    first = server.prepare(2, 2)
    assert isinstance(first, m.Promise)
    assert (first.end, first.last, len(first.accepted)) == (1, 3, 1)
    second = server.prepare(2, 2, start=2)
    assert isinstance(second, m.Promise)
    assert (second.start, second.end) == (2, 2)


def test_a_round_in_which_somebody_proposes_already_is_given_up() -> None:
    """Two that share no majority may prepare one round; only one of them may propose in it."""
    server = Solo(5)
    asked = server.become_candidate()[2]
    server.promised(asked, accepted(1, asked.round, "another's"))
    assert server.role == "follower"


def test_a_leader_that_hears_of_a_later_round_stops() -> None:
    """2.4, Moderately Complex 2.4 (preempted): its proposals could not be chosen any more."""
    server = Solo()
    server.become_leader()
    server.propose("a")
    server.step(ConfirmRead(1))
    server.receive(m.Preempted(1, 3, 9))
    assert (server.role, server.core.epoch, server.core.leading) == ("follower", 9, False)
    assert (server.settled, confirmed(server)) == ({"a": None}, {1: False})


def test_a_proposer_never_uses_a_round_again_after_a_crash() -> None:
    """2.5: "different proposers choose their numbers from disjoint sets ... each remembers"."""
    server = Solo()
    server.become_candidate()
    again = Solo(stored=server.disk.stored(), seed=2)
    assert again.become_candidate()[2].round == 2


def test_a_restarted_proposer_ignores_the_promises_of_its_former_life() -> None:
    server = Solo(persists=False)
    old = server.become_candidate()
    again = Solo(stored=server.disk.stored(), seed=2)
    assert isinstance(again.prepare(3, 1), m.Promise)
    again.promised(old[2])
    assert again.role == "follower"


# The window


def test_no_more_than_a_window_is_proposed_ahead_of_what_is_learned() -> None:
    """3: "a leader can get alpha commands ahead"."""
    server = Solo(settings=PaxosSettings(window=4))
    server.become_leader()
    server.take()
    for index in range(10):
        server.propose(f"c{index}")
        server.accepts(3, 0)
    assert [index for index, _ in server.log] == [1, 2, 3, 4]
    server.accepts(2, 3)
    assert [index for index, _ in server.log] == [1, 2, 3, 4, 5, 6, 7]
    assert [one for one, at in server.settled.items() if at] == ["c0", "c1", "c2"]


def test_the_found_tail_is_proposed_within_the_window_too() -> None:
    """While a slot behind the window is known to hold something, another may be further ahead in
    the same round: this one does not call itself leader yet."""
    server = Solo(stored=stored(promised=1), settings=PaxosSettings(window=2))
    leads: list[bool] = []
    server.become_leader(*[accepted(index, 1) for index in range(1, 6)])
    assert server.proposed() == {1: value("1.1"), 2: value("2.1")}
    for matched in (1, 2, 3, 4, 5):
        leads.append(server.core.leading)
        server.accepts(2, matched)
    assert leads == [False, False, False, False, True]
    assert server.committed == [f"{index}.1".encode() for index in range(1, 6)]


def test_one_who_leads_but_is_not_sure_yet_is_not_named() -> None:
    """Its followers accept its values, and name nobody."""
    server = Solo()
    order = (1, 3)
    server.receive(m.Heartbeat(1, 2, 1, False, 1, 0, 0, MS, order))
    assert server.core.leader is None
    server.receive(m.Heartbeat(1, 2, 1, True, 2, 0, 0, MS, order))
    assert server.leaders[-1] == ("w2", 1)


# Duels


def test_a_lost_duel_is_tried_again_after_a_random_and_growing_wait() -> None:
    """2.4: two proposers could each "keep issuing a sequence of proposals with increasing
    numbers"; Moderately Complex 4.2: a preempted leader waits."""
    waits = []
    for seed in range(40):
        server = Solo(seed=seed)
        server.beat(2, 1)
        server.step(PeerLost(worker(2), proved_dead=True))
        (request,) = [one for one in server.taken(m.Prepare) if one.target == 3]
        before = server.now
        server.receive(m.Refused(1, 3, 2, request.campaign))
        server.receive(m.Refused(1, 2, 2, request.campaign))
        assert server.role == "follower"
        assert server.core.wake_at is not None
        waits.append(server.core.wake_at - before)
    stagger = 4 * MS
    assert len(set(waits)) == 40
    assert all(stagger <= wait < 2 * stagger for wait in waits)


def test_duelling_proposers_converge() -> None:
    """Fault 34: five that all take the leader for dead at once, without an order of ranks."""
    slowest = 0
    for seed in range(60):
        network = Network(5, seed=seed)
        network.start()
        leader = network.elect()
        network.run(100 * MS)
        for server in network.followers(leader):
            server.paxos._server.detection.order = ()
        killed_at = network.now
        network.kill(leader, notice=MS // 5)
        network.elect()
        slowest = max(slowest, network.now - killed_at)
    assert slowest < 400 * MS


# Handing over, and what is written


def test_the_successor_is_told_only_when_it_holds_all_that_was_proposed() -> None:
    server = Solo()
    server.become_leader()
    server.propose("a")
    server.take()
    server.step(StepDown(worker(2)))
    assert server.taken(m.TakeOver) == []
    server.propose("late")
    assert server.settled == {"late": None}
    server.accepts(2, 1)
    assert [one.target for one in server.taken(m.TakeOver)] == [2]


def test_the_successor_learns_all_that_is_chosen_before_it_is_told() -> None:
    """What it does not know is chosen may say who the acceptors are."""
    server = Solo()
    server.become_leader()
    server.propose("a")
    server.step(StepDown(worker(2)))
    server.take()
    server.accepts(2, 1)
    words = [one for one in server.take() if one.target == 2]
    assert [type(one) for one in words[-2:]] == [m.Chosen, m.TakeOver]
    assert words[-2].chosen == 1


@pytest.mark.parametrize("reconnects", [True, False])
def test_an_acceptor_that_knows_less_after_its_restart_is_told_again(reconnects: bool) -> None:
    """It had learned that an older round's value was chosen, and that is not on its disk."""
    server = Solo(stored=stored(3, 3, 3, chosen=3))
    server.become_leader(chosen=3)
    server.propose("a")
    server.accepts(2, 3)
    if reconnects:
        server.step(PeerLost(worker(2), proved_dead=True))
        server.step(PeerConnected(worker(2), 2))
    server.take()
    server.pass_time(server.settings.heartbeat)
    beat = server.taken(m.Heartbeat)[-1]
    server.receive(m.HeartbeatAnswer(1, 2, beat.round, beat.beat, 1, 1))
    assert sorted(server.proposed()) == [2, 3, 4]
    server.accepts(2, 4)
    assert server.settled == {"a": 4}


def test_a_successor_prepares_at_once_and_those_who_hear_the_leader_promise() -> None:
    server = Solo()
    server.beat(2, 4)
    server.take()
    server.receive(m.TakeOver(1, 2, 4))
    requests = server.taken(m.Prepare)
    assert {(one.target, one.round, one.ended) for one in requests} == {(2, 5, 4), (3, 5, 4)}


def test_how_far_all_is_chosen_is_written_only_with_something_else() -> None:
    """It costs no sync of its own."""
    network = Network(3)
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    written: list[int] = []

    def count(_server: Server) -> int:
        written.append(1)
        return MS // 2

    network.disk_time = count
    network.propose(leader, "a")
    network.run(200 * MS)
    assert len(written) == 3
    assert "chosen" not in leader.disk.facts
    network.propose(leader, "b")
    network.run(200 * MS)
    assert len(written) == 6
    assert "chosen" in leader.disk.facts
    assert leader.disk.facts["chosen"] == b"\x01"


def test_proposals_that_arrive_together_share_messages_and_writes() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    sent: list[str] = []
    network.senders.append(lambda server, effect: sent.append(server.name))
    for index in range(200):
        network.propose(leader, f"c{index}")
    network.run_until(lambda: leader.settled.get(ChangeId("c199")))
    assert len(sent) < 30
