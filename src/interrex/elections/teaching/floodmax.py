"""Election in any network, in synchronous rounds: everybody tells the highest number it knows.

In every round each process tells all its neighbours the highest number that it has heard of. After
as many rounds as the network is wide, everybody has heard the highest of all: whose it is leads.

Guaranteed, while rounds are what they are said to be: exactly one leader, the process with the
highest number, known to everybody at one and the same moment, with no announcement.

Not guaranteed: anything once a message takes longer than a round, is lost, or a process dies or
stops: then the highest number may reach some in time and some not, and there are two leaders, or
one that is not there. Nobody notices that a leader is gone: all would have to begin together again.

Messages: one for each direction of each connection and round, that is diameter * |E|; rounds: the
diameter (``bounds``).

Source: N. Lynch, "Distributed Algorithms", 1996, section 4.1.2 (FloodMax).

Differs from the book: rounds are made of a clock that all processes share. They begin at whole
multiples of ``round_length``, so every message has to arrive within that. Payloads name the process
besides its number.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.interface import SendPayload
from interrex.elections.reading import reader
from interrex.elections.teaching.lesson import Lesson


class Highest(msgspec.Struct, frozen=True, array_like=True, tag=1, forbid_unknown_fields=True):
    """The highest number that the sender has heard of, and whose it is."""

    number: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    worker: WorkerName


decode: Callable[[bytes], Highest] = reader("FloodMax", msgspec.msgpack.Decoder(Highest).decode)


class FloodMax(Lesson[Highest]):
    """One process. Implements ``interrex.elections.interface.Election``."""

    def __init__(
        self,
        worker: WorkerName,
        number: int,
        neighbours: Sequence[WorkerName],
        diameter: int,
        round_length: int,
    ) -> None:
        """Begins with the first ``step``, due at once; its first round begins one to two rounds
        later, so that everybody else has begun by then.

        Args:
            worker: this process' name.
            number: its number, at least 1, which no other has; the highest leads.
            neighbours: whom it is connected with.
            diameter: of the network: between any two processes lie at most so many connections.
            round_length: how long a round takes (ns).
        """
        super().__init__(worker, number, decode)
        self._neighbours = tuple(neighbours)
        self._diameter = diameter
        self._round_length = round_length
        self._highest = Highest(number, worker)
        self._rounds = 0
        """How many have begun."""

    def _on_wake_up(self, now: int) -> None:
        if self._wake_at == 0:
            self._wake_at = (now // self._round_length + 2) * self._round_length
        elif self._wake_at is not None and now >= self._wake_at:
            self._begin_round(self._wake_at)

    def _begin_round(self, at: int) -> None:
        if self._rounds == self._diameter:
            self._wake_at = None
            self._epoch = 1
            self._learn(self._highest.worker, f"the highest after {self._rounds} rounds")
            return
        self._rounds += 1
        self._wake_at = at + self._round_length
        payload = msgspec.msgpack.encode(self._highest)
        self._effects += [SendPayload(peer, payload) for peer in self._neighbours]

    def _on_message(self, sender: WorkerName, message: Highest) -> None:
        if message.number > self._highest.number:
            self._highest = message

    def _on_connected(self, peer: WorkerName) -> None:
        """All that counts is who is connected when a round begins."""

    def _on_lost(self, peer: WorkerName) -> None:
        """Nothing to be done: who knows of it cannot begin without the others."""
