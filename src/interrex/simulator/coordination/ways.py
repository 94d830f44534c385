"""How what a client says gets to a server, and back: late, after repetitions, or not at all."""

from collections import deque
from collections.abc import Callable
from typing import Any

from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.network import MOST_RETRANSMITS, RETRANSMIT, Lane


class Way:
    """Between one worker's process and one server."""

    __slots__ = ("back", "there")

    def __init__(self, typical: int) -> None:
        self.there = Lane(typical)
        self.back = Lane(typical)


class Carrier:
    """Carries what is said: bytes that do not arrive are sent again, as TCP does, for a while."""

    def __init__(self, agenda: Agenda, chance: Chance) -> None:
        self.agenda = agenda
        self.chance = chance

    def delay(self, lane: Lane) -> int:
        """How long (ns) something takes that way, just now."""
        return lane.typical + self.chance.exponential(lane.typical // 2 + 1) + lane.extra

    def carry(self, lane: Lane, deliver: Callable[..., None], *what: Any) -> None:
        """Something on its own, that others may overtake."""
        self._carry(0, lane, deliver, what)

    def _carry(
        self, times: int, lane: Lane, deliver: Callable[..., None], what: tuple[Any, ...]
    ) -> None:
        if not lane.cuts:
            self.agenda.after(self.delay(lane), deliver, *what)
        elif times < MOST_RETRANSMITS:
            pause = RETRANSMIT << times
            self.agenda.after(pause, self._carry, times + 1, lane, deliver, what)


class Pipe:
    """One direction of a connection: what is sent arrives in order, or nothing more does."""

    def __init__(self, carrier: Carrier, lane: Lane) -> None:
        self._carrier = carrier
        self._lane = lane
        self._last = 0
        self._kept: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._tries = 0
        self._is_waiting = False

    def send(self, deliver: Callable[..., None], *what: Any) -> None:
        """Let something arrive behind all before it."""
        self._kept.append((deliver, what))
        if not self._is_waiting:
            self._flow()

    def _flow(self) -> None:
        self._is_waiting = False
        agenda = self._carrier.agenda
        if not self._lane.cuts:
            self._tries = 0
            while self._kept:
                deliver, what = self._kept.popleft()
                self._last = max(agenda.now + self._carrier.delay(self._lane), self._last + 1)
                agenda.at(self._last, deliver, *what)
        elif self._tries < MOST_RETRANSMITS:
            self._is_waiting = True
            agenda.after(RETRANSMIT << self._tries, self._flow)
            self._tries += 1
        else:
            self._kept.clear()
