"""What a majority is, said anew: the cores' own arithmetic is among what is checked."""

from collections.abc import Collection, Mapping


def is_majority(some: Collection[int], voters: Collection[int]) -> bool:
    """Whether more than half of the voters are among some."""
    return 2 * sum(voter in some for voter in voters) > len(voters)


def reached_by_most(marks: Mapping[int, int], voters: Collection[int]) -> int:
    """The highest mark that a majority of the voters has reached; who has none is at 0."""
    reached = sorted([marks.get(voter, 0) for voter in voters])
    return reached[(len(reached) - 1) // 2] if reached else 0
