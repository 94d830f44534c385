"""How many messages the papers promise, for n processes. Announcements of the winner are apart.

Sources: Chang and Roberts 1979; Hirschberg and Sinclair 1980 (both bounds are quoted by R.
Franklin, "On an Improved Algorithm for Decentralized Extrema Finding in Circular Configurations of
Processors", Communications of the ACM 25(5), 1982); Lynch 1996, section 4.1.2; Garcia-Molina 1982,
section IV.
"""

from fractions import Fraction
from math import ceil, log2


def harmonic(n: int) -> float:
    """1 + 1/2 + ... + 1/n."""
    return float(sum(Fraction(1, k) for k in range(1, n + 1)))


def chang_roberts_best(n: int) -> int:
    """Numbers rise in the direction of sending: each but the highest goes one step."""
    return 2 * n - 1


def chang_roberts_mean(n: int) -> float:
    """Over all orders on the ring."""
    return n * harmonic(n)


def chang_roberts_worst(n: int) -> int:
    """Numbers fall in the direction of sending: the k-th lowest goes k steps."""
    return n * (n + 1) // 2


def hirschberg_sinclair_most(n: int) -> int:
    """The paper's bound, over all orders."""
    return 8 * n + 8 * ceil(n * log2(n))


def hirschberg_sinclair_least(n: int) -> int:
    """Only the highest gets beyond its neighbours: 4n messages among those, then 4, 8, ... times
    two there and back, then twice round."""
    phases = (n - 1).bit_length()
    return 6 * n + (4 << phases) - 8


def floodmax_messages(diameter: int, directed_edges: int) -> int:
    """Exactly: one for each directed edge and round."""
    return diameter * directed_edges


def ring_diameter(n: int) -> int:
    """How far two processes of a ring can lie apart."""
    return n // 2


def bully_best(n: int) -> int:
    """The second highest notices that the highest is gone, and tells all others that it leads."""
    return n - 1


def bully_worst(n: int) -> int:
    """Every process but the highest, which is gone, asks all above it, those that live answer, and
    the winner tells all others: n (n - 1) / 2 + (n - 1) (n - 2) / 2 + n - 1."""
    return n * (n - 1)
