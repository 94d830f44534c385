"""A worker's part in the founding of a cluster of several hosts: what it says, stores and awaits.

``Probation`` decides; a worker of one host, or of an election by a coordination service, has none.
"""

from collections.abc import Callable, Iterable

from interrex.core.ids import WorkerName
from interrex.core.messages import Founded
from interrex.core.state import ClusterState
from interrex.core.storage import Record
from interrex.elections.interface import ElectionEvent, WakeUp
from interrex.orchestration.fleet import Fleet
from interrex.worker.interface import Send, TakeNewIdentity, WorkerEffect
from interrex.worker.probation import LOST_LOG, Probation

BROKEN_OFF = (
    "the founding was broken off: a disk was lost in the middle of it, so that nobody may vote; "
    "nothing was asked of this cluster yet: on every host run interrex down --purge, then "
    "interrex up FILE"
)


class Founding:
    """Takes a probation step by step to its end, and lets the election begin then.

    Args:
        probation: None where nobody has to wait.
        elect: lets the election take an event.
        emit: adds an effect of the worker.
        persist: has records stored, and returns their token.
    """

    def __init__(
        self,
        probation: Probation | None,
        elect: Callable[[ElectionEvent], None],
        emit: Callable[[WorkerEffect], None],
        persist: Callable[[tuple[Record, ...]], int],
    ) -> None:
        self._probation = probation
        self._elect = elect
        self._emit = emit
        self._persist = persist
        self._words: dict[WorkerName, Founded] = {}
        self._token: int | None = None
        """With it the birthmarks will be on disk."""
        self.waits = probation is not None and probation.waits
        """Whether the election has not begun: it must not be told anything."""

    def joined(self, peer: WorkerName) -> None:
        """A peer joins, and is told first of all what is known here."""
        if self._probation is not None:
            self._emit(Send(peer, self._probation.word()))

    def heard(self, peer: WorkerName, word: Founded) -> None:
        """A peer says what it knows."""
        if self._probation is not None:
            self._words[peer] = word
            self._probation.heard(peer, word)
            self.go_on()

    def named(self, workers: Iterable[WorkerName]) -> None:
        """A cluster that has begun asks for these workers."""
        if self._probation is not None and self.waits:
            self._probation.named(workers)
            self.go_on()

    def hindrance(self, fleet: Fleet, state: ClusterState) -> str:
        """Why nobody can lead a cluster that is being founded, for people; empty where there is no
        reason that can be known here."""
        if self._probation is None or state.index:
            return ""
        others = [view for view in fleet.workers.values() if view.worker != fleet.me]
        if self.waits:
            missing = sorted({view.host for view in others if not view.connected})
            hosts = f"host {missing[0]} has" if len(missing) == 1 else f"{', '.join(missing)} have"
            why = f"its first start needs every host, and {hosts} not started yet"
            return why if missing else ""
        words = [self._words.get(view.worker) for view in others if view.connected]
        words.append(self._probation.word())
        empty = all(word is not None and not word.waits and not word.founders for word in words)
        return BROKEN_OFF if empty and len(words) > len(others) and not fleet.members else ""

    def stored(self, token: int) -> None:
        """Everything up to this token is on disk."""
        if self._probation is not None and self._token is not None and self._token <= token:
            self._token = None
            self._probation.stored()
            self._emit(Send(None, self._probation.word()))
            self.go_on()

    def go_on(self) -> None:
        """Go as far as it goes just now."""
        if self._probation is None or not self.waits:
            return
        record = self._probation.record()
        if record is not None:
            self._token = self._persist((record,))
        if self._probation.lost_log:
            self._emit(TakeNewIdentity(LOST_LOG))
        elif self._probation.over:
            self._elect(WakeUp())

    def admit(self, event: ElectionEvent) -> list[ElectionEvent]:
        """What the election is to be told: nothing, until the probation is over."""
        if self._probation is None or not self.waits:
            return [event]
        events = self._probation.admit(event)
        self.waits = self._probation.waits
        return events
