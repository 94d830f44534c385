"""The errors that callers tell apart."""


class InterrexError(Exception):
    """Something a person can mend: says what, why, and what to do next, in one or two lines."""


class InvariantViolation(Exception):  # noqa: N818
    """A safety rule was about to be broken: the node stops rather than go on.

    Never caught inside the cores, and never turned off: an ``assert`` would go away under ``-O``.
    """


def ensure(condition: bool, invariant: str) -> None:
    """Raises InvariantViolation unless the invariant holds."""
    if not condition:
        raise InvariantViolation(invariant)
