"""Messages without their names: what three alike servers may be folded over.

Every server runs as member 1 and calls the next one in the ring 2 and the one before it 3. So a
message is a letter from one server to another, and what it says holds no member id at all.
"""

from typing import Any

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.interface import PayloadReceived, SendPayload
from interrex.elections.raft import messages as m

ME = 1
PEERS = (2, 3)
WORKERS = {member: WorkerName(f"w{member}") for member in (1, 2, 3)}
MEMBERS = {worker: member for member, worker in WORKERS.items()}

Fields = tuple[Any, ...]
"""What is behind ``target`` and ``source`` of a message: integers, truth values, entries."""

QUESTIONS = (m.PreVote, m.RequestVote)
ANSWERS = (m.PreVoteAnswer, m.Vote)

LIVE, STALE = 1, 0
"""The two rounds there are: a server's present campaign, and any before it. Whether it is the
same is all that a round is ever asked for."""


class Letter(msgspec.Struct, frozen=True):
    """What a message says. The first of ``fields`` is its term."""

    kind: type[m.Message]
    fields: Fields

    @property
    def term(self) -> int:
        return int(self.fields[0])

    @property
    def is_live(self) -> bool:
        """Whether it belongs to a campaign that is not over."""
        return self.kind in QUESTIONS + ANSWERS and self.fields[1] == LIVE

    def stale(self) -> "Letter":
        """The same about a campaign that is over."""
        return Letter(self.kind, (self.fields[0], STALE, *self.fields[2:]))

    def __str__(self) -> str:
        names = self.kind.__struct_fields__[2:]
        parts = []
        for name, value in zip(names, self.fields, strict=True):
            if name == "entries":
                value = ",".join(f"{entry.index}:{entry.epoch}" for entry in value) or "none"
            if name not in ("timeout", "round_trip", "succession"):
                parts.append(f"{name}={value}")
        return f"{self.kind.__name__}({' '.join(parts)})"


def letter_of(effect: SendPayload, own_round: int) -> tuple[int, Letter]:
    """To whom, and what. ``own_round`` is the number of the sender's present campaign.

    Dropped is what only measures time or orders candidates: see the package.
    """
    message = m.decode(effect.payload)
    values = list(msgspec.structs.astuple(message)[2:])
    if isinstance(message, QUESTIONS):
        values[1] = LIVE if message.round == own_round else STALE
    elif isinstance(message, m.PreVoteWithdrawn):
        values[1] = STALE
    elif isinstance(message, m.Heartbeat):
        values[3:] = (0, 0, ())
    elif isinstance(message, m.AppendEntries):
        values[4] = ()
    return message.target, Letter(type(message), tuple(values))


def delivery(letter: Letter, source: int) -> PayloadReceived:
    """The event of its arrival from a peer."""
    message = letter.kind(ME, source, *letter.fields)
    return PayloadReceived(WORKERS[source], m.encode(message))
