"""What Bully workers say to each other: one frozen struct per message, and their bytes.

``source`` is the sender's member id. ``epoch`` is the epoch that the message is about; in
``Election``, ``Answer`` and ``Refused`` it is the newest that the sender has seen.

Source: paper, section IV: AreYouUp and AreYouNormal (here Election, Answer), Halt, NewCoordinator
(Coordinator), Ready (Copy, WholeCopy).

Differs from the paper: calls that return are pairs of messages; who is halted says which copy it
holds; who refuses says why.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Entry
from interrex.elections.interface import MalformedPayload
from interrex.elections.reading import reader

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]

NOBODY = WorkerName("")


class Standing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The copy that a worker holds on its disk.

    ``runs``: (epoch, first version) of each stretch of versions that were made in one epoch, oldest
    first; ``version`` the last; ``commit`` up to where it is known to be acknowledged; ``seats``
    the highest seat that it has ever heard of.
    """

    runs: tuple[tuple[Count, Count], ...]
    version: Count
    commit: Count
    seats: Count

    @property
    def stamp(self) -> tuple[int, int]:
        """Orders copies: the newest epoch (which names its identity), then the version."""
        return (self.runs[-1][0] if self.runs else 0), self.version


class Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    source: Id
    epoch: Count


class Election(Envelope, frozen=True, tag=1):
    """I have lost the coordinator: are you up, and do you hear one? Changes nothing.

    ``round`` 0 is the greeting of a worker that has just started, and no reason to stand.
    ``ended``: the epoch whose coordinator is known to be gone for good, 0 for none.
    """

    round: Count
    ended: Count


class Answer(Envelope, frozen=True, tag=2):
    """I am up. ``above``: and above you, so leave it to me. ``leader``: whom I hear."""

    round: Count
    above: bool
    leader: WorkerName


class Halt(Envelope, frozen=True, tag=3):
    """Stop what you do: I form ``epoch``. ``appointed``: my predecessor named me."""

    round: Count
    ended: Count
    appointed: bool


class Halted(Envelope, frozen=True, tag=4):
    """I obey nobody of an older epoch any more, and this is my copy; both are on disk."""

    round: Count
    standing: Standing


class Refused(Envelope, frozen=True, tag=5):
    """No: ``refused`` is too old, or I am above you, or I hear ``leader``."""

    refused: Count
    above: bool
    leader: WorkerName


class Coordinator(Envelope, frozen=True, tag=6):
    """I lead this epoch. ``asks``: what copy do you hold?"""

    appointed: bool
    asks: bool


class Joined(Envelope, frozen=True, tag=7):
    standing: Standing


class Beat(Envelope, frozen=True, tag=8):
    """I live. ``timeout``: how long to wait for the next; ``round_trip`` the measured one (ns)."""

    number: Count
    commit: Count
    timeout: Count
    round_trip: Count
    appointed: bool


class BeatAnswer(Envelope, frozen=True, tag=9):
    """``received`` is in memory as the coordinator has it, ``matched`` on disk, too."""

    number: Count
    received: Count
    matched: Count


class Copy(Envelope, frozen=True, tag=10):
    """The increments behind (``prev_index``, ``prev_epoch``)."""

    prev_index: Count
    prev_epoch: Count
    commit: Count
    entries: tuple[Entry, ...]


class WholeCopy(Envelope, frozen=True, tag=11):
    """One chunk of the state at ``index``, last changed in ``stamp``, ``total`` bytes in all.

    ``history`` is of the sender's copy up to its last version: what of the receiver's is not in it
    is lost.
    """

    history: Standing
    index: Count
    stamp: Count
    offset: Count
    total: Count
    data: bytes


class ChunkWanted(Envelope, frozen=True, tag=12):
    index: Count
    offset: Count


class Copied(Envelope, frozen=True, tag=13):
    """Up to ``matched`` my disk holds your copy."""

    matched: Count


class Fetch(Envelope, frozen=True, tag=14):
    """Your copy is the newest: let me have what mine lacks."""

    standing: Standing


class HandOver(Envelope, frozen=True, tag=15):
    """Take over: I, the coordinator of this epoch, step down."""


Message = (
    Election
    | Answer
    | Halt
    | Halted
    | Refused
    | Coordinator
    | Joined
    | Beat
    | BeatAnswer
    | Copy
    | WholeCopy
    | ChunkWanted
    | Copied
    | Fetch
    | HandOver
)


def _check_entries(message: Copy) -> None:
    index, epoch = message.prev_index, message.prev_epoch
    for entry in message.entries:
        index += 1
        if entry.index != index or not epoch <= entry.epoch <= message.epoch:
            raise MalformedPayload(f"Copy out of order at version {entry.index}")
        epoch = entry.epoch


def _check_standing(standing: Standing) -> None:
    last = (-1, -1)
    for run in standing.runs:
        if run[0] <= last[0] or run[1] <= last[1] or run[1] > standing.version:
            raise MalformedPayload("the runs of a copy are not in order")
        last = run
    if standing.commit > standing.version:
        raise MalformedPayload("a copy that acknowledges more than it holds")


encode: Callable[[Message], bytes] = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes], Message] = reader(
    "Bully",
    msgspec.msgpack.Decoder(Message).decode,
    {
        Copy: _check_entries,
        WholeCopy: lambda copy: _check_standing(copy.history),
        **dict.fromkeys((Halted, Joined, Fetch), lambda one: _check_standing(one.standing)),
    },
)
