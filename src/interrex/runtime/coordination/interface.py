"""What every coordination service's adapter offers the node."""

from collections.abc import Callable
from typing import Protocol

from interrex.core.errors import InterrexError
from interrex.elections.interface import Ask, Noticed, Told

Post = Callable[[Told | Noticed], None]
"""Takes an answer or news, on the event loop's thread."""


class CoordinationClient(Protocol):
    """Puts the election's questions to one coordination service, one attempt each."""

    def ask(self, ask: Ask) -> None:
        """Begin to ask. ``Told`` is posted exactly once, later, whatever happens, until the end."""

    async def close(self) -> None:
        """End every connection; nothing is posted any more."""


# Why a service cannot be used at all


class Unreachable(InterrexError):  # noqa: N818
    """None of its servers answers."""


class WrongService(InterrexError):  # noqa: N818
    """What answers is another program, or a version that will not do."""


class WrongCertificate(InterrexError):  # noqa: N818
    """Its certificate is not that host's, or not by that authority; or it does not take ours."""


class BadCertificates(InterrexError):  # noqa: N818
    """The files for TLS with it cannot be used."""


class BadCredentials(InterrexError):  # noqa: N818
    """It does not know this user, or not this password, or lets the user do nothing."""
