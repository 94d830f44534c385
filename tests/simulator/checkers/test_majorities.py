"""The checkers' own arithmetic, against the definition: a majority is more than half."""

from itertools import combinations, product

import pytest

from interrex.simulator.checkers.majorities import is_majority, reached_by_most


@pytest.mark.parametrize("size", range(8))
def test_two_majorities_share_a_voter_and_a_majority_less_one_is_none(size: int) -> None:
    voters = range(size)
    groups = [set(some) for n in range(size + 1) for some in combinations(voters, n)]
    majorities = [group for group in groups if is_majority(group, voters)]
    assert all(one & other for one in majorities for other in majorities)
    assert {len(group) for group in majorities} == set(range(size // 2 + 1, size + 1))


def test_who_does_not_vote_does_not_count() -> None:
    assert not is_majority([1, 7, 8, 9], [1, 2, 3])


@pytest.mark.parametrize("size", range(1, 6))
def test_the_highest_mark_that_a_majority_has_reached(size: int) -> None:
    voters = range(size)
    for marks in product(range(3), repeat=size):
        by_voter = dict(zip(voters, marks, strict=True))
        highest = max(
            mark
            for mark in range(3)
            if is_majority([voter for voter in voters if by_voter[voter] >= mark], voters)
        )
        assert reached_by_most(by_voter, voters) == highest


def test_who_has_no_mark_is_at_none() -> None:
    assert reached_by_most({1: 5}, [1, 2, 3]) == 0
    assert reached_by_most({1: 5, 9: 5}, [1, 2, 3]) == 0
    assert reached_by_most({1: 5, 2: 4}, [1, 2, 3]) == 4
    assert reached_by_most({}, []) == 0
