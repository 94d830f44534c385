"""The sentences of Chang and Roberts 1979, and what their ring does not survive.

The paper's claims of message passes are about the search for the highest number; the announcement
is n more, and is counted apart.
"""

from itertools import permutations
from random import Random

import msgspec
import pytest

from interrex.elections.interface import (
    MalformedPayload,
    PayloadReceived,
    PeerConnected,
    SendPayload,
    WakeUp,
)
from interrex.elections.teaching.bounds import (
    chang_roberts_best,
    chang_roberts_mean,
    chang_roberts_worst,
)
from interrex.elections.teaching.chang_roberts import Candidate, ChangRoberts, Elected
from tests.elections.teaching.circle import name_of, one_way_ring, shuffled

SIZES = [2, 3, 4, 5, 8, 16, 33, 64, 101]


def begun(number: int, following: int) -> ChangRoberts:
    """A process that has sent its own number."""
    core = ChangRoberts(name_of(number), number, name_of(following))
    core.step(PeerConnected(name_of(following), 1), 0)
    core.step(WakeUp(), 0)
    return core


def bytes_of(election: int, number: int) -> bytes:
    return msgspec.msgpack.encode(Candidate(election, number))


def heard(message: Candidate) -> PayloadReceived:
    return PayloadReceived(name_of(1), msgspec.msgpack.encode(message))


@pytest.mark.parametrize("n", SIZES)
def test_the_largest_of_uniquely_numbered_processes_is_found(n: int) -> None:
    """Abstract: "finding the largest (or smallest) of a set of uniquely numbered processes arranged
    in a circle"; here in any order, with messages of any speed."""
    for seed in range(5):
        random = Random(seed)
        ring = one_way_ring(shuffled(n, random), random)
        ring.begin()
        ring.run()
        assert ring.leaders() == {name_of(n)}
        assert [name for name, core in ring.cores.items() if core.leading] == [name_of(n)]


def test_the_number_of_processes_is_not_known_to_any_of_them() -> None:
    """Abstract: "the number of processes is not known a priori": one that joins is found too."""
    ring = one_way_ring([1, 2, 3])
    ring.begin()
    core = ChangRoberts(name_of(4), 4, name_of(1))
    ring.cores[name_of(3)] = ChangRoberts(name_of(3), 3, name_of(4))
    ring.add(name_of(4), core, [name_of(1), name_of(3)])
    for name, peer in ((3, 4), (4, 1)):
        ring.step(name_of(name), PeerConnected(name_of(peer), 1))
        ring.step(name_of(name), WakeUp())
    ring.run()
    assert ring.leaders() == {name_of(4)}


def test_a_message_of_a_lower_number_is_extinguished() -> None:
    """Abstract: "a technique of selective message extinction"."""
    core = begun(5, following=6)
    assert core.step(heard(Candidate(1, 4)), 0) == []
    assert core.step(heard(Candidate(1, 6)), 0) == [SendPayload(name_of(6), bytes_of(1, 6))]


@pytest.mark.parametrize("n", SIZES)
def test_the_best_order_takes_2n_minus_1_messages_exactly(n: int) -> None:
    """Numbers that rise in the direction of sending: each but the highest goes one step."""
    ring = one_way_ring(list(range(1, n + 1)))
    ring.begin()
    ring.run()
    assert ring.count() == {"Candidate": chang_roberts_best(n), "Elected": n}


@pytest.mark.parametrize("n", SIZES)
def test_the_worst_order_takes_half_of_n_times_n_plus_1_messages_exactly(n: int) -> None:
    """Numbers that fall in the direction of sending: the k-th lowest goes k steps."""
    ring = one_way_ring(list(range(n, 0, -1)))
    ring.begin()
    ring.run()
    assert ring.count() == {"Candidate": chang_roberts_worst(n), "Elected": n}


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_the_mean_over_all_orders_is_n_times_the_harmonic_number_exactly(n: int) -> None:
    """Abstract: "an average number of message passes of order (n log n)"."""
    orders = [[n, *order] for order in permutations(range(1, n))]
    total = 0
    for order in orders:
        ring = one_way_ring(order)
        ring.begin()
        ring.run()
        total += ring.count()["Candidate"]
    assert total / len(orders) == pytest.approx(chang_roberts_mean(n))


@pytest.mark.parametrize("n", [8, 33])
def test_how_many_messages_there_are_depends_on_the_order_alone_and_not_on_their_speed(
    n: int,
) -> None:
    numbers = shuffled(n, Random(n))
    expected = sum(
        next(
            (step for step in range(1, n) if numbers[(at + step) % n] > numbers[at]),
            n,
        )
        for at in range(n)
    )
    for seed in range(5):
        ring = one_way_ring(numbers, Random(seed))
        ring.begin()
        ring.run()
        assert ring.count()["Candidate"] == expected


def test_one_process_that_begins_is_enough() -> None:
    """The others take part when a number reaches them: one that is below theirs is replaced."""
    ring = one_way_ring([3, 5, 1, 4, 2])
    for number in (3, 5, 4, 2):
        at = [3, 5, 1, 4, 2].index(number)
        following = name_of([3, 5, 1, 4, 2][(at + 1) % 5])
        core = ChangRoberts(name_of(number), number, following, begins=False)
        ring.cores[name_of(number)] = core
    ring.begin()
    assert [message for _, _, message in ring.said] == [Candidate(1, 1)]
    ring.run()
    assert ring.leaders() == {name_of(5)}


def test_a_neighbour_that_is_lost_begins_an_election_that_nobody_wins() -> None:
    """Not promised: the numbers stop before the hole, and so does whoever waits for them."""
    ring = one_way_ring([1, 4, 2, 5, 3])
    ring.begin()
    ring.run()
    ring.kill(name_of(5))
    ring.run()
    assert ring.leaders() == {None}
    assert {core.epoch for core in ring.cores.values()} == {2}


def test_a_late_message_of_an_election_before_counts_no_more() -> None:
    core = begun(2, following=3)
    core.step(heard(Candidate(5, 1)), 0)
    assert core.epoch == 5
    assert core.step(heard(Candidate(1, 2)), 0) == []
    assert core.leader is None


def test_what_is_no_message_is_refused() -> None:
    core = ChangRoberts(name_of(2), 2, name_of(3))
    for payload in (b"", b"\xc0", b"\x93\x01\x01\x00", b"\x93\x02\x01\xa1\xff"):
        with pytest.raises(MalformedPayload):
            core.step(PayloadReceived(name_of(1), payload), 0)


def test_the_winner_sends_its_victory_round_and_takes_it_from_the_ring() -> None:
    ring = one_way_ring([1, 3, 2])
    ring.begin()
    ring.run()
    announced = [(sender, to) for sender, to, message in ring.said if isinstance(message, Elected)]
    assert announced == [
        (name_of(3), name_of(2)),
        (name_of(2), name_of(1)),
        (name_of(1), name_of(3)),
    ]
