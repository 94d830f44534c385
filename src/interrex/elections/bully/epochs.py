"""Epochs that nobody else can ever use: a counter, and whose it is.

Invariant: no two coordinators ever use the same epoch, also under partition. An epoch ends in the
seat of the identity that made it (``4002``: the fourth, by the identity with seat 2), no two
identities of a cluster have the same seat, and an identity makes an epoch only above all that it
promised or led in before, which is on its disk. A lost disk means another identity, and another
seat. The group numbers of the paper's Invitation Algorithm (section V) are made alike.
"""

STRIDE = 1000
"""One more than the highest seat."""


def next_epoch(above: int, seat: int) -> int:
    """The least epoch of a seat whose counter is above that of every epoch seen so far."""
    return (above // STRIDE + 1) * STRIDE + seat


def seat_of(epoch: int) -> int:
    """Whose epoch it is: the seat of the identity that made it."""
    return epoch % STRIDE
