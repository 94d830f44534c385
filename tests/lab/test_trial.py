"""Every election under every fault, in a simulated world."""

import pytest

from interrex.core.time import MS, S
from interrex.elections.catalogue import ALGORITHMS, Algorithm
from interrex.elections.teaching.bounds import (
    floodmax_messages,
    hirschberg_sinclair_most,
    ring_diameter,
)
from interrex.lab.faults import FAULTS, LASTS
from interrex.lab.process import SERVICE
from interrex.lab.trial import Trial, run
from interrex.lab.world import World, names

BY_NAME = {algorithm.name: algorithm for algorithm in ALGORITHMS}
OF_FLEETS = [algorithm for algorithm in ALGORITHMS if not algorithm.lesson]
LESSONS = [algorithm for algorithm in ALGORITHMS if algorithm.lesson]
OF_MAJORITIES = [BY_NAME[name] for name in ("raft", "paxos", "bully-quorum", "zookeeper", "etcd")]


def by_name(algorithm: Algorithm) -> str:
    return algorithm.name


def trial(name: str, fault: str, nodes: int = 5, seed: int = 1) -> Trial:
    return run(BY_NAME[name], FAULTS[fault], nodes, seed)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("algorithm", OF_FLEETS, ids=by_name)
def test_every_election_of_fleets_comes_to_an_agreement_under_every_fault(
    algorithm: Algorithm, fault: str
) -> None:
    found = run(algorithm, FAULTS[fault], 5, 3)
    assert found.agreed is not None
    assert " leads all " in found.outcome
    assert found.messages > 0


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=by_name)
def test_one_seed_gives_one_and_the_same_trial(algorithm: Algorithm) -> None:
    first, again = (run(algorithm, FAULTS["halves"], 4, 7) for _ in range(2))
    assert first.mails == again.mails
    assert first.turns == again.turns
    other = run(algorithm, FAULTS["none"], 4, 8)
    assert other.mails != run(algorithm, FAULTS["none"], 4, 7).mails


def test_from_one_seed_every_election_gets_the_same_ring_and_the_same_distances() -> None:
    worlds = [World(algorithm, 6, 5) for algorithm in ALGORITHMS]
    assert len({world.circle for world in worlds}) == 1
    one, other = names(6)[:2]
    assert len({world.network.lane(one, other).typical for world in worlds}) == 1


@pytest.mark.parametrize("nodes", [3, 6, 11])
def test_the_first_election_of_a_ring_takes_what_its_paper_says(nodes: int) -> None:
    ring = World(BY_NAME["chang-roberts"], nodes, 1)
    numbers = [ring.members[name] for name in ring.circle]
    steps = [
        next((d for d in range(1, nodes) if numbers[(at + d) % nodes] > numbers[at]), nodes)
        for at in range(nodes)
    ]
    assert trial("chang-roberts", "none", nodes).search == sum(steps)
    assert trial("hirschberg-sinclair", "none", nodes).search <= hirschberg_sinclair_most(nodes)
    flooded = trial("floodmax", "none", nodes)
    assert flooded.messages == floodmax_messages(ring_diameter(nodes), 2 * nodes)
    assert flooded.rounds == ring_diameter(nodes)


def test_in_a_chain_of_messages_each_waits_for_the_one_before() -> None:
    """The highest number goes round, then its victory does; the last to hear is before it."""
    for nodes in (3, 5, 9):
        assert trial("chang-roberts", "none", nodes).rounds == 2 * nodes - 1


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=by_name)
def test_a_dead_leader_is_led_by_nobody_until_another_is_named(algorithm: Algorithm) -> None:
    found = run(algorithm, FAULTS["leader-killed"], 5, 2)
    (dead,) = found.leading
    assert [one.text for one in found.incidents] == ["killed"]
    assert found.without > 0
    assert not any(mail.sender == dead for mail in found.mails)
    if algorithm.lesson:
        assert found.agreed is None
        assert found.without == found.looked_on
    else:
        assert found.agreed is not None
        assert found.without <= found.agreed < 100 * MS


def test_a_ring_with_a_dead_process_never_finishes_and_says_why() -> None:
    for name in ("chang-roberts", "hirschberg-sinclair"):
        for fault in ("leader-killed", "missing"):
            found = trial(name, fault)
            assert found.agreed is None
            assert found.outcome == (
                "nobody leads: a ring waits for ever for what does not come round"
            )
    dead = trial("floodmax", "leader-killed")
    assert dead.messages == 0
    assert dead.outcome == "nobody leads, and nobody noticed: w5 is named"


@pytest.mark.parametrize("algorithm", LESSONS, ids=by_name)
def test_a_lesson_does_not_notice_that_its_leader_is_stopped(algorithm: Algorithm) -> None:
    found = run(algorithm, FAULTS["leader-stopped"], 5, 1)
    assert found.agreed == LASTS
    assert found.without == LASTS
    assert found.outcome == "w5 leads all 5, and nobody noticed anything"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", ["leader-cut-off", "leader-mute", "halves", "leader-stopped"])
@pytest.mark.parametrize("algorithm", OF_MAJORITIES, ids=by_name)
def test_where_a_majority_elects_two_never_lead_at_once(
    algorithm: Algorithm, fault: str, seed: int
) -> None:
    found = run(algorithm, FAULTS[fault], 5, seed)
    assert found.agreed is not None
    assert found.agreed < LASTS + 1 * S
    assert found.windows == 0


def test_without_a_quorum_both_halves_have_a_leader_until_they_meet() -> None:
    found = trial("bully", "halves")
    assert found.windows == 1
    assert 2 * S < found.double < LASTS + 1 * S


@pytest.mark.parametrize("name", ["zookeeper", "etcd"])
def test_what_is_asked_of_a_coordination_service_counts_as_messages(name: str) -> None:
    found = trial(name, "leader-killed")
    asked = [mail for mail in found.mails if mail.to == SERVICE]
    said = [mail for mail in found.mails if mail.sender == SERVICE]
    assert asked
    assert said
    answered = [mail for mail in asked if mail.arrived is not None]
    assert all(any(answer.sent == one.arrived for answer in said) for one in answered)
    assert found.rounds >= 4  # two questions with their answers, one after the other


@pytest.mark.parametrize("name", ["zookeeper", "etcd"])
def test_a_leader_that_is_cut_off_from_its_coordination_service_is_replaced(name: str) -> None:
    found = trial(name, "leader-cut-off")
    (before,) = found.leading
    assert found.agreed is not None
    assert 1 * S < found.agreed < LASTS + 1 * S
    assert not found.outcome.startswith(before)


def test_messages_that_are_lost_never_arrive() -> None:
    found = trial("floodmax", "loss", nodes=21)
    lost = sum(mail.arrived is None for mail in found.mails)
    assert 0.05 < lost / len(found.mails) < 0.15


def test_looking_on_briefly_ends_with_the_agreement() -> None:
    algorithm, fault = BY_NAME["raft"], FAULTS["leader-killed"]
    whole, brief = run(algorithm, fault, 3, 1), run(algorithm, fault, 3, 1, briefly=True)
    assert (brief.agreed, brief.messages) == (whole.agreed, whole.messages)
    assert brief.looked_on < whole.looked_on
