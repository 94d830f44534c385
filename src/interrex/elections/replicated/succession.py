"""In which order followers stand for election when the leader is lost.

Not in the paper, where they all wait a random time. The leader ranks its voters; after its death
rank 0 campaigns at once and rank k waits k distances, so that candidates seldom collide. It is a
matter of speed only: a wrong, old or missing order costs time, never safety.
"""

from collections.abc import Collection, Mapping, Sequence


def succession(
    voters: Collection[int], leader: int, matched: Mapping[int, int], active: Collection[int]
) -> tuple[int, ...]:
    """The voters but the leader: those that answer first, then by how recent their log is."""
    places = sorted(
        [
            (member not in active, -matched.get(member, 0), member)
            for member in voters
            if member != leader
        ]
    )
    return tuple([member for _, _, member in places])


def rank(order: Sequence[int], member: int, passed: Collection[int]) -> int:
    """How many stand before a member, those passed over (dead, or refused) not counted.

    Whoever is not in the order stands behind it.
    """
    before = order[: order.index(member)] if member in order else order
    return sum(other not in passed for other in before)
