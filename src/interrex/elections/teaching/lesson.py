"""What the teaching elections share: who leads as far as a process knows, and nothing on disk."""

from collections.abc import Callable
from typing import Generic, TypeVar, assert_never

from interrex.core.ids import WorkerName
from interrex.elections.guarantees import Guarantees
from interrex.elections.interface import (
    BeginAnew,
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    EpochObeyed,
    LeaderChanged,
    Member,
    Noticed,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persisted,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
    SnapshotTaken,
    StepDown,
    TimesChanged,
    Told,
    WakeUp,
)

NO_LOG = "this election keeps no log"

LESSON = Guarantees(
    unique_epochs=False,
    fenced=False,
    durable=False,
    quorum=False,
    liveness="while nobody dies, nobody stops and no message is lost",
    clocks="none",
    caution="an election for learners: it tolerates no fault",
)

Message = TypeVar("Message")


class Lesson(Generic[Message]):
    """One process of a teaching election: the part of the contract that is the same for all.

    An election's own class says what it does when it begins, when it hears something, and when a
    neighbour is connected or lost. ``epoch`` is the number of the newest election heard of.

    Args:
        worker: this process' name.
        number: its unique number; the highest leads.
        decode: says what a payload means; raises MalformedPayload where it means nothing.
    """

    def __init__(self, worker: WorkerName, number: int, decode: Callable[[bytes], Message]) -> None:
        self._me = worker
        self._number = number
        self._decode = decode
        self._leader: WorkerName | None = None
        self._epoch = 0
        self._wake_at: int | None = 0
        self._effects: list[ElectionEffect] = []

    @property
    def guarantees(self) -> Guarantees:
        """Nothing that survives a fault."""
        return LESSON

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns): at once to begin, and where rounds go by the clock."""
        return self._wake_at

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this process knows."""
        return self._leader

    @property
    def epoch(self) -> int:
        """The number of the newest election that this process has heard of."""
        return self._epoch

    @property
    def leading(self) -> bool:
        """Whether it won. It never learns of having lost that."""
        return self._leader == self._me

    @property
    def deadline(self) -> int | None:
        """None: whoever won believes so for ever."""
        return None

    @property
    def members(self) -> tuple[Member, ...]:
        """Only itself: nobody knows all processes."""
        return (Member(self._me, self._number, 0),)

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of this election.
        """
        self._effects = []
        match event:
            case WakeUp():
                self._on_wake_up(now)
            case PayloadReceived(sender, payload):
                self._on_message(sender, self._decode(payload))
            case PeerConnected(peer):
                self._on_connected(peer)
            case PeerLost(peer):
                self._on_lost(peer)
            case Propose(change) | ReplaceMember(change):
                self._effects.append(ProposalSettled(change, None, NO_LOG))
            case ConfirmRead(read):
                self._effects.append(ReadConfirmed(read, confirmed=False))
            case StepDown() | Persisted() | SnapshotTaken() | TimesChanged():
                pass
            case Told() | Noticed() | EpochObeyed() | BeginAnew():
                pass
            case _:
                assert_never(event)
        return self._effects

    def _learn(self, leader: WorkerName | None, reason: str) -> None:
        self._leader = leader
        self._effects.append(LeaderChanged(leader, self._epoch, reason))

    def _on_wake_up(self, now: int) -> None:
        raise NotImplementedError

    def _on_message(self, sender: WorkerName, message: Message) -> None:
        raise NotImplementedError

    def _on_connected(self, peer: WorkerName) -> None:
        raise NotImplementedError

    def _on_lost(self, peer: WorkerName) -> None:
        raise NotImplementedError
