"""What the election asks of PostgreSQL, what it may be told, and what its client says by itself.

One question is one transaction and one attempt. A *token* is a random number that a member's
session at the server holds an advisory lock on: it is alive while that session is.
"""

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.candidacy import Who


class Row(msgspec.Struct, frozen=True):
    """The election's row: who leads or led last. ``alive``: that one's token is."""

    epoch: int
    leader: WorkerName
    token: int
    alive: bool
    released: bool
    heir: WorkerName | None


class Stander(msgspec.Struct, frozen=True):
    """A candidate whose token is alive."""

    worker: WorkerName
    priority: int
    since: int
    token: int


# Questions


class Look(msgspec.Struct, frozen=True):
    """The row, and who stands."""


class Enlist(msgspec.Struct, frozen=True):
    """Take a new token's lock, and stand, if nobody alive stands by this name."""

    worker: WorkerName
    priority: int
    token: int
    who: Who


class Leave(msgspec.Struct, frozen=True):
    """Stand no more, and let the token's lock go."""

    token: int


class Claim(msgspec.Struct, frozen=True):
    """Lead in a new epoch, if who leads has given up or is not alive."""

    worker: WorkerName
    token: int


class Release(msgspec.Struct, frozen=True):
    """Give up what was claimed with a token, in favour of ``heir``."""

    token: int
    heir: WorkerName | None


Question = Look | Enlist | Leave | Claim | Release


# Answers


class Seen(msgspec.Struct, frozen=True):
    row: Row
    standers: tuple[Stander, ...]


class Met(msgspec.Struct, frozen=True):
    """Somebody alive stands by this name."""

    token: int
    who: Who


class Claimed(msgspec.Struct, frozen=True):
    """``epoch`` is 0 where somebody alive leads."""

    epoch: int


class Done(msgspec.Struct, frozen=True):
    pass


class Failed(msgspec.Struct, frozen=True):
    """No answer, and it may have been done. Where that is so the session is over, too."""

    text: str


Answer = Seen | Met | Claimed | Done | Failed


# News


class Connected(msgspec.Struct, frozen=True):
    """There is a session, and the server ends it when it has heard nothing for ``lasts_ms``."""

    session: int
    lasts_ms: int


class Lost(msgspec.Struct, frozen=True):
    """The session is over, for this client; the server ends it now or when its time has run out."""


class Changed(msgspec.Struct, frozen=True):
    """Somebody has written to the election."""


News = Connected | Lost | Changed
