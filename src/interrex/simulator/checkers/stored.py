"""What several checkers read of a worker's disk."""

from functools import lru_cache

from interrex.core.messages import Assignment, decode


@lru_cache(maxsize=32)
def stored_assignment(value: bytes) -> Assignment | None:
    """The assignment in a stored fact; decoded once for all who ask."""
    message = decode(value)
    return message if isinstance(message, Assignment) else None
