"""What Raft servers say to each other: one frozen struct per message, and their bytes.

Every message carries the member ids of both ends: a worker's name may outlive its member id, and
mail for another id is not ours. ``term`` is the sender's term except in ``PreVote`` and in a
granted ``PreVoteAnswer``, where it is the term that the sender would start.

Source: extended paper, figure 2 and section 7; thesis 3.10 (TimeoutNow), 9.6 (PreVote).

Differs from the paper: heartbeats are their own message (a slow log never delays them);
a refused and an accepted AppendEntries are two messages; a commit index that moves while there is
nothing to append travels in ``Advance``, which wants no answer; vote requests carry ``ended``,
the term whose leadership is known to be over, and ``round``, which binds an answer to one
campaign of one life of the process; a chunk of a snapshot is asked for by its offset.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec

from interrex.core.storage import Entry
from interrex.elections.interface import MalformedPayload
from interrex.elections.reading import reader

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    target: Id
    source: Id
    term: Count


class PreVote(Envelope, frozen=True, tag=1):
    """Would you vote for me in ``term``? Promises nothing and changes nobody's term."""

    round: Count
    last_index: Count
    last_term: Count
    ended: Count

    @property
    def asked_epoch(self) -> int:
        return self.term

    @property
    def place(self) -> tuple[int, int, int]:
        """The most recent log comes first."""
        return -self.last_term, -self.last_index, self.source


class PreVoteAnswer(Envelope, frozen=True, tag=2):
    round: Count
    granted: bool


class PreVoteWithdrawn(Envelope, frozen=True, tag=3):
    """I hear a leader again: forget my question."""

    round: Count


class RequestVote(Envelope, frozen=True, tag=4):
    round: Count
    last_index: Count
    last_term: Count
    ended: Count


class Vote(Envelope, frozen=True, tag=5):
    round: Count
    granted: bool


class AppendEntries(Envelope, frozen=True, tag=6):
    prev_index: Count
    prev_term: Count
    commit: Count
    succession: tuple[Id, ...]
    entries: tuple[Entry, ...]


class AppendAccepted(Envelope, frozen=True, tag=7):
    """Everything up to ``matched`` is as the leader has it, and on this server's disk."""

    matched: Count


class AppendRefused(Envelope, frozen=True, tag=8):
    """Nothing fits at ``prev_index``; at ``hint_index`` it may, where my term is ``hint_term``."""

    prev_index: Count
    hint_index: Count
    hint_term: Count


class Advance(Envelope, frozen=True, tag=9):
    commit: Count


class Heartbeat(Envelope, frozen=True, tag=10):
    """``timeout``: how long to wait for the next; ``round_trip``: the measured one (both ns).
    ``round`` is 0 where no answer is wanted."""

    round: Count
    commit: Count
    timeout: Count
    round_trip: Count
    succession: tuple[Id, ...]


class HeartbeatAnswer(Envelope, frozen=True, tag=11):
    """``received`` is in this server's memory as the leader has it, ``matched`` also on disk."""

    round: Count
    received: Count
    matched: Count


class InstallSnapshot(Envelope, frozen=True, tag=12):
    """One chunk of the snapshot after (``index``, ``epoch``), ``total`` bytes long in all."""

    index: Count
    epoch: Count
    offset: Count
    total: Count
    data: bytes


class SnapshotWanted(Envelope, frozen=True, tag=13):
    """Send me the chunk of that snapshot which begins at ``offset``."""

    index: Count
    offset: Count


class TimeoutNow(Envelope, frozen=True, tag=14):
    """Campaign at once: I, the leader of this term, hand over."""


class NewerTerm(Envelope, frozen=True, tag=15):
    """Your term is over: tells a leader that a server has moved on."""


Message = (
    PreVote
    | PreVoteAnswer
    | PreVoteWithdrawn
    | RequestVote
    | Vote
    | AppendEntries
    | AppendAccepted
    | AppendRefused
    | Advance
    | Heartbeat
    | HeartbeatAnswer
    | InstallSnapshot
    | SnapshotWanted
    | TimeoutNow
    | NewerTerm
)


def _check_entries(message: AppendEntries) -> None:
    index, term = message.prev_index, message.prev_term
    for entry in message.entries:
        index += 1
        if entry.index != index or not term <= entry.epoch <= message.term:
            raise MalformedPayload(f"AppendEntries out of order at index {entry.index}")
        term = entry.epoch


encode: Callable[[Message], bytes] = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes], Message] = reader(
    "Raft",
    msgspec.msgpack.Decoder(Message).decode,
    {AppendEntries: _check_entries},
)
