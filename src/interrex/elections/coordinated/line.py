"""Who comes next when nobody leads, and when it is this worker's turn.

A matter of speed only: the transaction that makes a leader is what excludes a second one. A wrong
order costs time, never safety.
"""

from abc import ABC, abstractmethod
from collections import deque
from typing import NamedTuple

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.settings import CoordinatedSettings

REMEMBERED_MARKS = 64
"""Of processes that are dead: a leadership may be heard of after its leader's death."""


class Holder(NamedTuple):
    """Who leads as far as was seen, dead or alive, and the mark of its process."""

    worker: WorkerName
    mark: str


class HandOver(NamedTuple):
    """Who gave up leading last, and in whose favour; None: of whoever is next."""

    left: WorkerName
    chosen: WorkerName | None


class Line(ABC):
    """The order of the candidates, and since when nobody leads.

    A leadership is vacant when it has ended or when its process is proved dead; it is also to be
    claimed when it is this very worker's from a life or a session before: this worker is the only
    one of its name.
    """

    def __init__(self, me: WorkerName, settings: CoordinatedSettings) -> None:
        self._me = me
        self._settings = settings
        self._dead: deque[str] = deque(maxlen=REMEMBERED_MARKS)
        self._mark = ""
        self._since: int | None = None

    @property
    @abstractmethod
    def holder(self) -> Holder | None:
        """Who leads, as far as was seen."""

    @property
    @abstractmethod
    def hand_over(self) -> HandOver | None:
        """How the last leadership ended, where its leader gave it up."""

    @abstractmethod
    def order(self) -> list[WorkerName]:
        """The candidates, first the one who goes first, without those who are proved dead."""

    def is_dead(self, mark: str) -> None:
        """The process of this mark is proved dead."""
        self._dead.append(mark)

    def is_proved_dead(self, mark: str) -> bool:
        """Whether the process of this mark is."""
        return mark in self._dead

    @property
    def is_vacant(self) -> bool:
        """Whether nobody leads, or nobody who lives."""
        holder = self.holder
        return holder is None or holder.mark in self._dead

    @property
    def is_my_own_old_one(self) -> bool:
        """Whether who leads is this worker, in a life or a session that is over."""
        holder = self.holder
        return holder is not None and holder.worker == self._me and holder.mark != self._mark

    def look(self, mark: str, now: int) -> None:
        """Notice since when (ns) nobody leads; ``mark`` is this process's, empty while it has
        none."""
        self._mark = mark
        if not (self.is_vacant or self.is_my_own_old_one):
            self._since = None
        elif self._since is None:
            self._since = now

    @property
    def claim_at(self) -> int | None:
        """When it is this worker's turn (ns); None while somebody leads."""
        if self._since is None:
            return None
        return self._since if self.is_my_own_old_one else self._since + self._wait()

    def _wait(self) -> int:
        """How long (ns) this worker lets others go first: who gave up goes last."""
        over, settings = self.hand_over, self._settings
        left = None if over is None else over.left
        order = [worker for worker in self.order() if worker != left]
        rank = order.index(self._me) if self._me in order else len(order)
        if over is None or over.chosen != self._me:
            others = left == self._me and bool(order)
            awaited = over is not None and (over.chosen in order or others)
            return awaited * settings.transfer_patience + rank * settings.stagger
        return 0
