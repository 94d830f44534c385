"""Connections between workers: one a pair, dialed again and again while there is none.

As in production, a connection keeps order and loses nothing while it lives: loss shows as stalls
and, when it lasts, as the connection's end. Either end may learn of that end at another time, or
not before the next connection takes the old one's place, or what is sent is answered by a reset.
Where the conditions say so what a process sent last ends with it, up to all that its peer has not
read, but never a part from amid that. Where they say ``datagrams``, the election's mail alone is
also lost, doubled and overtaken.
"""

from collections.abc import Mapping
from typing import Protocol

from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Known
from interrex.core.time import MS, S
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.plan import Conditions
from interrex.worker.interface import (
    Introduced,
    MessageReceived,
    NotKnown,
    PeerJoined,
    PeerLeft,
    WorkerEvent,
)

FIRST_PAUSE = 5 * MS
LONGEST_PAUSE = 1 * S
STEADY = 1 * S
RETRANSMIT = 200 * MS
"""How long (ns) the first lost packet of a stream holds up what comes after it, at least."""
MOST_RETRANSMITS = 6
KEPT_AT_MOST = 4096
"""Messages that may wait in a connection whose packets do not arrive; more end it."""


class Peer(Protocol):
    """A worker's process as the network sees it."""

    worker: WorkerName
    host: HostName
    life: int
    member: int
    alive: bool
    known: dict[WorkerName, "Peer"]
    """The process that last was each peer: the kernel can tell its death, on one machine."""

    @property
    def answers(self) -> bool:
        """Whether it greets now: it runs, and its loop turns."""

    @property
    def known_as_of(self) -> int:
        """The index of the state that says whom it looks for."""

    @property
    def is_led(self) -> bool:
        """Whether it follows a leader."""

    @property
    def introduction(self) -> Known | None:
        """Whom there is by its state."""

    def knows(self, worker: WorkerName) -> bool:
        """Whether this is the name of a worker that it looks for."""

    def post(self, event: WorkerEvent) -> None:
        """Let it take an event."""

    def unread(self, sender: WorkerName) -> int:
        """How many messages of a peer wait for its loop to turn."""

    def lose_unread(self, sender: WorkerName, count: int) -> None:
        """The last so many of these are gone with their connection."""


class Lane:
    """One direction between two workers: what may happen to what is sent that way."""

    __slots__ = ("cuts", "doubled", "extra", "loss", "overtaken", "typical")

    def __init__(self, typical: int) -> None:
        self.typical = typical
        self.cuts = 0
        self.extra = 0
        self.loss = 0
        self.doubled = 0
        self.overtaken = 0

    def worsen(self, values: Mapping[str, int], times: int) -> None:
        """Add these numbers so many times: less than none takes them away again."""
        self.extra += times * values["extra"]
        self.loss += times * values["loss"]
        self.doubled += times * values["doubled"]
        self.overtaken += times * values["overtaken"]


class Connection:
    """One connection, with each end's own belief in it.

    ``up`` holds, by worker, when its end came up; an end that is closed is not in it. ``last`` is
    when the last bytes arrive at a worker; ``kept`` what waits for a lane to be open again;
    ``under_way`` how many messages have not arrived there yet, and ``lost`` how many of these, the
    last ones, never do.
    """

    __slots__ = ("began", "broken", "kept", "last", "lost", "nodes", "under_way", "up")

    def __init__(self, one: Peer, other: Peer, began: int) -> None:
        self.nodes = {one.worker: one, other.worker: other}
        self.began = began
        self.up: dict[WorkerName, int] = {}
        self.last = {one.worker: 0, other.worker: 0}
        self.kept: dict[WorkerName, list[WorkerEvent]] = {one.worker: [], other.worker: []}
        self.under_way = {one.worker: 0, other.worker: 0}
        self.lost = {one.worker: 0, other.worker: 0}
        self.broken = False


class Pair:
    """Two workers: their lanes, the connection each believes in, and the next attempt."""

    __slots__ = ("attempt", "believed", "failures", "lanes", "names")

    def __init__(self, one: WorkerName, other: WorkerName, typical: int) -> None:
        self.names = (one, other)
        self.lanes = {one: Lane(typical), other: Lane(typical)}
        """By sender."""
        self.believed: dict[WorkerName, Connection] = {}
        self.failures = 0
        self.attempt = 0

    def other(self, worker: WorkerName) -> WorkerName:
        return self.names[1] if worker == self.names[0] else self.names[0]

    @property
    def is_open(self) -> bool:
        return not any(lane.cuts for lane in self.lanes.values())


class Network:
    """All connections.

    Args:
        agenda, chance, conditions: the world's.
    """

    def __init__(self, agenda: Agenda, chance: Chance, conditions: Conditions) -> None:
        self._agenda = agenda
        self._chance = chance
        self._conditions = conditions
        self._homes: dict[WorkerName, HostName] = {}
        self._nodes: dict[WorkerName, Peer] = {}
        self._pairs: dict[WorkerName, dict[WorkerName, Pair]] = {}
        self.sent = 0
        self.lost = 0

    # Who is there

    def welcome(self, worker: WorkerName, host: HostName) -> None:
        """Make the lanes of a worker that exists from now on."""
        conditions = self._conditions
        mine: dict[WorkerName, Pair] = {}
        for other, home in self._homes.items():
            typical = conditions.near if home == host else conditions.far
            pair = Pair(other, worker, self._chance.spread(typical))
            for lane in pair.lanes.values():
                if conditions.datagrams:
                    lane.loss, lane.doubled = conditions.loss, conditions.doubled
                    lane.overtaken = conditions.overtaken
            mine[other] = self._pairs[other][worker] = pair
        self._homes[worker] = host
        self._pairs[worker] = mine

    def lane(self, sender: WorkerName, receiver: WorkerName) -> Lane:
        """The direction from one worker to another."""
        return self._pairs[sender][receiver].lanes[sender]

    def began(self, node: Peer) -> None:
        """A worker's process listens, and looks for the others."""
        self._nodes[node.worker] = node
        for pair in self._pairs[node.worker].values():
            pair.failures = 0
            self._try_soon(pair, self._chance.below(MS))

    def ended(self, node: Peer, silently: bool) -> None:
        """A process is gone, and often what it sent last; ``silently`` with its machine: nobody is
        told."""
        if self._nodes.get(node.worker) is node:
            del self._nodes[node.worker]
        for pair in self._pairs[node.worker].values():
            connection = pair.believed.pop(node.worker, None)
            if connection is not None:
                if self._chance.per_mille(self._conditions.cut_short):
                    self._lose_last(connection, node.worker, pair.other(node.worker))
                self._close(pair, connection, node.worker, silently)

    def _lose_last(self, connection: Connection, sender: WorkerName, to: WorkerName) -> None:
        """Of what a peer has not read, the last part is lost: a process that was killed had not
        written it all, its machine sends nothing again, and a reset, which answers whatever is
        sent to a process that is gone, takes what waits at the other end."""
        peer, under_way = connection.nodes[to], connection.under_way[to]
        lost = self._chance.below(under_way + peer.unread(sender) + 1)
        connection.lost[to] = min(lost, under_way)
        peer.lose_unread(sender, lost - connection.lost[to])

    def awake(self, node: Peer) -> None:
        """A process answers again: whoever waits for its greeting gets it now."""
        for pair in self._pairs[node.worker].values():
            self._try_soon(pair, self._chance.below(MS))

    def connected(self, worker: WorkerName, to: WorkerName) -> bool:
        """Whether a worker believes that it is connected with another."""
        return to in self._pairs.get(worker, {}) and worker in self._pairs[worker][to].believed

    # Sending

    def broadcast(self, node: Peer, payload: bytes) -> None:
        """Send to everybody that the process believes itself connected with."""
        for peer in self._pairs[node.worker]:
            self.send(node, peer, payload, mail=False)

    def send(self, node: Peer, to: WorkerName, payload: bytes, mail: bool) -> None:
        """Send to one peer; ``mail`` is the election's."""
        sender = node.worker
        pair = self._pairs[sender].get(to)
        connection = pair.believed.get(sender) if pair is not None else None
        if pair is None or connection is None:
            return
        self.sent += 1
        lane = pair.lanes[sender]
        if mail and self._conditions.datagrams:
            self._throw(pair, lane, sender, to, payload)
            return
        event = MessageReceived(sender, payload)
        if connection.broken:
            if pair.is_open:
                self._agenda.after(2 * lane.typical, self._lose, pair, connection, sender)
        elif lane.cuts:
            kept = connection.kept[to]
            kept.append(event)
            if len(kept) > KEPT_AT_MOST:
                self._agenda.after(0, self.reset, sender, to)
        else:
            self._put(lane, connection, to, event)

    def _put(self, lane: Lane, connection: Connection, to: WorkerName, event: WorkerEvent) -> None:
        agenda, chance = self._agenda, self._chance
        arrival = agenda.now + lane.typical + chance.exponential(lane.typical // 2 + 1) + lane.extra
        if lane.loss and chance.per_mille(lane.loss):
            arrival += self._stall(lane)
        arrival = max(arrival, connection.last[to] + 1)
        self._on_its_way(connection, to, event, arrival)

    def _on_its_way(
        self, connection: Connection, to: WorkerName, event: WorkerEvent, arrival: int
    ) -> None:
        connection.last[to] = arrival
        connection.under_way[to] += 1
        self._agenda.at(arrival, self._deliver, connection, to, event)

    def _stall(self, lane: Lane) -> int:
        """How long a lost packet and its repetitions hold a stream up."""
        stall = pause = RETRANSMIT
        for _ in range(MOST_RETRANSMITS):
            self.lost += 1
            if not self._chance.per_mille(lane.loss):
                break
            pause *= 2
            stall += pause
        return stall

    def _deliver(self, connection: Connection, to: WorkerName, event: WorkerEvent) -> None:
        under_way = connection.under_way[to]
        connection.under_way[to] = under_way - 1
        if to in connection.up and under_way > connection.lost[to]:
            connection.nodes[to].post(event)

    def _throw(
        self, pair: Pair, lane: Lane, sender: WorkerName, to: WorkerName, payload: bytes
    ) -> None:
        chance = self._chance
        if lane.cuts or chance.per_mille(lane.loss):
            self.lost += 1
            return
        for _ in range(2 if chance.per_mille(lane.doubled) else 1):
            delay = lane.typical + chance.exponential(lane.typical // 2 + 1) + lane.extra
            if chance.per_mille(lane.overtaken):
                delay += chance.exponential(20 * lane.typical + MS)
            self._agenda.after(delay, self._catch, pair, sender, to, payload)

    def _catch(self, pair: Pair, sender: WorkerName, to: WorkerName, payload: bytes) -> None:
        connection = pair.believed.get(to)
        if connection is not None and connection.up.get(to, self._agenda.now) < self._agenda.now:
            connection.nodes[to].post(MessageReceived(sender, payload))

    # Ends of connections

    def peers_changed(self, node: Peer) -> None:
        """A process looks for others than before: whom it knows no more is cut off."""
        for other, pair in self._pairs[node.worker].items():
            if not node.knows(other):
                self._agenda.after(0, self.reset, node.worker, other)
            elif node.worker not in pair.believed:
                self._try_soon(pair, self._chance.below(MS))

    def reset(self, at: WorkerName, peer: WorkerName) -> bool:
        """The connection ends at one end, with both processes alive; False where there is none."""
        pair = self._pairs[at][peer]
        connection = pair.believed.get(at)
        if connection is None:
            return False
        self._lose(pair, connection, at)
        self._close(pair, connection, at, silently=False)
        return True

    def _lose(self, pair: Pair, connection: Connection, at: WorkerName) -> None:
        """One end learns that its connection has ended."""
        if pair.believed.get(at) is not connection:
            return
        del pair.believed[at]
        if connection.up.pop(at, None) is not None:
            connection.nodes[at].post(PeerLeft(pair.other(at), proved_dead=False))
        steady = self._agenda.now - connection.began >= STEADY
        if steady:
            pair.failures = 0
        self._try_soon(pair, 0 if steady else self._pause(pair))

    def _close(self, pair: Pair, connection: Connection, by: WorkerName, silently: bool) -> None:
        """One end is closed: the other learns of it after what is under way, if packets arrive."""
        connection.broken = True
        connection.up.pop(by, None)
        other = pair.other(by)
        lane = pair.lanes[by]
        if silently or lane.cuts:
            return
        delay = lane.typical + self._chance.exponential(lane.typical // 2 + 1)
        lost = self._chance.one_in(4)  # a reset overtakes what is not read yet
        arrival = max(self._agenda.now + delay, 0 if lost else connection.last[other] + 1)
        self._agenda.at(arrival, self._lose, pair, connection, other)

    # Beginnings of connections

    def _pause(self, pair: Pair) -> int:
        pause = min(FIRST_PAUSE << min(max(pair.failures - 1, 0), 16), LONGEST_PAUSE)
        return pause // 2 + self._chance.below(pause // 2 + 1)

    def _try_soon(self, pair: Pair, delay: int) -> None:
        pair.attempt += 1
        self._agenda.after(delay, self._try, pair, pair.attempt)

    def _try(self, pair: Pair, attempt: int) -> None:
        if attempt != pair.attempt:
            return
        one, other = (self._nodes.get(name) for name in pair.names)
        if one is None or other is None:
            return  # who begins looks for the others
        if self._is_whole(pair, one, other):
            return
        pair.failures += 1
        if pair.is_open and one.answers and other.answers:
            strangers = self._refused(one, other) or self._refused(other, one)
            if not strangers:
                self._connect(pair, one, other)
                return
        self._try_soon(pair, self._pause(pair))

    def _refused(self, one: Peer, other: Peer) -> bool:
        """Whether one of them does not know the other, which is told so if it asks for it, and then
        says whom there is: between machines its certificate proves that it is of this cluster."""
        if one.knows(other.worker):
            return False
        if other.knows(one.worker):
            delay = self._pairs[one.worker][other.worker].lanes[one.worker].typical
            self._agenda.after(delay, other.post, NotKnown(one.known_as_of, one.is_led))
            known = other.introduction
            if known is not None and known.index > one.known_as_of and other.host != one.host:
                self._agenda.after(2 * delay, one.post, Introduced(other.worker, other.host, known))
        return True

    def _is_whole(self, pair: Pair, one: Peer, other: Peer) -> bool:
        first, second = (pair.believed.get(name) for name in pair.names)
        return (
            first is not None
            and first is second
            and not first.broken
            and first.nodes[one.worker] is one
            and first.nodes[other.worker] is other
        )

    def _connect(self, pair: Pair, one: Peer, other: Peer) -> None:
        """The greeting succeeds; each end takes it into use when it has heard the other."""
        connection = Connection(one, other, self._agenda.now)
        delay = pair.lanes[one.worker].typical + pair.lanes[other.worker].typical
        for node in (one, other):
            arrival = self._agenda.now + delay + self._chance.exponential(delay // 4 + 1)
            connection.last[node.worker] = arrival
            self._agenda.at(arrival, self._use, pair, connection, node.worker)

    def _use(self, pair: Pair, connection: Connection, at: WorkerName) -> None:
        """One end takes a connection into use, in place of an older one."""
        node, peer = connection.nodes[at], connection.nodes[pair.other(at)]
        here = node.alive and self._nodes.get(at) is node
        if not here or not node.knows(peer.worker):
            self._close(pair, connection, at, silently=False)
            return
        if connection.broken:
            self._try_soon(pair, self._pause(pair))
            return
        old = pair.believed.get(at)
        pair.believed[at] = connection
        connection.up[at] = self._agenda.now
        node.known[peer.worker] = peer
        if not peer.alive and peer.host == node.host:
            self._agenda.after(self._conditions.proof, self.proved_dead, node, peer)
        if old is not None:
            old.up.pop(at, None)
            old.broken = True
            node.post(PeerLeft(peer.worker, proved_dead=False))
        node.post(PeerJoined(peer.worker, peer.host, peer.member))

    # Faults

    def calm(self) -> None:
        """From now on, nothing is lost, doubled or overtaken by the conditions alone."""
        for mine in self._pairs.values():
            for pair in mine.values():
                for lane in pair.lanes.values():
                    lane.loss = lane.doubled = lane.overtaken = 0

    def cut(self, sender: WorkerName, receiver: WorkerName) -> None:
        """From now on nothing arrives that way. Cuts add up."""
        self.lane(sender, receiver).cuts += 1

    def mend(self, sender: WorkerName, receiver: WorkerName) -> None:
        """One cut less; when none is left, what waited arrives after it is sent again."""
        pair = self._pairs[sender][receiver]
        lane = pair.lanes[sender]
        lane.cuts -= 1
        if lane.cuts:
            return
        pause = RETRANSMIT // 4 + self._chance.below(RETRANSMIT)
        connection = pair.believed.get(receiver)
        if connection is not None and connection.broken:
            self._agenda.after(pause, self._lose, pair, connection, receiver)
        connection = pair.believed.get(sender)
        if connection is not None and connection.kept[receiver]:
            kept, connection.kept[receiver] = connection.kept[receiver], []
            last = max(connection.last[receiver], self._agenda.now + pause)
            for event in kept:
                last += 1
                self._on_its_way(connection, receiver, event, last)
        self._try_soon(pair, pause)

    def proved_dead(self, node: Peer, dead: Peer) -> None:
        """A process of the same machine learns from the kernel that a peer's is dead."""
        worker = dead.worker
        if not node.alive or node.known.get(worker) is not dead:
            return
        pair = self._pairs[node.worker][worker]
        connection = pair.believed.get(node.worker)
        if connection is not None:
            del pair.believed[node.worker]
            connection.up.pop(node.worker, None)
        node.post(PeerLeft(worker, proved_dead=True))
