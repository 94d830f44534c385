"""The one source of chance of a simulated world: everything is made of ``getrandbits``.

So what is drawn depends on the seed alone, whatever the version of Python: neither ``random()``
nor ``shuffle`` nor floating point is used.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

_LN2_16 = 45_426
"""ln 2 in sixteenths of bits: ``round(log(2) * 65536)``."""


class Chance(Random):
    """Draws whole numbers, choices and orders."""

    def fork(self) -> "Chance":
        """A source of its own, whose draws do not depend on how much others draw."""
        return Chance(self.getrandbits(64))

    def below(self, limit: int) -> int:
        """A number from 0 up to but not including ``limit`` (at least 1), all equally likely."""
        bits = limit.bit_length()
        drawn = self.getrandbits(bits)
        while drawn >= limit:
            drawn = self.getrandbits(bits)
        return drawn

    def between(self, least: int, most: int) -> int:
        """A number from ``least`` to ``most``, both included."""
        return least + self.below(most - least + 1)

    def one_in(self, number: int) -> bool:
        """True once in so many times."""
        return self.below(number) == 0

    def per_mille(self, share: int) -> bool:
        """True so many times in a thousand."""
        return share > 0 and self.below(1000) < share

    def pick(self, items: Sequence[Item]) -> Item:
        """One of them; there is at least one."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """All of them in another order."""
        left = list(items)
        for last in range(len(left) - 1, 0, -1):
            other = self.below(last + 1)
            left[last], left[other] = left[other], left[last]
        return left

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """So many of them, each at most once."""
        return self.shuffled(items)[:count]

    def scale(self, least: int, most: int) -> int:
        """A number from ``least`` (at least 1) to ``most``, every power of two equally likely.

        Small and large latencies come up equally often: what a fixed one hides, one of them shows.
        """
        octaves = (max(most - 1, least) // least).bit_length()
        low = least << self.below(octaves)
        return self.between(low, min(2 * low, most))

    def spread(self, typical: int) -> int:
        """A number around ``typical``: from a half of it to one and a half."""
        return typical // 2 + self.below(typical + 1)

    def exponential(self, mean: int) -> int:
        """A number with a long tail and about this mean, as waiting times have it.

        The logarithm is taken in whole numbers, linear between powers of two (6 % off at most).
        """
        drawn = self.getrandbits(32) | 1
        zeros = 32 - drawn.bit_length()
        mantissa = (drawn << (zeros + 1) >> 16) & 0xFFFF
        halvings_16 = ((zeros + 1) << 16) - mantissa
        return (mean * halvings_16 >> 16) * _LN2_16 >> 16
