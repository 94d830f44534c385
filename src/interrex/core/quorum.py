"""Majorities."""

from collections.abc import Collection, Mapping
from typing import TypeVar

Member = TypeVar("Member", bound=int)

MAX_VOTERS = 7
"""How many members may vote: each vote is a round trip."""


def majority(size: int) -> int:
    """The least number of members of which any two groups share one."""
    return size // 2 + 1


def has_quorum(members: Collection[Member], agreeing: Collection[Member]) -> bool:
    """Whether those who agree are a majority of the members; others do not count."""
    return sum(member in agreeing for member in members) >= majority(len(members))


def agreed_index(members: Collection[Member], matched: Mapping[Member, int]) -> int:
    """The highest index that a majority of the members holds; an unknown member holds 0."""
    indices = sorted([matched.get(member, 0) for member in members])
    return indices[-majority(len(indices))] if indices else 0
