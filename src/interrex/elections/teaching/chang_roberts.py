"""Election on a ring in one direction: every number is sent round, only the highest comes back.

Each process sends its number to the next one. A process passes on a number above its own, and lets
one below its own go no further. Whose number comes back has the highest, and leads; it sends that
round once more, so that all know.

Guaranteed, while nobody dies or stops and every message arrives: exactly one leader, the process
with the highest number, and everybody learns of it.

Not guaranteed: anything else. A ring with a dead process has no way round: its elections never end.
One lost message may be the highest number. A leader never learns that it is cut off, and nobody
notices a leader that is stopped.

Messages, n processes of which all begin: at least 2n - 1, on average n (1 + 1/2 + ... + 1/n), at
most n (n + 1) / 2, and n more for the announcement (``bounds``).

Source: E. Chang, R. Roberts, "An Improved Algorithm for Decentralized Extrema-Finding in Circular
Configurations of Processes", Communications of the ACM 22(5), 1979.

Differs from the paper: the winner is announced. Messages carry the number of their election, so
that a process that loses a neighbour can begin another one; the paper has one election, on a ring
that was closed again. Payloads name the winner, because here peers have names besides numbers.
"""

from collections.abc import Callable
from typing import Annotated, assert_never

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.reading import reader
from interrex.elections.teaching.channel import Channel
from interrex.elections.teaching.lesson import Lesson

Count = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class Candidate(msgspec.Struct, frozen=True, array_like=True, tag=1, forbid_unknown_fields=True):
    """A number on its way round, in this election."""

    election: Count
    number: Count


class Elected(msgspec.Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True):
    """This process has won this election."""

    election: Count
    leader: WorkerName


Message = Candidate | Elected

decode: Callable[[bytes], Message] = reader(
    "Chang-Roberts", msgspec.msgpack.Decoder(Message).decode
)


class ChangRoberts(Lesson[Message]):
    """One process of the ring. Implements ``interrex.elections.interface.Election``."""

    def __init__(
        self, worker: WorkerName, number: int, following: WorkerName, *, begins: bool = True
    ) -> None:
        """Begins with the first ``step``, due at once.

        Args:
            worker: this process' name.
            number: its number, at least 1, which no other has; the highest leads.
            following: the next process of the ring, the only one that this one ever sends to.
            begins: whether it begins an election by itself, or waits for one to reach it; some
                process has to.
        """
        super().__init__(worker, number, decode)
        self._next = Channel(following)
        self._begins = begins
        self._takes_part = False
        """Whether it has sent a number in this election: its own is not sent again."""

    def _on_wake_up(self, now: int) -> None:
        self._wake_at = None
        if self._begins and self._epoch == 0:
            self._begin(1)

    def _begin(self, election: int) -> None:
        self._enter(election)
        self._stand()

    def _enter(self, election: int) -> None:
        """Another election is on: what was said in the one before counts no more."""
        self._epoch = election
        self._takes_part = False
        if self._leader is not None:
            self._learn(None, "another election has begun")

    def _stand(self) -> None:
        self._takes_part = True
        self._send(Candidate(self._epoch, self._number))

    def _on_message(self, sender: WorkerName, message: Message) -> None:
        if message.election < self._epoch:
            return
        if message.election > self._epoch:
            self._enter(message.election)
        match message:
            case Candidate():
                self._on_candidate(message)
            case Elected():
                self._on_elected(message)
            case _:
                assert_never(message)

    def _on_candidate(self, message: Candidate) -> None:
        if message.number > self._number:
            self._takes_part = True
            self._send(message)
        elif message.number == self._number:
            self._become_leader()
        elif not self._takes_part:
            self._stand()

    def _become_leader(self) -> None:
        if not self.leading:
            self._learn(self._me, "its own number came round")
            self._send(Elected(self._epoch, self._me))

    def _on_elected(self, message: Elected) -> None:
        if message.leader != self._me:
            self._learn(message.leader, "announced")
            self._send(message)

    def _on_connected(self, peer: WorkerName) -> None:
        if peer == self._next.peer:
            self._effects += self._next.connected()

    def _on_lost(self, peer: WorkerName) -> None:
        """A neighbour is gone, and with it perhaps the leader: begin anew."""
        if peer == self._next.peer:
            self._next.lost()
        self._begin(self._epoch + 1)

    def _send(self, message: Message) -> None:
        self._effects += self._next.send(message)
