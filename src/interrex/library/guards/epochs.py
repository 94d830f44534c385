"""What an epoch is, for whoever receives one."""

import operator

MOST_EPOCH = 2**63 - 1
"""What a column of SQL holds, and the highest that any election gives."""


def whole_epoch(epoch: int) -> int:
    """An epoch, before anything is compared with it or stored: one that is none could be taken for
    the newest for ever.

    Raises:
        ValueError: it is no whole number from 0 to 2^63 - 1.
    """
    try:
        whole = operator.index(epoch)
    except TypeError:
        raise ValueError(f"an epoch is a whole number, not {epoch!r}") from None
    if not 0 <= whole <= MOST_EPOCH:
        raise ValueError(f"an epoch is from 0 to 2^63 - 1, and {whole} is not")
    return whole
