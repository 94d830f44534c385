"""What a member needs of the service that its election rests on, and what services cost it to say.

Not guaranteed by any: more than the service promises of what it has acknowledged.
"""

from collections.abc import Callable
from random import Random
from typing import Protocol

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.elections.coordinated.candidacy import Candidacy, Who
from interrex.elections.guarantees import Guarantees
from interrex.elections.interface import (
    Ask,
    ElectionEffect,
    ElectionEvent,
    Noticed,
    Told,
)

Post = Callable[[Told | Noticed], None]

HEAD_START = S // 4
"""How long (ns) each member that goes before another is waited for when a leadership falls vacant.
It costs time only where one that goes first does not take it. Longer than between a fleet's
workers: a program's loop, and a service that is shared, have other things to do."""


class Core(Protocol):
    """An election's pure core, of those that rest on a service."""

    @property
    def guarantees(self) -> Guarantees: ...

    @property
    def wake_at(self) -> int | None: ...

    @property
    def leader(self) -> WorkerName | None: ...

    @property
    def epoch(self) -> int: ...

    @property
    def leading(self) -> bool: ...

    @property
    def deadline(self) -> int | None: ...

    @property
    def candidates(self) -> list[WorkerName]:
        """Who stands and does not lead."""

    @property
    def rival(self) -> Who | None:
        """Who has this member's name, where another certainly has it."""

    @property
    def session(self) -> int:
        """For how long (ns) a leader believes in itself unrenewed, by what the service granted;
        0 while it is not known, or not who leads."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing of this member's is left at the service that others wait for."""

    def step(self, event: ElectionEvent | Candidacy, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order."""


class Service(Protocol):
    """One election at one service, as its URL names it. Made without side effects."""

    @property
    def asked(self) -> int:
        """As ``Core.session``, by what is asked for (ns)."""

    @property
    def patience(self) -> float:
        """For how many seconds a member waits for the service when it joins."""

    @property
    def last_words(self) -> float:
        """For how many seconds a member that leaves waits until its place is free."""

    async def open(self, post: Post, refused: Callable[[InterrexError], None]) -> None:
        """Be able to ask.

        Args:
            post: takes answers and news, on the event loop.
            refused: takes the reason, where it turns out later that the service lets nobody in.

        Raises:
            ElectionError: the service is not there, is another, or lets nobody in.
        """

    def new_core(self, worker: WorkerName, priority: int, who: str, random: Random) -> Core:
        """The election's core for one member."""

    def check_granted(self, believed: int) -> None:
        """Look at what was granted, before anybody stands.

        Args:
            believed: as ``Core.session``.

        Raises:
            BadTimes: it is too short for a leader to stop in time.
        """

    def ask(self, ask: Ask) -> None:
        """Begin to ask."""

    async def close(self, *, settled: bool) -> None:
        """Ask no more. Unless it is ``settled``, something is left that others wait for, and that
        has to end with a session, whoever else has a share in it."""
