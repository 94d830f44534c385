"""Paxos Made Simple, section 3, last paragraph: the state machine says who its acceptors are."""

import pytest

from interrex.core.errors import InvariantViolation
from interrex.core.ids import ChangeId
from interrex.core.storage import Entry
from interrex.core.time import MS
from interrex.elections.interface import Committed, ReplaceMember, SnapshotTaken
from interrex.elections.paxos import PaxosSettings
from interrex.elections.paxos import messages as m
from interrex.elections.paxos.changes import next_configuration
from interrex.elections.paxos.membership import Membership
from interrex.elections.replicated.changes import Outcome
from interrex.elections.replicated.payload import NOOP, Configuration, configuration_data

from .solo import Solo, stored, voters, worker

WINDOW = 4
NARROW = PaxosSettings(window=WINDOW)


def configuration(*members: int, learners: tuple[int, ...] = ()) -> Configuration:
    return Configuration(
        {member: worker(member) for member in members},
        {member: worker(member) for member in learners},
    )


def members(server: Solo) -> list[int]:
    return [one.member for one in server.core.members]


def test_a_configuration_governs_from_a_window_after_its_slot() -> None:
    """3: command i + alpha is executed by the servers "after execution of the ith command"."""
    membership = Membership([(0, configuration(1, 2, 3))], WINDOW)
    membership.learned(10, [(10, configuration(1, 2, 4))])
    assert membership.governing(13).keys() == {1, 2, 3}
    assert membership.governing(14).keys() == {1, 2, 4}
    assert [group.keys() for group in membership.groups] == [{1, 2, 3}, {1, 2, 4}]
    assert (membership.settles_at, membership.last_governed_like(11)) == (13, 13)
    membership.learned(13)
    assert [group.keys() for group in membership.groups] == [{1, 2, 4}]
    assert membership.settles_at == 0


def test_a_majority_of_each_configuration_is_asked_for_while_two_govern() -> None:
    membership = Membership([(0, configuration(1, 2, 3))], WINDOW)
    membership.learned(10, [(10, configuration(4, 5, 6))])
    assert not membership.has_quorum({1, 2})
    assert not membership.has_quorum({4, 5, 6})
    assert membership.has_quorum({1, 2, 5, 6})
    assert membership.can_reach_quorum({1, 4})
    assert not membership.can_reach_quorum({4, 5})


def test_learners_come_and_go_without_a_window() -> None:
    membership = Membership([(0, configuration(1, 2, 3))], WINDOW)
    membership.learned(10, [(10, configuration(1, 2, 3, learners=(4,)))])
    assert membership.settles_at == 0
    assert sorted(membership.all) == [1, 2, 3, 4]
    assert sorted(membership.electorate) == [1, 2, 3]


def test_a_snapshot_names_the_configuration_that_governs_and_those_to_come() -> None:
    membership = Membership([(0, configuration(1, 2, 3))], WINDOW)
    membership.learned(10, [(10, configuration(1, 2, 4))])
    assert [at for at, _ in membership.at(11)] == [0, 10]
    assert [at for at, _ in membership.at(9)] == [0]
    membership.learned(13)
    assert [at for at, _ in membership.at(13)] == [10]
    membership.compact(13)
    again = Membership(membership.at(13), WINDOW)
    assert again.governing(14).keys() == {1, 2, 4}


def test_a_configuration_counts_when_it_is_learned_not_when_it_is_accepted() -> None:
    """Differs from Raft: an accepted value may still give way to another."""
    server = Solo(settings=NARROW)
    value = configuration_data(configuration(1, 2, 3, 4))
    server.receive(m.Accept(1, 2, 1, 1, 0, (1, 3), (value,)))
    assert members(server) == [1, 2, 3]
    server.beat(2, 1, chosen=1)
    assert members(server) == [1, 2, 3, 4]
    again = Solo(stored=server.disk.stored(), settings=NARROW)
    again.beat(2, 1, chosen=1)
    assert members(again) == [1, 2, 3, 4]


def test_the_leader_fills_the_window_with_no_ops_until_the_new_ones_govern() -> None:
    """3: the leader may propose enough no-ops for the new configuration to come into force."""
    server = Solo(3, stored=stored(promised=1), settings=NARROW)
    server.become_leader()
    server.take()
    server.step(ReplaceMember(ChangeId("r"), worker(3), None))
    assert len(server.proposed()) == 1
    server.accepts(2, 1)
    assert server.proposed() == {2: NOOP, 3: NOOP, 4: NOOP}
    assert server.settled == {}
    server.accepts(2, 4)
    assert server.settled == {"r": 1}
    assert members(server) == [1, 2]


def test_the_slots_before_it_are_chosen_by_the_old_acceptors_and_the_others_by_the_new() -> None:
    server = Solo(4, settings=NARROW)
    asked = server.become_candidate()
    server.promised(asked[2])
    server.promised(asked[3])
    server.step(ReplaceMember(ChangeId("r"), worker(4), None))
    server.accepts(2, 1)
    server.accepts(3, 1)
    server.accepts(2, 4)
    assert server.settled == {}, "two of four are no majority of slots 2 to 4"
    server.accepts(4, 4)
    assert server.settled == {"r": 1}
    server.propose("a")
    server.accepts(3, 5)
    assert server.settled == {"r": 1, "a": 5}, "two of three are one of slot 5"


def swapped_in() -> tuple[Solo, m.Prepare]:
    """Leads alone, and has agreed that member 2 votes too from slot 6 on; what it asks of it."""
    server = Solo(1, settings=NARROW)
    server.step(ReplaceMember(ChangeId("r"), worker(2), 2))
    server.receive(m.HeartbeatAnswer(1, 2, 1, 1, 1, 1))
    server.receive(m.HeartbeatAnswer(1, 2, 1, 2, 1, 1))
    return server, server.taken(m.Prepare)[0]


def test_new_acceptors_promise_before_anything_is_proposed_to_them() -> None:
    """Phase 1 is asked of a majority of the acceptors of the slot that is proposed in."""
    server, asked = swapped_in()
    assert (asked.target, asked.round) == (2, 1)
    server.accepts(2, 5)
    server.propose("a")
    assert max(index for index, _ in server.log) == 5
    server.take()
    server.promised(asked)
    assert list(server.proposed()) == [6]


def test_what_new_acceptors_have_accepted_is_proposed_before_anything_new() -> None:
    """P2c holds for the slots of a new configuration as for any others."""
    server, asked = swapped_in()
    server.accepts(2, 5)
    server.propose("new")
    server.promised(asked)
    assert list(server.proposed()) == [6]
    server = Solo(1, stored=stored(promised=4), settings=NARROW)
    server.step(ReplaceMember(ChangeId("r"), worker(2), 2))
    server.receive(m.HeartbeatAnswer(1, 2, 5, 1, 1, 1))
    server.receive(m.HeartbeatAnswer(1, 2, 5, 2, 1, 1))
    asked = server.taken(m.Prepare)[0]
    server.accepts(2, 5)
    server.propose("new")
    server.promised(asked, Entry(7, 3, NOOP), Entry(8, 3, NOOP))
    server.accepts(2, 9)
    assert [one.index for one in server.said(Committed)] == [9]


def test_a_new_acceptor_that_gave_the_round_to_another_makes_the_leader_begin_anew() -> None:
    """Its promise of this round can never be had."""
    server, asked = swapped_in()
    server.receive(m.Refused(1, 2, 1, asked.campaign))
    assert (server.role, server.core.epoch) == ("candidate", 2)
    assert [(one.round, one.ended) for one in server.taken(m.Prepare)] == [(2, 1)]


def test_a_removed_proposer_gets_no_promise_of_those_who_know() -> None:
    """Fault 11: whoever lacks the slots in which it was removed."""
    server = Solo(settings=PaxosSettings(window=1))
    value = configuration_data(configuration(1, 2))
    server.receive(m.Accept(1, 2, 1, 1, 1, (1,), (value, NOOP)))
    server.beat(2, 1, chosen=2)
    server.pass_time(1_000 * MS)
    assert isinstance(server.prepare(3, 9, start=1), m.Refused)
    assert isinstance(server.prepare(2, 10, start=1), m.Promise)


def test_a_candidate_that_learns_that_it_was_removed_leaves_the_round() -> None:
    server = Solo(stored=stored(promised=1), settings=PaxosSettings(window=1))
    value = configuration_data(configuration(2, 3))
    asked = server.become_candidate()
    server.promised(asked[2], Entry(1, 1, value), Entry(2, 1, NOOP), chosen=2)
    assert (server.role, members(server)) == ("follower", [2, 3])
    assert server.core.wake_at is None


def test_a_leader_that_learns_of_other_acceptors_is_not_sure_before_they_promise() -> None:
    """Somebody whom they promised the same round may lead in it."""
    server = Solo(stored=stored(promised=1), settings=NARROW)
    value = configuration_data(configuration(1, 4, 5))
    asked = server.become_candidate()
    server.promised(asked[2], Entry(1, 1, value), chosen=1)
    assert (server.role, server.core.leader) == ("leader", None)
    (again,) = [one for one in server.taken(m.Prepare) if one.target == 4]
    server.accepts(2, 4)
    assert server.core.leader is None
    server.promised(again)
    assert server.core.leader == "w1"


def test_a_change_goes_in_two_steps_learn_then_swap() -> None:
    """The whole way of a replacement."""
    now = configuration(1, 2, 3)
    steps = []
    while True:
        step = next_configuration(now, worker(3), 30, caught_up=True)
        if isinstance(step, Outcome):
            break
        steps.append((sorted(step.voters), sorted(step.learners)))
        now = step
    assert step is Outcome.DONE
    assert steps == [([1, 2, 3], [30]), ([1, 2, 30], [])]


def test_a_change_waits_until_all_that_was_chosen_before_is_learned() -> None:
    """A configuration that an earlier leader got chosen comes first."""
    server = Solo(3, stored=stored(promised=1), settings=NARROW)
    old = Entry(1, 1, configuration_data(configuration(1, 2, 3, 5)))
    server.become_leader(old)
    server.take()
    server.step(ReplaceMember(ChangeId("r"), worker(3), None))
    assert server.proposed() == {}
    server.accepts(2, 1)
    server.take()
    assert members(server) == [1, 2, 3, 5]
    server.receive(m.Promise(1, 5, 2, server.core._server.role._campaign, 0, 2, 1, 1, ()))  # type: ignore[union-attr]
    server.accepts(2, 4)
    server.accepts(5, 4)
    assert members(server) == [1, 2, 3, 5]
    assert len(server.proposed()) >= 1


def test_a_snapshot_between_a_configuration_and_its_window_brings_it_along() -> None:
    server = Solo(settings=PaxosSettings(window=4, trailing_entries=0))
    value = configuration_data(configuration(1, 2, 4))
    server.receive(m.Accept(1, 2, 1, 1, 1, (1, 3), (value,)))
    server.step(SnapshotTaken(1, b"state"))
    assert server.disk.entries == []
    again = Solo(stored=server.disk.stored(), settings=NARROW)
    groups = again.core._server.node.membership.groups
    assert [sorted(group) for group in groups] == [[1, 2, 3], [1, 2, 4]]
    pupil = Solo(settings=NARROW)
    assert server.disk.snapshot is not None
    data = server.disk.snapshot.data
    pupil.receive(m.InstallSnapshot(1, 2, 1, True, 1, 1, 0, len(data), data))
    assert pupil.core._server.node.membership.groups == groups


def test_the_disk_of_another_member_is_refused() -> None:
    server = Solo()
    server.prepare(2, 1)
    with pytest.raises(InvariantViolation, match="the disk is member 1's"):
        Solo(member=9, stored=server.disk.stored(), genesis=voters(3))
