"""What every coordination service's adapter offers the node."""

from collections.abc import Callable
from typing import Protocol

from interrex.elections.interface import Ask, Noticed, Told

Post = Callable[[Told | Noticed], None]
"""Takes an answer or news, on the event loop's thread."""


class CoordinationClient(Protocol):
    """Puts the election's questions to one coordination service, one attempt each."""

    def ask(self, ask: Ask) -> None:
        """Begin to ask. ``Told`` is posted exactly once, later, whatever happens, until the end."""

    async def close(self) -> None:
        """End every connection; nothing is posted any more."""
