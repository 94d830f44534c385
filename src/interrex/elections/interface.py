"""What every election offers a worker: one entry point, these events in, these effects out.

An election decides who leads, numbers the leaderships (epochs), and keeps the replicated state:
an ordered sequence of opaque changes that every worker sees in the same order. It is a pure
state machine. Peers are named by their worker's name; payloads are the election's own bytes.
"""

from typing import Protocol, runtime_checkable

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.spec import Timing
from interrex.core.storage import Record
from interrex.elections.guarantees import Guarantees

NOTHING_LOST = "nothing is lost that it could not go on without"


class MalformedPayload(Exception):  # noqa: N818
    """A peer sent bytes that are no message of this election: end the connection."""


# Events


class PayloadReceived(msgspec.Struct, frozen=True):
    sender: WorkerName
    payload: bytes


class PeerConnected(msgspec.Struct, frozen=True):
    """A peer said hello; ``member`` is the identity under which its log votes."""

    peer: WorkerName
    member: int


class PeerLost(msgspec.Struct, frozen=True):
    """The connection to a peer is gone: suspicion only, unless its process is proved dead."""

    peer: WorkerName
    proved_dead: bool


class Persisted(msgspec.Struct, frozen=True):
    """Everything up to and including the ``Persist`` with this token is on disk."""

    token: int


class Propose(msgspec.Struct, frozen=True):
    """Ask the leader to append a change; settled by ``ProposalSettled`` with the same id."""

    change: ChangeId
    data: bytes


class ConfirmRead(msgspec.Struct, frozen=True):
    """Ask for proof that this worker still leads and has applied all that was acknowledged."""

    read: int


class StepDown(msgspec.Struct, frozen=True):
    """Hand leadership to a named worker, or to the one best placed."""

    successor: WorkerName | None = None


class SnapshotTaken(msgspec.Struct, frozen=True):
    """The state after ``index``, asked for by ``TakeSnapshot``."""

    index: int
    data: bytes


class ReplaceMember(msgspec.Struct, frozen=True):
    """Let a worker vote under this identity, in place of any that it had before.

    ``member`` None takes the worker's vote away. Settled by ``ProposalSettled``.
    """

    change: ChangeId
    worker: WorkerName
    member: int | None


class TimesChanged(msgspec.Struct, frozen=True):
    """The replicated state asks for other times than this election goes by. They fit together."""

    timing: Timing


class Told(msgspec.Struct, frozen=True):
    """What the coordination service said to the ``Ask`` of this number: exactly once for each, also
    where it could not be asked. The answer is a struct of the election's own."""

    request: int
    answer: msgspec.Struct


class Noticed(msgspec.Struct, frozen=True):
    """What the coordination service's client says by itself: a struct of the election's own."""

    news: msgspec.Struct


class EpochObeyed(msgspec.Struct, frozen=True):
    """This worker has obeyed a command of an epoch that its election has not seen, and obeys nobody
    of an older one any more: whoever leads in an older one leads without effect here.

    Where an epoch is on a majority's disks, or agreed outside, before anybody leads in it, every
    later leadership is above it anyway: such an election has nothing to do.
    """

    epoch: int


class BeginAnew(msgspec.Struct, frozen=True):
    """A person says to go on without what the coordination service has lost: put what this worker
    knows in its place. Only ``Renewable`` elections take it, and only without an objection."""


class WakeUp(msgspec.Struct, frozen=True):
    """The time in ``wake_at`` has come."""


ElectionEvent = (
    PayloadReceived
    | PeerConnected
    | PeerLost
    | Persisted
    | Propose
    | ConfirmRead
    | StepDown
    | SnapshotTaken
    | ReplaceMember
    | TimesChanged
    | Told
    | Noticed
    | EpochObeyed
    | BeginAnew
    | WakeUp
)


# Effects


class SendPayload(msgspec.Struct, frozen=True):
    to: WorkerName
    payload: bytes


class Persist(msgspec.Struct, frozen=True):
    """Write these records in order, sync, then answer ``Persisted(token)``. Tokens only rise."""

    token: int
    records: tuple[Record, ...]


class Committed(msgspec.Struct, frozen=True):
    """The next change of the agreed sequence; indices rise, and may have gaps."""

    index: int
    data: bytes


class Restored(msgspec.Struct, frozen=True):
    """Replace the whole state by this snapshot's.

    ``goes_to``: up to which index whoever sent it has changes that follow, where that is said.
    """

    index: int
    data: bytes
    goes_to: int = 0


class TakeSnapshot(msgspec.Struct, frozen=True):
    """The log has grown: answer ``SnapshotTaken`` with the state after ``index``."""

    index: int


class ProposalSettled(msgspec.Struct, frozen=True):
    """What became of a proposal.

    ``index`` is set when it is committed. None: this worker cannot tell (not the leader, or no
    longer): ask again with the same id, it is applied once.
    """

    change: ChangeId
    index: int | None
    reason: str = ""


class ChangesLost(msgspec.Struct, frozen=True):
    """Changes that may have been acknowledged are not in the state that this worker takes over.

    Only an election that is not ``durable`` says so, when sides that had leaders of their own
    merge. It comes before the ``Restored`` that replaces what was handed out: all of that with an
    index above ``after`` is lost, and so are ``changes``, which were not handed out yet. Whoever
    asks for one of them again, with the same id, gets it applied.
    """

    after: int
    changes: tuple[ChangeId, ...]


class ReadConfirmed(msgspec.Struct, frozen=True):
    read: int
    confirmed: bool


class Ask(msgspec.Struct, frozen=True):
    """Put a question to the coordination service (etcd, ZooKeeper), answered by ``Told``.

    Only elections that rest on one ask. Numbers rise; the question is a struct of the election's
    own, which its adapter in the runtime understands.
    """

    request: int
    question: msgspec.Struct


class RaiseEpoch(msgspec.Struct, frozen=True):
    """Let this worker obey no command of an older epoch from now on, then answer
    ``Persisted(token)`` when that holds after a restart, too.

    Only an election that fences says so: before it leads it has every receiver do this. Tokens
    rise as those of ``Persist`` do.
    """

    token: int
    epoch: int


class LeaderChanged(msgspec.Struct, frozen=True):
    """Who leads as far as this worker knows; sent whenever leader or epoch changes.

    A worker that leads itself is announced only once its leadership is safe to act on.
    """

    leader: WorkerName | None
    epoch: int
    reason: str


ElectionEffect = (
    SendPayload
    | Persist
    | Committed
    | Restored
    | TakeSnapshot
    | ProposalSettled
    | ChangesLost
    | ReadConfirmed
    | Ask
    | RaiseEpoch
    | LeaderChanged
)


class Member(msgspec.Struct, frozen=True):
    """One voter, as the election sees it. ``matched`` is its last known log index."""

    worker: WorkerName
    member: int
    matched: int


class Election(Protocol):
    """A pure election core. ``step`` is its only mutating entry."""

    @property
    def guarantees(self) -> Guarantees:
        """What it promises as it is configured."""

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows."""

    @property
    def epoch(self) -> int:
        """The newest epoch this worker has seen."""

    @property
    def leading(self) -> bool:
        """Whether this worker leads, confirmed and inside its own deadline."""

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The voters, by worker name."""

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of this election.
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """


@runtime_checkable
class Foreseeing(Protocol):
    """An election in which a worker may know who leads next before anybody does."""

    @property
    def heir(self) -> WorkerName | None:
        """Who may win the newest epoch, as far as this worker has a say in it: itself while it
        stands, or to whom it has given its vote. None where nobody does, or somebody leads it.
        It promises nothing."""


@runtime_checkable
class Explaining(Protocol):
    """An election that knows of more that can keep everybody from leading than absent voters."""

    @property
    def hindrance(self) -> str:
        """Why nobody can lead, as far as is known here, and what to do; empty where nothing is."""

    @property
    def obstacle(self) -> str:
        """Why no change can be made before somebody acts, also by a leader, and what to do; empty
        where nothing is, or where it may pass by itself."""


@runtime_checkable
class Renewable(Protocol):
    """An election whose log may be lost while workers run that know it."""

    @property
    def objection(self) -> str:
        """Why the log cannot be begun anew from what this worker knows, and what can be done;
        ``NOTHING_LOST`` where it need not be, empty where it can."""
