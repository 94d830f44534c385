"""The formulas of Ongaro's thesis, chapter 9, and one that follows from them.

Times are in units of the election time-out T, time-outs uniform in [1, 2] and heartbeats half a
unit apart, as in the thesis. ``size`` servers of which ``alive`` are left when the leader is gone,
a constant one-way ``latency`` and a constant ``write`` of term and vote to the disk.

Source: "Consensus: Bridging Theory and Practice", Ongaro 2014, sections 9.1 and 9.2.
"""

from math import comb


def first_timeout(alive: int) -> float:
    """From the crash to the first server's time-out: 1 + 1/(s+1), less the heartbeat's phase."""
    return 1 + 1 / (alive + 1) - 1 / 4


def election_time(alive: int, latency: float, write: float) -> float:
    """The mean time from the crash to a leader, where no vote is split (section 9.1)."""
    return first_timeout(alive) + 2 * latency + write


def too_many(size: int, alive: int) -> int:
    """How many candidates split the vote when they stand within one latency (section 9.2)."""
    return alive - size // 2 + 1


def split_vote_rate(size: int, alive: int, latency: float) -> float:
    """The probability that the first term after the crash elects nobody (section 9.2)."""
    return sum(
        _within(alive, latency, others) for others in range(too_many(size, alive) - 1, alive + 1)
    )


def _within(alive: int, latency: float, others: int) -> float:
    return comb(alive, others) * latency**others * (1 - latency) ** (alive - others)


def unsplit_first_timeout(size: int, alive: int, latency: float) -> float:
    """``first_timeout`` of the elections whose vote is not split. Not in the thesis.

    That the first server stands at t after its base time-out, and k of the others within a latency
    l behind it, has the density s C(s-1, k) l^k (1-t-l)^(s-1-k), for t up to 1-l and fewer others
    than split the vote. Its integral over t and the sum over k is the thesis' rate of elections
    that are not split; with t inside, each term of that sum gets the factor (1-l)/(s-k+1).
    Without latency it is 1/(s+1) again.
    """
    chances = [_within(alive, latency, others) for others in range(too_many(size, alive) - 1)]
    means = [(1 - latency) / (alive - others + 1) for others in range(len(chances))]
    mean = sum(chance * mean for chance, mean in zip(chances, means, strict=True)) / sum(chances)
    return 1 + mean - 1 / 4
