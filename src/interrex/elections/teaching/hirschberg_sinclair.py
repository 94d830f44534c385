"""Election on a ring in both directions: each candidate asks ever farther, fewer and fewer do.

A candidate sends its number both ways, over 1 process, then 2, then 4, and so on. Whoever has a
higher number answers no; otherwise the last one asked answers ok. A candidate goes on to twice the
distance when both sides said ok. Whose number comes round to itself has asked everybody, and
leads; it sends that round, so that all know.

Guaranteed, while nobody dies or stops and every message arrives: exactly one leader, the process
with the highest number, and everybody learns of it.

Not guaranteed: anything else. A ring with a dead process has no way round: its elections never end.
A lost question or answer is waited for for ever. A leader never learns that it is cut off, and
nobody notices a leader that is stopped.

Messages, n processes of which all begin: at most 8n + 8 n log2 n, rounded up, whatever the order on
the ring, and n more for the announcement (``bounds``).

Source: D. S. Hirschberg, J. B. Sinclair, "Decentralized Extrema-Finding in Circular Configurations
of Processors", Communications of the ACM 23(11), 1980.

Differs from the paper: the winner is announced. Messages carry the number of their election, so
that a process that loses a neighbour can begin another one. Payloads name the winner, because here
peers have names besides numbers.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, assert_never

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.reading import reader
from interrex.elections.teaching.channel import Channel
from interrex.elections.teaching.lesson import Lesson

Count = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Hops = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Question(msgspec.Struct, frozen=True, array_like=True, tag=1, forbid_unknown_fields=True):
    """Is anybody above this number, within ``reach`` processes? ``passed`` of them have been asked.

    The paper's ("from", value, num, maxnum).
    """

    election: Count
    number: Count
    passed: Hops
    reach: Count


class Reply(msgspec.Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True):
    """To the candidate of this number: nobody is (``ok``), or somebody. On its way back."""

    election: Count
    number: Count
    ok: bool


class Elected(msgspec.Struct, frozen=True, array_like=True, tag=3, forbid_unknown_fields=True):
    """This process has won this election."""

    election: Count
    leader: WorkerName


Message = Question | Reply | Elected

decode: Callable[[bytes], Message] = reader(
    "Hirschberg-Sinclair", msgspec.msgpack.Decoder(Message).decode
)


class Status(StrEnum):
    """The paper's: in the running, out of it, the winner."""

    CANDIDATE = "candidate"
    LOST = "lost"
    WON = "won"


class HirschbergSinclair(Lesson[Message]):
    """One process of the ring. Implements ``interrex.elections.interface.Election``."""

    def __init__(
        self, worker: WorkerName, number: int, left: WorkerName, right: WorkerName
    ) -> None:
        """Begins with the first ``step``, due at once.

        Args:
            worker: this process' name.
            number: its number, at least 1, which no other has; the highest leads.
            left: one neighbour on the ring.
            right: the other one: a ring has at least three processes.
        """
        super().__init__(worker, number, decode)
        self._left = Channel(left)
        self._right = Channel(right)
        self._status = Status.LOST
        self._reach = 1
        self._agreed = 0
        """How many of the two sides have said ok to what is asked now."""

    def _on_wake_up(self, now: int) -> None:
        self._wake_at = None
        if self._epoch == 0:
            self._begin(1)

    def _begin(self, election: int) -> None:
        self._epoch = election
        if self._leader is not None:
            self._learn(None, "another election has begun")
        self._status = Status.CANDIDATE
        self._reach = 1
        self._ask()

    def _ask(self) -> None:
        self._agreed = 0
        question = Question(self._epoch, self._number, 0, self._reach)
        self._effects += self._left.send(question)
        self._effects += self._right.send(question)

    def _on_message(self, sender: WorkerName, message: Message) -> None:
        if message.election < self._epoch:
            return
        if message.election > self._epoch:
            self._begin(message.election)
        back, on = self._left, self._right
        if sender == self._right.peer:
            back, on = on, back
        match message:
            case Question():
                self._on_question(message, back, on)
            case Reply():
                self._on_reply(message, on)
            case Elected():
                self._on_elected(message, on)
            case _:
                assert_never(message)

    def _on_question(self, message: Question, back: Channel, on: Channel) -> None:
        if message.number == self._number:
            self._become_leader()
        elif message.number < self._number:
            self._effects += back.send(Reply(message.election, message.number, ok=False))
        else:
            self._status = Status.LOST
            passed = message.passed + 1
            if passed < message.reach:
                self._effects += on.send(msgspec.structs.replace(message, passed=passed))
            else:
                self._effects += back.send(Reply(message.election, message.number, ok=True))

    def _on_reply(self, message: Reply, on: Channel) -> None:
        if message.number != self._number:
            self._effects += on.send(message)
        elif not message.ok:
            self._status = Status.LOST
        elif self._status is Status.CANDIDATE:
            self._agreed += 1
            if self._agreed == 2:
                self._reach *= 2
                self._ask()

    def _become_leader(self) -> None:
        """Both its questions come round: the first one says so."""
        if self._status is not Status.WON:
            self._status = Status.WON
            self._learn(self._me, "its own number came round")
            self._effects += self._right.send(Elected(self._epoch, self._me))

    def _on_elected(self, message: Elected, on: Channel) -> None:
        if message.leader != self._me:
            self._learn(message.leader, "announced")
            self._effects += on.send(message)

    def _on_connected(self, peer: WorkerName) -> None:
        for channel in (self._left, self._right):
            if peer == channel.peer:
                self._effects += channel.connected()

    def _on_lost(self, peer: WorkerName) -> None:
        """A neighbour is gone, and with it perhaps the leader: begin anew."""
        for channel in (self._left, self._right):
            if peer == channel.peer:
                channel.lost()
        self._begin(self._epoch + 1)
