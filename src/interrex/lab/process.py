"""One life of a process in the lab: the interpreter of one election core's effects.

It does what ``simulator.node`` does for a whole worker: events are taken one at a time, what they
ask for is done in list order, and every answer comes later, from the agenda.
"""

from collections import deque
from typing import TYPE_CHECKING

from interrex.core.ids import HostName, WorkerName
from interrex.core.storage import SetFact
from interrex.core.time import MS
from interrex.elections.interface import (
    Ask,
    Election,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    Noticed,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persist,
    Persisted,
    RaiseEpoch,
    SendPayload,
    SnapshotTaken,
    TakeSnapshot,
    Told,
    WakeUp,
)
from interrex.simulator.coordination.ensemble import Client
from interrex.simulator.disk import Disk
from interrex.simulator.network import Network, Peer
from interrex.worker.interface import MessageReceived, PeerJoined, PeerLeft, WorkerEvent

if TYPE_CHECKING:
    from interrex.lab.world import World

MACHINE = HostName("local")
SERVICE = WorkerName("service")
"""The coordination service, among senders and receivers."""
NUMBER_BYTES = 8
"""Each message carries its number in the record in front; it is not counted as part of it."""


class Process:
    """A process. Until it has a ``core`` it only gets connected.

    Args:
        world: where it lives; ``worker`` is its name, ``life`` numbers it among all processes.
        member: its number.
        neighbours: whom it looks for.
        disk: its own.
    """

    def __init__(
        self,
        world: "World",
        worker: WorkerName,
        life: int,
        member: int,
        neighbours: tuple[WorkerName, ...],
        network: Network,
        disk: Disk,
    ) -> None:
        self._world = world
        self._network = network
        self._neighbours = frozenset(neighbours)
        self.worker = worker
        self.host = MACHINE
        self.life = life
        self.member = member
        self.disk = disk
        self.unproven = False
        self.alive = True
        self.known: dict[WorkerName, Peer] = {}
        self.core: Election | None = None
        self.client: Client | None = None
        """Asks the coordination service, where the election rests on one."""
        self.stops = 0
        """Whether it is stopped: 0 or 1."""
        self.asked: dict[int, int] = {}
        """The record's number of each question under way."""
        self.depth = 0
        """The deepest message that it has heard."""
        self._inbox: deque[ElectionEvent] = deque()
        self._wake_at: int | None = None
        self._timer = 0

    # What the network asks

    @property
    def answers(self) -> bool:
        """Whether it greets now."""
        return not self.stops

    @property
    def known_as_of(self) -> int:
        """It always knows the same."""
        return 0

    @property
    def is_led(self) -> bool:
        """It refuses nobody, and is never asked."""
        return False

    @property
    def introduction(self) -> None:
        """Nobody ever joins."""

    def knows(self, worker: WorkerName) -> bool:
        """Whether it looks for this one."""
        return worker in self._neighbours

    def unread(self, sender: WorkerName) -> int:
        """All that was sent arrives here."""
        return 0

    def lose_unread(self, sender: WorkerName, count: int) -> None:
        """All that was sent arrives here."""

    def post(self, event: WorkerEvent) -> None:
        """Take what the network says."""
        match event:
            case MessageReceived(sender, payload):
                number = int.from_bytes(payload[:NUMBER_BYTES], "big")
                self.depth = max(self.depth, self._world.arrived(number))
                self.tell(PayloadReceived(sender, payload[NUMBER_BYTES:]))
            case PeerJoined(peer, _, member):
                self.tell(PeerConnected(peer, member))
            case PeerLeft(peer, proved_dead):
                self.tell(PeerLost(peer, proved_dead))
            case Told(request):
                self.depth = max(self.depth, self._world.told(self, self.asked.pop(request), event))
                self.tell(event)
            case Noticed():
                self.depth = max(self.depth, self._world.noticed(self, event))
                self.tell(event)
            case _:
                pass  # the network tells a worker more than an election asks for

    # Events

    def begin(self, core: Election) -> None:
        """Let the core take what has come, and begin."""
        self.core = core
        self._go_on()
        self.tell(WakeUp())

    def tell(self, event: ElectionEvent) -> None:
        """Let the core take an event, now or as soon as the process runs."""
        if not self.alive:
            return
        if self.core is None or self.stops or self._inbox:
            self._inbox.append(event)
        else:
            self._take(self.core, event)

    def stop(self) -> None:
        """SIGSTOP: what comes meanwhile waits, timers do not ring."""
        self.stops = 1

    def go_on(self) -> None:
        """SIGCONT."""
        self.stops = 0
        self._network.awake(self)
        self._world.agenda.after(0, self._wake)

    def _wake(self) -> None:
        self._go_on()
        if self.core is not None and self.alive and not self.stops:
            self._world.stepped(self, self.core)

    def _go_on(self) -> None:
        while self._inbox and self.core is not None and self.alive and not self.stops:
            self._take(self.core, self._inbox.popleft())

    def _take(self, core: Election, event: ElectionEvent) -> None:
        now = self._world.now()
        for effect in core.step(event, now):
            self._perform(effect)
        self._world.stepped(self, core)
        if core.wake_at != self._wake_at:
            self._wake_at = core.wake_at
            self._set_timer(now)

    def _set_timer(self, now: int) -> None:
        """In whole milliseconds, rounded up, as the real loop counts them."""
        self._timer += 1
        if self._wake_at is not None:
            delay = -(-max(0, self._wake_at - now) // MS) * MS
            self._world.ring_at(now + delay, self._ring, self._timer)

    def _ring(self, timer: int) -> None:
        if timer == self._timer and self.alive:
            self._wake_at = None
            self.tell(WakeUp())

    # Effects

    def _perform(self, effect: ElectionEffect) -> None:
        match effect:
            case SendPayload(to, payload):
                self._send(to, payload)
            case Persist(token, records):
                self.disk.submit(token, records)
            case RaiseEpoch(token, epoch):
                self.disk.submit(token, (SetFact("epoch", epoch.to_bytes(8, "big")),))
            case TakeSnapshot(index):
                self._world.agenda.after(0, self.tell, SnapshotTaken(index, b""))
            case LeaderChanged():
                self._world.turned(self, effect)
            case Ask(request, question):
                assert self.client is not None, "only coordinated elections ask"
                self.asked[request] = self._world.sent(self, SERVICE, question)
                self.client.ask(effect)
            case _:
                pass  # there is no state here, and nobody who asks for changes

    def _send(self, to: WorkerName, payload: bytes) -> None:
        if self._network.connected(self.worker, to):
            number = self._world.sent(self, to, payload)
            self._network.send(self, to, number.to_bytes(NUMBER_BYTES, "big") + payload, mail=True)

    # What the disk says

    def persisted(self, token: int) -> None:
        """The disk has it."""
        self.tell(Persisted(token))

    def disk_full(self) -> None:
        """No disk of the lab is ever full."""
        raise NotImplementedError

    def disk_failed(self, reason: str) -> None:
        """No disk of the lab ever fails."""
        raise NotImplementedError
