"""Paxos Made Simple, sections 2.2 and 2.3: what an acceptor does, sentence by sentence."""

import pytest

from interrex.core.storage import Snapshot, Stored
from interrex.core.time import MS
from interrex.elections.interface import MalformedPayload, PayloadReceived
from interrex.elections.paxos import messages as m
from interrex.elections.paxos.snapshots import snapshot_data
from interrex.elections.replicated.payload import Configuration

from .solo import Solo, accepted, stored, voters, worker


def test_p1_an_acceptor_accepts_the_first_proposal_that_it_receives() -> None:
    """P1."""
    server = Solo()
    server.accept(2, 1, 1, "a")
    assert server.log == [(1, 1)]
    assert [one.matched for one in server.taken(m.Accepted)] == [1]


def test_p1a_a_proposal_is_accepted_iff_no_later_prepare_was_answered() -> None:
    """P1a: "iff it has not responded to a prepare request having a number greater than n"."""
    server = Solo()
    assert isinstance(server.prepare(3, 5), m.Promise)
    server.accept(2, 4, 1, "old")
    assert server.log == []
    assert [one.round for one in server.taken(m.Preempted)] == [5]
    server.accept(3, 5, 1, "new")
    assert server.log == [(1, 5)]


def test_phase_1b_a_greater_number_gets_a_promise_and_the_highest_numbered_proposal() -> None:
    """Phase 1b: "... and with the highest-numbered proposal (if any) that it has accepted"."""
    server = Solo(stored=stored(1, 3, 2))
    answer = server.prepare(2, 4)
    assert isinstance(answer, m.Promise)
    assert [(one.index, one.epoch) for one in answer.accepted] == [(1, 1), (2, 3), (3, 2)]
    assert (answer.start, answer.end, answer.last) == (1, 3, 3)


def test_phase_1b_a_number_that_is_not_greater_gets_none() -> None:
    """Phase 1b: "with number n greater than that of any prepare request to which it has already
    responded"; section 2.2 suggests to say so to the proposer."""
    server = Solo()
    server.prepare(3, 5)
    refusal = server.prepare(2, 4)
    assert isinstance(refusal, m.Refused)
    assert refusal.round == 5
    assert isinstance(server.prepare(2, 5), m.Refused), "a round is promised to one proposer"
    assert isinstance(server.prepare(3, 5), m.Promise), "a lost answer is given again"


def test_phase_1b_a_proposer_is_told_only_what_it_lacks() -> None:
    """Differs from the paper: its own value of the same round or a later one counts anyway."""
    server = Solo(stored=stored(1, 3, 2, 2))
    server.take()
    server.receive(m.Prepare(1, 2, 4, 7, 1, ((1, 1), (2, 2), (4, 3), (5, 0)), 0))
    (answer,) = server.taken(m.Promise)
    assert [(one.index, one.epoch) for one in answer.accepted] == [(2, 3)]


def test_an_acceptor_remembers_its_promise_across_a_crash() -> None:
    """2.2: "it must remember this information even if it fails and then restarts"."""
    server = Solo()
    server.prepare(3, 5)
    server.accept(3, 5, 1, "a")
    again = Solo(stored=server.disk.stored())
    assert again.core.epoch == 5
    assert isinstance(again.prepare(2, 5), m.Refused)
    answer = again.prepare(2, 6)
    assert isinstance(answer, m.Promise)
    assert answer.accepted == (accepted(1, 5, "a"),)


def test_a_promise_leaves_when_it_is_on_disk() -> None:
    """2.5: "records its intended response in stable storage before actually sending it"."""
    server = Solo(persists=False)
    server.receive(m.Prepare(1, 2, 3, 7, 1, (), 0))
    assert server.taken(m.Promise) == []
    server.write()
    assert [one.target for one in server.taken(m.Promise)] == [2]
    assert server.promise == (3, 2)


def test_an_acceptance_leaves_when_it_is_on_disk_with_all_before_it() -> None:
    server = Solo(persists=False)
    server.accept(2, 1, 1, "a", "b")
    assert server.taken(m.Accepted) == []
    server.beat(2, 1)
    (answer,) = server.taken(m.HeartbeatAnswer)
    assert (answer.received, answer.matched) == (2, 0)
    server.write()
    assert [one.matched for one in server.taken(m.Accepted)] == [2]


def test_slots_are_independent_what_comes_out_of_order_is_accepted() -> None:
    """3: each slot is a separate instance; a gap is no reason to refuse, only not to answer yet."""
    server = Solo()
    server.accept(2, 1, 3, "c")
    assert server.log == [(1, 0), (2, 0), (3, 1)]
    assert [one.matched for one in server.taken(m.Accepted)] == [0]
    server.accept(2, 1, 1, "a", "b")
    assert server.log == [(1, 1), (2, 1), (3, 1)]
    assert [one.matched for one in server.taken(m.Accepted)] == [3]


def test_a_slot_accepted_again_leaves_those_behind_it_as_they_are() -> None:
    """3: a later round in one slot says nothing about another."""
    server = Solo(stored=stored(1, 1, 1))
    server.accept(2, 2, 1, "new")
    assert server.log == [(1, 2), (2, 1), (3, 1)]
    assert server.disk.entries[1:] == [accepted(2, 1), accepted(3, 1)]


def test_what_is_far_ahead_is_left_until_the_leader_goes_back() -> None:
    """No acceptor holds more holes than a window."""
    server = Solo()
    server.accept(2, 1, server.settings.window + 2, "far")
    assert server.log == []


def test_a_value_that_is_held_in_this_round_is_not_written_again() -> None:
    server = Solo()
    server.accept(2, 1, 1, "a", "b")
    before = len(server.disk.entries)
    server.effects.clear()
    server.accept(2, 1, 1, "a", "b")
    assert len(server.disk.entries) == before
    assert server.writing == []
    assert [one.matched for one in server.taken(m.Accepted)] == [2]


def test_a_learner_learns_what_the_distinguished_learner_says_is_chosen() -> None:
    """2.3: "acceptors respond ... to a distinguished learner, which in turn informs the others"."""
    server = Solo()
    server.accept(2, 1, 1, "a", "b")
    assert server.committed == []
    server.beat(2, 1, chosen=1)
    assert server.committed == [b"a"]
    server.receive(m.Chosen(1, 2, 1, 2))
    assert server.committed == [b"a", b"b"]


def test_a_value_of_an_earlier_round_is_not_taken_for_the_chosen_one() -> None:
    """What is chosen may be another value than the one that was accepted here before."""
    server = Solo(stored=stored(1, 1))
    server.beat(2, 2, chosen=2)
    assert server.committed == []
    server.accept(2, 2, 1, "x", "y", chosen=2)
    assert server.committed == [b"x", b"y"]


def test_what_was_learned_is_handed_out_again_after_a_restart_without_asking() -> None:
    server = Solo()
    server.accept(2, 1, 1, "a", "b", chosen=2)
    server.accept(2, 1, 3, "c")
    again = Solo(stored=server.disk.stored())
    assert again.committed == [b"a", b"b"]


def test_no_promise_is_given_while_a_leader_is_heard() -> None:
    """Paxos Made Live, 5.2, and fault 10: nobody disturbs a leader that does its work."""
    server = Solo()
    server.beat(2, 1)
    server.take()
    server.receive(m.Prepare(1, 3, 9, 7, 1, (), 0))
    assert (server.take(), server.core.epoch) == ([], 1)
    server.receive(m.Prepare(1, 3, 2, 7, 1, (), 1))
    assert [one.target for one in server.taken(m.Promise)] == [3], "it knows that round 1 is over"


def test_a_question_that_comes_too_early_is_answered_when_the_leader_is_lost() -> None:
    server = Solo()
    server.beat(2, 1)
    server.take()
    server.receive(m.Ask(1, 3, 2, 7, 1, 0))
    assert server.take() == []
    server.pass_time(1_000 * MS)
    answers = [one for one in server.taken(m.AskAnswer) if one.granted]
    assert [(one.target, one.round) for one in answers] == [(3, 2)]


def test_asking_raises_no_round() -> None:
    server = Solo()
    server.receive(m.Ask(1, 3, 9, 7, 1, 0))
    assert [one.granted for one in server.taken(m.AskAnswer)] == [True]
    assert (server.core.epoch, server.disk.facts) == (0, {})


def test_a_proposer_that_lacks_what_is_no_longer_here_is_refused_and_taught() -> None:
    """Paxos Made Live, 5.5: a replica that is too far behind gets a snapshot."""
    data = snapshot_data(((0, Configuration(voters(3))),), b"state")
    facts = stored(promised=4).facts
    server = Solo(stored=Stored(facts, Snapshot(9, 3, data)))
    assert isinstance(server.prepare(2, 5, start=4), m.Refused)
    server.receive(m.Prepare(1, 3, 6, 7, 4, (), 0))
    (lesson,) = server.taken(m.InstallSnapshot)
    assert (lesson.target, lesson.leads, lesson.index, lesson.data) == (3, False, 9, data)
    pupil = Solo()
    pupil.receive(m.InstallSnapshot(1, 2, 6, False, 9, 3, 0, len(data), data))
    assert pupil.core._server.node.chosen == 9
    assert isinstance(server.prepare(2, 7, start=10), m.Promise)


def lesson(teacher: int, index: int, offset: int, size: int = 300) -> m.InstallSnapshot:
    """A chunk of 100 bytes of what somebody teaches who does not lead."""
    return m.InstallSnapshot(1, teacher, 6, False, index, 3, offset, size, b"x" * 100)


def test_one_teacher_is_heeded_at_a_time_and_repetitions_are_not_answered() -> None:
    """On a network that doubles messages every answered repetition would be doubled in turn."""
    pupil = Solo()
    wanted = []
    for one in (
        lesson(2, 9, 0), lesson(2, 9, 100), lesson(2, 9, 100), lesson(3, 8, 0),
        lesson(3, 8, 100), lesson(2, 9, 0),
    ):  # fmt: skip
        pupil.receive(one)
        wanted.append([(ask.target, ask.offset) for ask in pupil.taken(m.SnapshotWanted)])
    assert wanted == [[(2, 100)], [(2, 200)], [], [], [], [(2, 200)]]


def test_a_teacher_that_falls_silent_is_left_for_another() -> None:
    pupil = Solo()
    pupil.receive(lesson(2, 9, 0))
    pupil.now += 1_000 * MS
    pupil.take()
    pupil.receive(lesson(3, 8, 0))
    assert [(ask.target, ask.offset) for ask in pupil.taken(m.SnapshotWanted)] == [(3, 100)]


@pytest.mark.parametrize(
    "message",
    [
        m.Promise(1, 2, 3, 7, 0, 1, 2, 2, (accepted(2, 1), accepted(1, 1))),
        m.Promise(1, 2, 3, 7, 0, 1, 2, 2, (accepted(1, 4),)),
        m.Promise(1, 2, 3, 7, 5, 1, 2, 2, ()),
        m.Prepare(1, 2, 3, 7, 1, ((2, 1), (2, 2)), 0),
        m.Accept(1, 2, 3, 1, 0, (), (b"\x02\xc1",)),
        m.InstallSnapshot(1, 2, 3, True, 9, 4, 0, 3, b"abc"),
        m.InstallSnapshot(1, 2, 3, True, 9, 3, 0, 3, b"\xff\xff\xff"),
        m.InstallSnapshot(1, 2, 3, True, 9, 3, 0, 2, b"abc"),
        m.InstallSnapshot(1, 2, 3, True, 9, 3, 0, 2**60, b"abc"),
    ],
)
def test_a_message_that_contradicts_itself_is_malformed(message: m.Message) -> None:
    server = Solo()
    with pytest.raises(MalformedPayload):
        server.receive(message)


def test_bytes_that_are_no_message_are_malformed() -> None:
    server = Solo()
    with pytest.raises(MalformedPayload):
        server.step(PayloadReceived(worker(2), b"\x01garbage"))
