"""The sentences of Hirschberg and Sinclair 1980, and what their ring does not survive.

The paper's bound is about the search for the highest number; the announcement is n more, and is
counted apart.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from interrex.elections.interface import MalformedPayload, PayloadReceived
from interrex.elections.teaching.bounds import (
    hirschberg_sinclair_least,
    hirschberg_sinclair_most,
)
from interrex.elections.teaching.hirschberg_sinclair import (
    HirschbergSinclair,
    Question,
    Reply,
)
from tests.elections.teaching.circle import Processes, Said, name_of, shuffled, two_way_ring

SIZES = [3, 4, 5, 7, 8, 9, 16, 33, 64, 101]


def searched(ring: Processes) -> int:
    counts = ring.count()
    return counts["Question"] + counts["Reply"]


def in_lockstep(numbers: Sequence[int]) -> int:
    """How many messages it takes where all are equally fast: counted by distances alone."""
    n, total, reach = len(numbers), 0, 1
    standing = set(range(n))
    while True:
        survivors = set()
        for at in standing:
            answers = []
            for step in (1, -1):
                above = next(
                    (d for d in range(1, n) if numbers[(at + step * d) % n] > numbers[at]), n
                )
                far = min(above, reach)
                total += far if far == n else 2 * far
                answers.append(above > reach or above == n)
            if all(answers):
                survivors.add(at)
        if reach >= n:
            return total
        standing, reach = survivors, 2 * reach


@pytest.mark.parametrize("n", SIZES)
def test_the_largest_of_uniquely_numbered_processors_is_found(n: int) -> None:
    """Abstract: "finding the largest (or smallest) of a set of n uniquely numbered processors
    arranged in a circle"; here in any order, with messages of any speed."""
    for seed in range(5):
        random = Random(seed)
        ring = two_way_ring(shuffled(n, random), random)
        ring.begin()
        ring.run()
        assert ring.leaders() == {name_of(n)}
        assert [name for name, core in ring.cores.items() if core.leading] == [name_of(n)]


@pytest.mark.parametrize("n", SIZES)
def test_it_takes_at_most_8n_plus_8_n_log_n_message_passes_in_any_order(n: int) -> None:
    """Abstract: "requiring O(n log n) message passes". The worst of ten orders is looked at."""
    worst = 0
    for seed in range(10):
        random = Random(seed)
        ring = two_way_ring(shuffled(n, random), random)
        ring.begin()
        ring.run()
        worst = max(worst, searched(ring))
        assert ring.count()["Elected"] == n
    assert worst <= hirschberg_sinclair_most(n)


@pytest.mark.parametrize("n", SIZES)
def test_where_all_are_equally_fast_the_count_follows_from_the_order_exactly(n: int) -> None:
    for seed in range(5):
        numbers = shuffled(n, Random(seed))
        ring = two_way_ring(numbers)
        ring.begin()
        ring.run()
        assert searched(ring) == in_lockstep(numbers)


@pytest.mark.parametrize("n", SIZES)
def test_numbers_in_order_take_the_fewest_messages_exactly(n: int) -> None:
    """Only the highest gets beyond its neighbours."""
    ring = two_way_ring(list(range(1, n + 1)))
    ring.begin()
    ring.run()
    assert searched(ring) == hirschberg_sinclair_least(n)


@pytest.mark.parametrize("n", [8, 16, 64])
def test_only_some_are_left_to_ask_over_each_further_distance(n: int) -> None:
    """Of any 2^(i-1) + 1 processors in a row at most one is left to ask over the distance 2^i."""
    for seed in range(10):
        random = Random(seed)
        ring = two_way_ring(shuffled(n, random), random)
        ring.begin()
        ring.run()
        asking: Counter[int] = Counter()
        for _, _, message in ring.said:
            if isinstance(message, Question) and message.passed == 0:
                asking[message.reach] += 1
        for reach, questions in asking.items():
            assert questions // 2 <= (n if reach == 1 else n // (reach // 2 + 1))


def test_a_processor_that_sees_a_higher_number_asks_no_more() -> None:
    ring = two_way_ring([4, 1, 2, 3, 5])
    ring.begin()
    ring.run()
    asking = {
        message.number
        for _, _, message in ring.said
        if isinstance(message, Question) and message.reach > 1
    }
    assert asking == {5}


def test_the_last_processor_of_a_path_answers_the_others_pass_on() -> None:
    ring = two_way_ring([9, 1, 2, 3, 4])
    ring.begin()
    ring.run()
    path: list[Said] = [
        (name_of(9), name_of(1), Question(1, 9, 0, 2)),
        (name_of(1), name_of(2), Question(1, 9, 1, 2)),
        (name_of(2), name_of(1), Reply(1, 9, ok=True)),
        (name_of(1), name_of(9), Reply(1, 9, ok=True)),
    ]
    since = ring.said[ring.said.index(path[0]) :]
    assert [one for one in since if one in path][:4] == path


def test_a_neighbour_that_is_lost_begins_an_election_that_nobody_wins() -> None:
    """Not promised: no question comes round a ring with a hole."""
    ring = two_way_ring([1, 4, 2, 5, 3])
    ring.begin()
    ring.run()
    ring.kill(name_of(5))
    ring.run()
    assert ring.leaders() == {None}


def test_what_is_no_message_is_refused() -> None:
    core = HirschbergSinclair(name_of(2), 2, name_of(1), name_of(3))
    for payload in (b"", b"\xc0", b"\x95\x01\x01\x01\x00\x00"):
        with pytest.raises(MalformedPayload):
            core.step(PayloadReceived(name_of(1), payload), 0)
