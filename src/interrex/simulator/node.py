"""One life of a worker's process: the simulator's interpreter of one Worker's effects.

It does what ``runtime.node`` does, without a loop: events are stepped one at a time, in order, and
what they ask for is performed in list order; every answer comes later, from the agenda.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from interrex.core.ids import HostName, WorkerName
from interrex.core.journal import Note
from interrex.core.messages import ElectionMail, Known, encode
from interrex.core.time import MS
from interrex.elections.interface import Ask, Persist, Persisted
from interrex.simulator.agenda import StandsStill
from interrex.simulator.chance import Chance
from interrex.simulator.coordination.ensemble import Client
from interrex.simulator.disk import Disk
from interrex.simulator.machine import Machine
from interrex.simulator.network import Network, Peer
from interrex.simulator.observation import Cause
from interrex.supervision.interface import (
    Claim,
    Forget,
    Probe,
    Release,
    Signal,
    Spawn,
    Sweep,
)
from interrex.worker.interface import (
    Answer,
    Disconnect,
    DiskFull,
    EndWorker,
    FollowRoutes,
    Leave,
    MessageReceived,
    Remember,
    Send,
    StartWorker,
    TakeNewIdentity,
    WakeUp,
    WorkerEvent,
)
from interrex.worker.worker import Worker

if TYPE_CHECKING:
    from interrex.simulator.world import World

_LATENESS_BITS = 16
"""A timer is late by up to 2**16 ns: the loop has other things to do."""
WAKES_IN_VAIN = 1000
"""A core that asks so often in a row, just woken, to be woken at once never stops asking."""

Performer = Callable[[Any], None]


class Node:
    """A worker's process. Until its ``core`` is there it holds its lock and reads its log.

    Args:
        world: what its effects act upon.
        worker: who it is; ``life`` numbers this start of it, over the whole world.
        machine, disk, network: its own.
        pid: of the process, which may live several lives.
    """

    def __init__(
        self,
        world: "World",
        worker: WorkerName,
        life: int,
        pid: int,
        machine: Machine,
        disk: Disk,
        network: Network,
        chance: Chance,
    ) -> None:
        self._world = world
        self._agenda = world.agenda
        self._network = network
        self._chance = chance
        self.worker = worker
        self.host: HostName = machine.name
        self.life = life
        self.pid = pid
        self.machine = machine
        self.disk = disk
        self.alive = True
        self.core: Worker | None = None
        self.client: Client | None = None
        """Asks the coordination service, where the election rests on one."""
        self.member = 0
        self.known: dict[WorkerName, Peer] = {}
        self.stops = 0
        """Why it does not run: it is stopped, or its loop hangs. Each reason counts once."""
        self.step_takes = 0
        """How long (ns) its loop is busy with one event."""
        self.dies_within_step = -1
        """After so many more effects it is killed, wherever in a list that is."""
        self._peers_known: dict[WorkerName, HostName] = {}
        self._free_at = 0
        self._inbox: deque[tuple[WorkerEvent, int]] = deque()
        """What waits, and since when (ns)."""
        self._wake_at: int | None = None
        self._timer = 0
        self._in_vain = 0
        self._performers = self._make_performers()

    def _make_performers(self) -> dict[type, Performer]:
        machine = self.machine
        return {
            Persist: self._persist,
            Ask: self._ask,
            Send: self._send,
            Note: self._world.noted,
            Claim: lambda effect: machine.claim(self, effect),
            Release: lambda effect: machine.release(self, effect),
            Forget: lambda effect: machine.forget(self, effect),
            Spawn: lambda effect: machine.spawn(self, effect),
            Signal: lambda effect: machine.signal(self, effect),
            Sweep: lambda effect: machine.sweep(self, effect),
            Probe: lambda effect: machine.probe(self, effect),
            FollowRoutes: lambda effect: machine.follow(self, effect),
            StartWorker: lambda effect: self._world.launch(effect.worker, self.host),
            EndWorker: self._end_worker,
            Disconnect: self._disconnect,
            Answer: lambda effect: self._world.clients.answered(self, effect),
            TakeNewIdentity: self._take_new_identity,
            Remember: lambda effect: machine.keep(effect.known),
            Leave: lambda effect: self._world.leave(self, effect.reason),
        }

    # What the network asks

    @property
    def answers(self) -> bool:
        """Whether it greets now: it runs, and its loop turns."""
        return self.core is not None and not self.stops

    @property
    def known_as_of(self) -> int:
        """The index of the state that says whom it looks for."""
        return self.core.state.index if self.core is not None else -1

    @property
    def is_led(self) -> bool:
        """Whether it follows a leader."""
        return self.core is not None and self.core.election.leader is not None

    @property
    def introduction(self) -> Known | None:
        """Whom there is by its state."""
        return self.core.acquaintances.introduction(self.core.state) if self.core else None

    def knows(self, worker: WorkerName) -> bool:
        """Whether it looks for a worker of this name."""
        core = self.core
        return core is not None and worker in core.acquaintances.workers(core.state)

    # Events

    def post(self, event: WorkerEvent) -> None:
        """Let the core take an event, now or as soon as its loop turns."""
        if not self.alive:
            return
        if self.stops or self._inbox or self._free_at > self._agenda.now:
            self._inbox.append((event, self._agenda.now))
        else:
            self._take(event, self._agenda.now)

    def unread(self, sender: WorkerName) -> int:
        """How many messages of a peer wait for the loop to turn."""
        return sum(_is_from(sender, event) for event, _ in self._inbox)

    def lose_unread(self, sender: WorkerName, count: int) -> None:
        """The last so many of these are gone with their connection."""
        kept: deque[tuple[WorkerEvent, int]] = deque()
        for event, since in reversed(self._inbox):
            if count and _is_from(sender, event):
                count -= 1
            else:
                kept.appendleft((event, since))
        self._inbox = kept

    def _take(self, event: WorkerEvent, since: int) -> None:
        core = self.core
        assert core is not None
        now = self.machine.clock.read(self._agenda.now)
        effects = core.step(event, now)
        self._world.stepped(self, core, event, effects, now, since)
        performers = self._performers
        for effect in effects:
            performers[type(effect)](effect)
            if self.dies_within_step >= 0:
                self._count_down()
            if not self.alive:
                return
        known = core.acquaintances.workers(core.state)
        if known != self._peers_known:
            self._peers_known = dict(known)
            self._world.knows(core.state)
            self._network.peers_changed(self)
        wake_at = core.wake_at
        if wake_at != self._wake_at:
            self._wake_at = wake_at
            self._set_timer(now)
        if self.step_takes:
            self._free_at = self._agenda.now + self._chance.spread(self.step_takes)
            self._agenda.at(self._free_at, self._go_on)

    def _count_down(self) -> None:
        self.dies_within_step -= 1
        if self.dies_within_step < 0:
            self._world.end(self, Cause.FAULT, "killed between two effects")

    def _go_on(self) -> None:
        """Take what has waited, one at a time while each takes time."""
        while self._inbox and self.alive and not self.stops:
            if self._free_at > self._agenda.now:
                return
            self._take(*self._inbox.popleft())

    # The timer

    def _set_timer(self, now: int) -> None:
        """In whole milliseconds, rounded up, as the real loop counts them."""
        self._timer += 1
        if self._wake_at is not None:
            delay = -((now - self._wake_at) // MS) * MS if self._wake_at > now else 0
            due = self.machine.clock.when(now + delay) + self._chance.getrandbits(_LATENESS_BITS)
            self._agenda.at(max(due, self._agenda.now), self._ring, self._timer)

    def _ring(self, timer: int) -> None:
        if timer != self._timer or not self.alive or self._wake_at is None:
            return
        now = self.machine.clock.read(self._agenda.now)
        if now < self._wake_at:
            self._set_timer(now)
        else:
            self._wake_at = None
            self.post(WakeUp())
            self._look_whether_it_helped(now)

    def _look_whether_it_helped(self, now: int) -> None:
        """Raises StandsStill where the core only ever asks to be woken at once."""
        self._in_vain += 1
        if self._wake_at is None or self._wake_at > now:
            self._in_vain = 0
        elif self._in_vain >= WAKES_IN_VAIN:
            raise StandsStill(
                f"{self.worker} was woken {self._in_vain} times in a row, and each time asked to "
                f"be woken at once: it is {now} by its clock, and it asks for {self._wake_at}"
            )

    def clock_changed(self) -> None:
        """Its clock runs at another rate: the timer is set anew."""
        if self.alive and self._wake_at is not None:
            self._set_timer(self.machine.clock.read(self._agenda.now))

    # Faults

    def stop(self) -> None:
        """The process is stopped, or its loop hangs: what comes meanwhile waits."""
        self.stops += 1

    def go_on(self) -> None:
        """One reason less to stand still."""
        self.stops -= 1
        if self.stops or not self.alive or self.core is None:
            return
        if self._inbox and type(self._inbox[-1][0]) is WakeUp and self._chance.one_in(2):
            self._inbox.rotate(1)  # the loop may look at its timers first
        self._agenda.after(0, self._go_on)
        self._network.awake(self)

    # Effects

    def _persist(self, effect: Persist) -> None:
        self.disk.submit(effect.token, effect.records)

    def _ask(self, effect: Ask) -> None:
        assert self.client is not None
        self.client.ask(effect)

    def persisted(self, token: int) -> None:
        """The disk has it."""
        self.post(Persisted(token))

    def disk_full(self) -> None:
        """What is to be written waits for space."""
        self.post(DiskFull())

    def disk_failed(self, reason: str) -> None:
        """What is on disk is unknown: the process ends itself."""
        self._world.end(self, Cause.OWN, reason)

    def _send(self, effect: Send) -> None:
        message, to = effect.message, effect.to
        if to is None:
            self._network.broadcast(self, encode(message))
        else:
            self._network.send(self, to, encode(message), type(message) is ElectionMail)

    def _disconnect(self, effect: Disconnect) -> None:
        self._agenda.after(0, self._network.reset, self.worker, effect.peer)

    def _end_worker(self, effect: EndWorker) -> None:
        """Through its pidfd: exactly the process that said hello, if it is on this machine."""
        peer = self.known.get(effect.worker)
        if isinstance(peer, Node) and peer.alive and peer.host == self.host:
            self._world.end(peer, Cause.PEER, f"killed by {self.worker} for being silent")

    def _take_new_identity(self, effect: TakeNewIdentity) -> None:
        self.disk.disown()
        self._world.end(self, Cause.OWN, f"back under a new identity: {effect.reason}", again=True)


def _is_from(sender: WorkerName, event: WorkerEvent) -> bool:
    return type(event) is MessageReceived and event.sender == sender
