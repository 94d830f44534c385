"""What a worker hears from the world and asks of it.

The runtime interprets these effects with real sockets, disks and processes, the simulator with
simulated ones. Effects are performed in list order.
"""

import msgspec

from interrex.core.ids import ChangeId, HostName, SlotName, WorkerName
from interrex.core.journal import Note
from interrex.core.messages import Known, PeerMessage
from interrex.core.routes import RouteTable
from interrex.core.state import Operation
from interrex.elections.interface import Ask, Noticed, Persist, Persisted, Told
from interrex.supervision.interface import SupervisionEffect, SupervisionEvent

# Events


class Started(msgspec.Struct, frozen=True):
    """The first event: the runtime is ready to perform effects."""


class PeerJoined(msgspec.Struct, frozen=True):
    """A peer said hello; ``member`` is the identity under which its log votes."""

    peer: WorkerName
    host: HostName
    member: int


class PeerLeft(msgspec.Struct, frozen=True):
    """The connection to a peer is gone; ``proved_dead`` when its process handle says so."""

    peer: WorkerName
    proved_dead: bool


class MessageReceived(msgspec.Struct, frozen=True):
    sender: WorkerName
    payload: bytes


class NotKnown(msgspec.Struct, frozen=True):
    """A peer refuses this worker: its state, as of ``index``, names no worker of this name.

    ``led``: it follows a leader, so that its state is about as new as any.
    """

    index: int
    led: bool


class Introduced(msgspec.Struct, frozen=True):
    """A stranger proves to be of this cluster and on ``host``, and says whom there is by its state.
    It is refused still; once it is known, it is let in."""

    worker: WorkerName
    host: HostName
    known: Known


class DiskFull(msgspec.Struct, frozen=True):
    """The disk takes no more: what is to be written waits, in order. The next ``Persisted`` says
    that there is space again."""


class RoutesFollowed(msgspec.Struct, frozen=True):
    """A balancer follows this table (or does not: ``problem``); ``busy`` slots have requests.

    ``left_out`` says which services it follows all but, and why: it cannot listen for them.
    """

    slot: SlotName
    incarnation: int
    table: RouteTable
    busy: tuple[SlotName, ...]
    problem: str = ""
    left_out: str = ""


class ChangeAsked(msgspec.Struct, frozen=True):
    """A user asks this worker for a change, answered by ``Answer``."""

    request: int
    change: ChangeId
    operations: tuple[Operation, ...]


class ReadAsked(msgspec.Struct, frozen=True):
    """A user wants to read what is certainly current."""

    request: int


class HandOverAsked(msgspec.Struct, frozen=True):
    """A user wants another leader; None: whoever is best placed."""

    request: int
    successor: WorkerName | None


class BeginAnewAsked(msgspec.Struct, frozen=True):
    """A user says to go on without what the coordination service has lost."""

    request: int


class LeaveAsked(msgspec.Struct, frozen=True):
    """Stop everything supervised here, then end."""

    request: int


class WakeUp(msgspec.Struct, frozen=True):
    """The time in ``wake_at`` has come."""


UserRequest = ChangeAsked | ReadAsked | HandOverAsked | BeginAnewAsked | LeaveAsked

WorkerEvent = (
    Started
    | PeerJoined
    | PeerLeft
    | MessageReceived
    | Persisted
    | Told
    | Noticed
    | DiskFull
    | NotKnown
    | Introduced
    | SupervisionEvent
    | RoutesFollowed
    | UserRequest
    | WakeUp
)

# Effects


class Send(msgspec.Struct, frozen=True):
    """Send to a peer, or to every connected one where ``to`` is None."""

    to: WorkerName | None
    message: PeerMessage


class Disconnect(msgspec.Struct, frozen=True):
    """A peer sent nonsense: end the connection."""

    peer: WorkerName
    reason: str


class FollowRoutes(msgspec.Struct, frozen=True):
    """Bring a balancer's file and its running process in line: answered by ``RoutesFollowed``."""

    slot: SlotName
    incarnation: int
    table: RouteTable


class StartWorker(msgspec.Struct, frozen=True):
    """Start a worker of this host, unless its folder's lock is held."""

    worker: WorkerName


class EndWorker(msgspec.Struct, frozen=True):
    """Kill a worker of this host through its pidfd."""

    worker: WorkerName


class Answer(msgspec.Struct, frozen=True):
    """The answer to a user's request; ``refused``: nothing was done, and asking again as things
    are would change nothing."""

    request: int
    ok: bool
    text: str
    index: int | None = None
    refused: bool = False


class TakeNewIdentity(msgspec.Struct, frozen=True):
    """This worker's log was lost with its machine's disk: start again as a new member."""

    reason: str


class Remember(msgspec.Struct, frozen=True):
    """Keep for this host's workers whom there is: one that has lost its log is given it at its
    next start. Only a hint: it may be lost, and an older one never takes a newer one's place."""

    known: Known


class Leave(msgspec.Struct, frozen=True):
    """Everything is done: end this process. ``dismissed``: nobody asks for this worker any more."""

    reason: str
    dismissed: bool = False


WorkerEffect = (
    Persist
    | Ask
    | Send
    | Disconnect
    | SupervisionEffect
    | FollowRoutes
    | StartWorker
    | EndWorker
    | Answer
    | Note
    | TakeNewIdentity
    | Remember
    | Leave
)
