"""What Paxos servers say to each other: one frozen struct per message, and their bytes.

Every message carries the member ids of both ends: a worker's name may outlive its member id, and
mail for another id is not ours. ``round`` is the newest round that its sender has seen, except in
``Ask`` and in a granted ``AskAnswer``, where it is the round that the sender of the question would
begin. With its sender, the round of ``Prepare`` and ``Accept`` is the ballot.

Source: "Paxos Made Simple", Lamport 2001 ("PMS"), 2.2 (prepare, accept, their answers), 2.3
(the distinguished learner tells the others), 3 (many instances under one phase 1); "Paxos Made
Live", Chandra, Griesemer, Redstone 2007 ("PML"), 5.2 (leases), 5.5 (catching up by snapshots).

Differs from the papers: a proposer says which ballots it holds itself, and a promise brings only
the values that it lacks, in several messages where they are long; one ``Accept`` carries the
values of many slots that follow one another, and ``Accepted`` answers for all up to a slot;
``Ask`` comes before ``Prepare``: may I? Refusals are sent, to end a duel sooner.
"""

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec

from interrex.core.storage import Entry
from interrex.elections.interface import MalformedPayload
from interrex.elections.reading import reader
from interrex.elections.replicated.payload import configuration_of

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Run = tuple[Positive, Count]
"""From this slot on, up to the next run, the accepted values are of this round (0: none)."""


class Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    target: Positive
    source: Positive
    round: Count


class Ask(Envelope, frozen=True, tag=1):
    """Would you promise me ``round``? I have learned all before ``start``. Promises nothing."""

    campaign: Count
    start: Positive
    ended: Count

    @property
    def asked_epoch(self) -> int:
        return self.round

    @property
    def place(self) -> tuple[int, int]:
        """Whoever has learned most comes first."""
        return -self.start, self.source


class AskAnswer(Envelope, frozen=True, tag=2):
    campaign: Count
    granted: bool


class AskWithdrawn(Envelope, frozen=True, tag=3):
    """I hear a leader again: forget my question."""

    campaign: Count


class Prepare(Envelope, frozen=True, tag=4):
    """Phase 1a for all slots from ``start`` on.

    ``held``: the rounds of what I have accepted there. ``ended``: the round whose leadership is
    known to be over (0: none).
    """

    campaign: Count
    start: Positive
    held: tuple[Run, ...]
    ended: Count


class Promise(Envelope, frozen=True, tag=5):
    """Phase 1b: I accept nothing of an earlier round any more.

    From ``start`` to ``end``, ``accepted`` are my values of a newer round than yours. I have
    accepted nothing behind ``last``, and learned all up to ``chosen``.
    """

    campaign: Count
    chosen: Count
    start: Positive
    end: Count
    last: Count
    accepted: tuple[Entry, ...]


class Refused(Envelope, frozen=True, tag=6):
    """No promise: it is another's, or the slots that you lack are no longer here."""

    campaign: Count


class Accept(Envelope, frozen=True, tag=7):
    """Phase 2a for the slots from ``start`` on. All up to ``chosen`` are chosen."""

    start: Positive
    chosen: Count
    succession: tuple[Positive, ...]
    values: tuple[bytes, ...]


class Accepted(Envelope, frozen=True, tag=8):
    """Phase 2b: up to ``matched`` I have accepted this round's values, or know the chosen ones,
    and they are on my disk."""

    matched: Count


class Chosen(Envelope, frozen=True, tag=9):
    chosen: Count


class Heartbeat(Envelope, frozen=True, tag=10):
    """``leads``: I may call myself leader. ``timeout``: how long to wait for the next;
    ``round_trip``: the measured one (both ns). ``beat`` is 0 where no answer is wanted."""

    leads: bool
    beat: Count
    chosen: Count
    timeout: Count
    round_trip: Count
    succession: tuple[Positive, ...]


class HeartbeatAnswer(Envelope, frozen=True, tag=11):
    """As in ``Accepted``: ``received`` is in this server's memory, ``matched`` also on disk."""

    beat: Count
    received: Count
    matched: Count


class InstallSnapshot(Envelope, frozen=True, tag=12):
    """One chunk of the snapshot after (``index``, ``epoch``), ``total`` bytes long in all.

    ``leads``: I lead this round, and make you learn. Otherwise: you asked for a promise, and lack
    what I can no longer tell you slot by slot.
    """

    leads: bool
    index: Count
    epoch: Count
    offset: Count
    total: Count
    data: bytes


class SnapshotWanted(Envelope, frozen=True, tag=13):
    """Send me the chunk of that snapshot which begins at ``offset``."""

    index: Count
    offset: Count


class TakeOver(Envelope, frozen=True, tag=14):
    """Prepare the next round at once: I, the leader of this one, hand over."""


class Preempted(Envelope, frozen=True, tag=15):
    """Your round is over: tells a leader that a server has promised a newer one."""


Message = (
    Ask
    | AskAnswer
    | AskWithdrawn
    | Prepare
    | Promise
    | Refused
    | Accept
    | Accepted
    | Chosen
    | Heartbeat
    | HeartbeatAnswer
    | InstallSnapshot
    | SnapshotWanted
    | TakeOver
    | Preempted
)


def _check_accept(message: Accept) -> None:
    _check_values(message.values)


def _check_promise(message: Promise) -> None:
    before = message.start - 1
    for entry in message.accepted:
        if not before < entry.index <= message.end or not 1 <= entry.epoch <= message.round:
            raise MalformedPayload(f"Promise out of order at slot {entry.index}")
        before = entry.index
    if not message.chosen <= message.last or message.end > max(message.last, message.start - 1):
        raise MalformedPayload("Promise that reaches behind its end")
    _check_values([entry.data for entry in message.accepted])


def _check_runs(message: Prepare) -> None:
    before = 0
    for start, _ in message.held:
        if start <= before:
            raise MalformedPayload(f"Prepare out of order at slot {start}")
        before = start


def _check_values(values: Iterable[bytes]) -> None:
    try:
        for value in values:
            configuration_of(Entry(0, 0, value))
    except msgspec.DecodeError as error:
        raise MalformedPayload(f"a value that claims to be a configuration: {error}") from error


encode: Callable[[Message], bytes] = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes], Message] = reader(
    "Paxos",
    msgspec.msgpack.Decoder(Message).decode,
    {Accept: _check_accept, Promise: _check_promise, Prepare: _check_runs},
)
