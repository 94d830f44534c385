"""Several servers of an election in memory: a clock, a network and disks that a test holds in hand.

Nothing here is random by itself: latencies, losses and disk times are functions that a test gives.
A crash loses what was not yet on the disk; a restart builds a new core from what is.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, Generic, TypeVar

from interrex.core.errors import ensure
from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import (
    AppendEntries,
    Entry,
    Record,
    SaveSnapshot,
    SetFact,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.core.time import MS, US
from interrex.elections.interface import (
    Committed,
    Election,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persist,
    Persisted,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    Restored,
    SendPayload,
    SnapshotTaken,
    TakeSnapshot,
    WakeUp,
)


class MemoryDisk:
    """What a server's disk holds, by the storage contract."""

    def __init__(self) -> None:
        self.facts: dict[str, bytes] = {}
        self.snapshot: Snapshot | None = None
        self.entries: list[Entry] = []

    def write(self, record: Record) -> None:
        match record:
            case SetFact(key, value):
                self.facts[key] = value
            case AppendEntries(entries):
                for entry in entries:
                    last = self.entries[-1].index if self.entries else entry.index - 1
                    ensure(entry.index == last + 1, "entries are stored without gaps")
                    self.entries.append(entry)
            case TruncateFrom(index):
                self.entries = [entry for entry in self.entries if entry.index < index]
            case SaveSnapshot(snapshot, keep_after, discard_log):
                self.snapshot = snapshot
                self.entries = (
                    []
                    if discard_log
                    else [entry for entry in self.entries if entry.index > keep_after]
                )

    def stored(self) -> Stored:
        return Stored(dict(self.facts), self.snapshot, tuple(self.entries))

    def rounds(self) -> dict[int, int]:
        """The epoch of each entry, by its index."""
        return {entry.index: entry.epoch for entry in self.entries}


class Server:
    """One worker: its core while it lives, its disk for ever, and what the core said."""

    def __init__(self, name: str, member: int, disk: MemoryDisk | None = None) -> None:
        self.name = WorkerName(name)
        self.member = member
        self.disk = disk or MemoryDisk()
        self.writing: list[Persist] = []
        self.core: Election | None = None
        self.life = 0
        self.stopped = False
        self.inbox: list[ElectionEvent] = []
        self.disk_free_at = 0
        self.committed: list[tuple[int, bytes]] = []
        self.settled: dict[ChangeId, list[tuple[int | None, str]]] = {}
        self.reads: dict[int, bool] = {}
        self.changes: list[LeaderChanged] = []

    @property
    def election(self) -> Election:
        assert self.core is not None, f"{self.name} is dead"
        return self.core

    @property
    def data(self) -> list[bytes]:
        return [data for _, data in self.committed]

    def outcome(self, change: str) -> int | None:
        """At which index a change was settled first; None: it is not known what became of it."""
        return self.settled[ChangeId(change)][0][0]


AnyServer = TypeVar("AnyServer", bound=Server)
Delay = Callable[[AnyServer, AnyServer, Any], int | None]
Watcher = Callable[[AnyServer, ElectionEvent, Sequence[ElectionEffect]], None]


MAX_EVENTS = 300_000


class Network(Generic[AnyServer]):
    """The world of a test. Times are nanoseconds since its beginning.

    An election's own network says how its cores are made, and what their messages are.
    """

    epoch_word = "epoch"

    def __init__(
        self, size: int, *, seed: int = 1, genesis: Mapping[int, WorkerName] | None = None
    ) -> None:
        self.random = Random(seed)
        self.now = 0
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.servers = {WorkerName(f"w{n}"): self.server(f"w{n}", n) for n in range(1, size + 1)}
        self.genesis = (
            {server.member: server.name for server in self.servers.values()}
            if genesis is None
            else dict(genesis)
        )
        self.cut: set[tuple[WorkerName, WorkerName]] = set()
        self.latency: Delay[AnyServer] = lambda _from, _to, _message: 100 * US
        self.disk_time: Callable[[AnyServer], int | None] = lambda _server: 500 * US
        self.duplicate: Callable[[], bool] = lambda: False
        self.watchers: list[Watcher[AnyServer]] = []
        self.senders: list[Callable[[AnyServer, SendPayload], None]] = []
        self.trace: list[str] | None = None
        self.joined: set[WorkerName] = set()
        self.events = 0

    # What an election says

    def server(self, name: str, member: int) -> AnyServer:
        raise NotImplementedError

    def new_core(
        self,
        server: AnyServer,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> Election:
        """What a worker runs, from what its disk holds."""
        raise NotImplementedError

    def decode(self, payload: bytes) -> Any:
        """The message in a payload."""
        raise NotImplementedError

    def describe(self, message: Any) -> str:
        """A message in a line."""
        raise NotImplementedError

    # Servers

    def __getitem__(self, number: int) -> AnyServer:
        return self.servers[WorkerName(f"w{number}")]

    def start(self, *numbers: int) -> None:
        for server in [self[number] for number in numbers] or list(self.servers.values()):
            self.boot(server)

    def boot(self, server: AnyServer) -> None:
        """Starts a server from what its disk holds."""
        server.life += 1
        server.stopped = False
        server.writing.clear()
        server.inbox.clear()
        server.committed.clear()
        genesis = None if server.name in self.joined else self.genesis
        server.core = self.new_core(server, genesis, Random(self.random.getrandbits(64)))
        self.step(server, WakeUp())

    def join(self, number: int, member: int) -> AnyServer:
        """A worker with an empty disk, this member id and no genesis."""
        server = self.server(f"w{number}", member)
        old = self.servers.get(server.name)
        if old is not None:
            server.life = old.life
        self.servers[server.name] = server
        self.joined.add(server.name)
        self.boot(server)
        return server

    def kill(self, server: AnyServer, *, notice: int | None = None, proved: bool = True) -> None:
        """Ends a process; what it was writing is lost. The others hear of it after ``notice``."""
        server.core = None
        server.life += 1
        server.writing.clear()
        server.inbox.clear()
        if notice is not None:
            for other in self.alive():
                self.tell(other, PeerLost(server.name, proved), notice)

    def tell(self, server: AnyServer, event: ElectionEvent, delay: int = 0) -> None:
        """Gives a server an event later."""
        self.after(delay, self._teller(server, event))

    def _teller(self, server: AnyServer, event: ElectionEvent) -> Callable[[], None]:
        def tell() -> None:
            self.step(server, event)

        return tell

    def alive(self) -> list[AnyServer]:
        return [server for server in self.servers.values() if server.core is not None]

    def stop(self, server: AnyServer) -> None:
        """SIGSTOP: mail waits, timers do not fire."""
        server.stopped = True

    def resume(self, server: AnyServer) -> None:
        server.stopped = False
        self._arm(server)
        inbox, server.inbox = server.inbox, []
        for event in inbox:
            self.step(server, event)

    def connect_all(self) -> None:
        for server in self.alive():
            for other in self.alive():
                if other is not server:
                    self.step(server, PeerConnected(other.name, other.member))

    # Time

    def after(self, delay: int, action: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.now + delay, next(self._order), action))

    def run(self, duration: int) -> None:
        end = self.now + duration
        while self.queue and self.queue[0][0] <= end:
            self._next()
        self.now = end

    def run_until(self, condition: Callable[[], object], limit: int = 10_000 * MS) -> None:
        end = self.now + limit
        while not condition():
            if not self.queue or self.queue[0][0] > end:
                raise AssertionError(f"not reached within {limit // MS} ms")
            self._next()

    def _next(self) -> None:
        self.events += 1
        ensure(self.events < MAX_EVENTS, "traffic does not feed on itself")
        at, _, action = heapq.heappop(self.queue)
        self.now = max(self.now, at)
        action()

    def _arm(self, server: AnyServer) -> None:
        core = server.core
        wake_at = core.wake_at if core is not None else None
        if core is None or wake_at is None:
            return

        def wake() -> None:
            if server.core is core and not server.stopped and core.wake_at == wake_at:
                self.step(server, WakeUp())

        self.after(max(0, wake_at - self.now), wake)

    # Steps

    def step(self, server: AnyServer, event: ElectionEvent) -> list[ElectionEffect]:
        """Gives a server one event and performs what it answers."""
        if server.core is None:
            return []
        if server.stopped:
            server.inbox.append(event)
            return []
        core = server.core
        before = core.wake_at
        effects = core.step(event, self.now)
        for effect in effects:
            self._perform(server, effect)
        for watcher in self.watchers:
            watcher(server, event, effects)
        if core.wake_at != before:
            self._arm(server)
        return effects

    def _perform(self, server: AnyServer, effect: ElectionEffect) -> None:
        match effect:
            case SendPayload(to, payload):
                for sender in self.senders:
                    sender(server, effect)
                self._send(server, to, payload)
                if self.duplicate():
                    self._send(server, to, payload)
            case Persist():
                self._persist(server, effect)
            case Committed(index, data):
                server.committed.append((index, data))
            case Restored(index, data):
                server.committed[:] = _decode_state(data)
                ensure(not server.committed or server.committed[-1][0] <= index, "state order")
            case TakeSnapshot(index):
                data = encode_state(server.committed)
                self.tell(server, SnapshotTaken(index, data))
            case ProposalSettled(change, at, reason):
                server.settled.setdefault(change, []).append((at, reason))
                self._note(f"{server.name}: {change} settled at {at} {reason}".rstrip())
            case ReadConfirmed(read, confirmed):
                server.reads[read] = confirmed
            case LeaderChanged(leader, epoch, reason):
                server.changes.append(effect)
                self._note(
                    f"{server.name}: leader {leader} in {self.epoch_word} {epoch} ({reason})"
                )

    def _persist(self, server: AnyServer, persist: Persist) -> None:
        server.writing.append(persist)
        time = self.disk_time(server)
        if time is None:
            return  # stuck until a test calls ``finish_write``
        server.disk_free_at = max(server.disk_free_at, self.now) + time
        life = server.life

        def done() -> None:
            if server.life == life and persist in server.writing:
                self.finish_write(server)

        self.after(server.disk_free_at - self.now, done)

    def finish_write(self, server: AnyServer) -> None:
        """The oldest write reaches the disk, and the server hears of it."""
        persist = server.writing.pop(0)
        for record in persist.records:
            server.disk.write(record)
        self._note(f"{server.name}: stored {_describe_records(persist.records)}")
        self.step(server, Persisted(persist.token))

    def _send(self, server: AnyServer, to: WorkerName, payload: bytes) -> None:
        target = self.servers.get(to)
        message = self.decode(payload)
        if target is None:
            return
        delay = None if (server.name, to) in self.cut else self.latency(server, target, message)
        self._note(
            f"{server.name} -> {to}: {self.describe(message)}{'' if delay is not None else ' X'}"
        )
        if delay is not None:
            self.after(delay, lambda: self.deliver(server.name, to, payload))

    def deliver(self, sender: WorkerName, to: WorkerName, payload: bytes) -> None:
        """Mail arrives, at whoever bears the name now."""
        if (sender, to) not in self.cut:
            self.step(self.servers[to], PayloadReceived(sender, payload))

    def _note(self, line: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now / MS:9.3f}  {line}")

    # What tests ask for

    def partition(self, *groups: Sequence[int]) -> None:
        """Only servers of one group hear each other."""
        self.cut.clear()
        for group in groups:
            for other in groups:
                if group is not other:
                    self.cut |= {(self[a].name, self[b].name) for a in group for b in other}

    def heal(self) -> None:
        self.cut.clear()

    def leader(self) -> AnyServer | None:
        """The living leader of the newest term, if one leads."""
        leaders = [server for server in self.alive() if server.election.leading]
        return max(leaders, key=lambda server: server.election.epoch, default=None)

    def elect(self) -> AnyServer:
        """Runs until there is a leader that all living servers know."""
        self.run_until(self.agree)
        leader = self.leader()
        assert leader is not None
        return leader

    def agree(self) -> bool:
        leader = self.leader()
        return leader is not None and all(
            server.election.leader == leader.name and server.election.epoch == leader.election.epoch
            for server in self.alive()
            if not server.stopped
        )

    def propose(self, server: AnyServer, change: str, data: bytes | None = None) -> None:
        self.step(server, Propose(ChangeId(change), change.encode() if data is None else data))

    def followers(self, leader: AnyServer) -> list[AnyServer]:
        return [server for server in self.alive() if server is not leader]


def encode_state(committed: Sequence[tuple[int, bytes]]) -> bytes:
    return b"".join(
        index.to_bytes(8, "big") + len(data).to_bytes(4, "big") + data for index, data in committed
    )


def _decode_state(state: bytes) -> list[tuple[int, bytes]]:
    committed, at = [], 0
    while at < len(state):
        index, size = (
            int.from_bytes(state[at : at + 8], "big"),
            int.from_bytes(state[at + 8 : at + 12], "big"),
        )
        committed.append((index, state[at + 12 : at + 12 + size]))
        at += 12 + size
    return committed


def _describe_records(records: Sequence[Record]) -> str:
    parts = []
    for record in records:
        match record:
            case SetFact(key):
                parts.append(key)
            case AppendEntries(entries):
                parts.append(f"entries {entries[0].index}-{entries[-1].index}")
            case TruncateFrom(index):
                parts.append(f"truncation from {index}")
            case SaveSnapshot(snapshot):
                parts.append(f"snapshot {snapshot.index}")
    return ", ".join(parts)
