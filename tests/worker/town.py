"""A town: several workers on hosts in memory, with a clock, a network, disks and processes.

Small and exact: every message takes the same time, every disk write too. It interprets the very
effects that the runtime interprets.
"""

import heapq
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from random import Random

import msgspec

from interrex.core.ids import HostName, ServiceName, SlotName, WorkerName
from interrex.core.journal import Note
from interrex.core.messages import Known, PeerMessage, decode, encode
from interrex.core.routes import RouteTable
from interrex.core.spec import Bully as BullySpec
from interrex.core.spec import ClusterSpec, Expose, ServiceSpec
from interrex.core.state import genesis, workers_of
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
from interrex.core.time import MS, S
from interrex.elections.bully import Bully
from interrex.elections.interface import (
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    Persist,
    Persisted,
)
from interrex.elections.registry import new_election
from interrex.supervision.interface import (
    Claim,
    Claimed,
    ClaimOutcome,
    Exited,
    Forget,
    Probe,
    Probed,
    Release,
    Signal,
    Spawn,
    Spawned,
    Sweep,
    Swept,
)
from interrex.worker.interface import (
    Answer,
    Disconnect,
    DiskFull,
    EndWorker,
    FollowRoutes,
    Leave,
    MessageReceived,
    PeerJoined,
    PeerLeft,
    Remember,
    RoutesFollowed,
    Send,
    Started,
    StartWorker,
    WakeUp,
    WorkerEffect,
    WorkerEvent,
)
from interrex.worker.peers import pulse
from interrex.worker.worker import Worker

ELECTION = ContextVar("ELECTION", default="raft")
"""What the clusters of a test elect by; "bully-quorum" is bully with a quorum."""

DELAY = MS // 10
WRITE = MS // 5


class Process(msgspec.Struct):
    """One running replica."""

    slot: SlotName
    incarnation: int
    generation: int
    pid: int
    port: int
    epoch: int


class Host:
    """A machine: its replica processes, who holds their records, and whom its workers know."""

    def __init__(self) -> None:
        self.processes: dict[SlotName, Process] = {}
        self.records: dict[SlotName, Process] = {}
        self.locks: dict[SlotName, WorkerName] = {}
        self.starts: list[SlotName] = []
        self.known: Known | None = None

    def keep(self, known: Known) -> None:
        if self.known is None or self.known.index < known.index:
            self.known = known


class Disk:
    """What a worker's disk holds."""

    def __init__(self) -> None:
        self.facts: dict[str, bytes] = {}
        self.entries: list[Entry] = []
        self.snapshot: Snapshot | None = None

    def write(self, record: Record) -> None:
        match record:
            case SetFact():
                self.facts[record.key] = record.value
            case AppendEntries():
                self.entries += record.entries
            case TruncateFrom():
                self.entries = [e for e in self.entries if e.index < record.index]
            case SaveSnapshot():
                self.snapshot = record.snapshot
                keep = [] if record.discard_log else self.entries
                self.entries = [e for e in keep if e.index > record.keep_after]

    def stored(self) -> Stored:
        return Stored(dict(self.facts), self.snapshot, tuple(self.entries))


def _assert_remembers_rightly(worker: Worker) -> None:
    """What a worker keeps instead of counting it anew at every step is what it stands for."""
    reporter = worker._reporter
    report = [reporter._report_at] if reporter._changed else []
    assert reporter.wake_at == min([reporter._pulse_at, *report])
    assert reporter.ready_at == min([reporter._pulse_from, *report])
    assert worker._pulse == pulse(worker.state.spec.timing)
    assert worker._requests.open is worker._requests._submissions.open
    if isinstance(worker.election, Bully):
        assert worker._gate.highest <= worker.election.epoch


class Town:
    """The world of one cluster. Time moves only in ``run_until`` and ``run_for``."""

    def __init__(self, spec: ClusterSpec, seed: int = 1, compact_after: int | None = None) -> None:
        self.spec = spec
        self.compact_after = compact_after
        self.now = S
        self.random = Random(seed)
        self.homes = workers_of(spec)
        self.members = dict(enumerate(self.homes, start=1))
        self.hosts = {host: Host() for host in self.homes.values()}
        self.disks = {worker: Disk() for worker in self.homes}
        self.workers: dict[WorkerName, Worker] = {}
        self.identities = {worker: member for member, worker in self.members.items()}
        self.lives = dict.fromkeys(self.homes, 0)
        self.stopped: set[WorkerName] = set()
        self.notes: list[tuple[int, WorkerName, Note]] = []
        self.launched: list[WorkerName] = []
        self.answers: list[Answer] = []
        self.tables: dict[SlotName, RouteTable] = {}
        self.commands: list[tuple[WorkerName, WorkerName, PeerMessage]] = []
        self.relaunch = True
        self.following_takes = MS
        self.left_out = ""
        self.linked: set[tuple[WorkerName, WorkerName]] = set()
        self.cut: set[HostName] = set()
        self.full: dict[WorkerName, list[Callable[[], None]]] = {}
        """Whose disks take nothing, and what waits for space there."""
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._pid = 1000

    def welcome(self, name: WorkerName, host: str = "local") -> None:
        """Let a worker that did not begin with the cluster be started: it has an empty disk."""
        self.homes[name] = HostName(host)
        self.disks[name] = Disk()
        self.identities[name] = 1000 + len(self.identities)
        self.lives[name] = 0

    # Running

    def start(self, workers: Iterable[WorkerName] | None = None) -> None:
        for worker in workers or self.homes:
            self.boot(worker)

    def boot(self, name: WorkerName) -> None:
        """Start a worker's process from what its disk holds."""
        if name in self.workers:
            return
        self.lives[name] += 1
        stored = self.disks[name].stored()
        first = self.members if self.identities[name] in self.members else None
        random = Random(self.random.getrandbits(64))
        member = self.identities[name]
        election = new_election(self.spec, name, member, stored, first, random, self.compact_after)
        self.workers[name] = Worker(
            name,
            self.homes[name],
            member,
            self._next_pid(),
            genesis(self.spec),
            stored,
            election,
            random,
            self.now,
            kept=self.hosts[self.homes[name]].known,
        )
        self.post(name, Started())
        for other in list(self.workers):
            if other != name:
                self._join(name, other)
                self._join(other, name)

    def _join(self, at: WorkerName, peer: WorkerName) -> None:
        if self._hear_each_other(at, peer):
            self.linked.add((at, peer))
            event = PeerJoined(peer, self.homes[peer], self.identities[peer])
            self.later(DELAY, at, event)

    def _hear_each_other(self, one: WorkerName, other: WorkerName) -> bool:
        """No host that is cut off hears any other."""
        homes = {self.homes[one], self.homes[other]}
        return len(homes) == 1 or not homes & self.cut

    def cut_off(self, host: str) -> None:
        """Packets from and to a host are dropped, without a word."""
        self.cut.add(HostName(host))

    def heal(self, host: str) -> None:
        """Packets flow again; whoever had given up dials and is answered."""
        self.cut.discard(HostName(host))
        for one in self.workers:
            for other in self.workers:
                if one != other and (one, other) not in self.linked:
                    self.linked.discard((other, one))
        for one in self.workers:
            for other in self.workers:
                if one != other and (one, other) not in self.linked:
                    self.later(0, one, PeerLeft(other, proved_dead=False))
                    self._join(one, other)

    def kill(self, name: WorkerName) -> None:
        """The worker's process dies: locks fall, neighbours are told by their pidfds."""
        del self.workers[name]
        self.stopped.discard(name)
        self.lives[name] += 1
        for host in self.hosts.values():
            host.locks = {slot: by for slot, by in host.locks.items() if by != name}
        for other in self.workers:
            self.linked -= {(other, name), (name, other)}
            if self._hear_each_other(other, name):
                same_host = self.homes[other] == self.homes[name]
                self.later(2 * MS, other, PeerLeft(name, proved_dead=same_host))

    def kill_replica(self, slot: SlotName, status: int = -9, at: Host | None = None) -> None:
        """Kill a slot's process, on every host or on one."""
        for host in [at] if at is not None else self.hosts.values():
            process = host.processes.pop(slot, None)
            holder = host.locks.get(slot)
            if process is not None and holder is not None:
                self.later(MS, holder, Exited(slot, process.incarnation, status))

    def run_for(self, duration: int) -> None:
        end = self.now + duration
        while self._step(end):
            pass
        self.now = end

    def run_until(self, condition: Callable[[], bool], within: int = 20 * S) -> int:
        """Run until a condition holds.

        Returns:
            How long it took (ns).
        """
        begin = self.now
        while not condition():
            assert self.now - begin < within, f"not within {within / S} s: {self.picture()}"
            assert self._step(begin + within), f"nothing more happens: {self.picture()}"
        return self.now - begin

    def _step(self, end: int) -> bool:
        wakes = [
            (max(worker.wake_at, self.now), name)
            for name, worker in self.workers.items()
            if worker.wake_at is not None and name not in self.stopped
        ]
        wake, sleeper = min(wakes, default=(end + 1, None))
        if self._agenda and self._agenda[0][0] <= min(wake, end):
            self.now, _, action = heapq.heappop(self._agenda)
            action()
            return True
        if sleeper is None or wake > end:
            return False
        self.now = wake
        self.post(sleeper, WakeUp())
        return True

    def later(self, delay: int, name: WorkerName, event: WorkerEvent) -> None:
        """Deliver an event to this life of a worker."""
        life = self.lives[name]

        def deliver() -> None:
            if self.lives[name] == life and name in self.workers:
                if name in self.stopped:
                    self.later(10 * MS, name, event)
                else:
                    self.post(name, event)

        self._sequence += 1
        heapq.heappush(self._agenda, (self.now + delay, self._sequence, deliver))

    def post(self, name: WorkerName, event: WorkerEvent) -> None:
        effects = self.workers[name].step(event, self.now)
        _assert_remembers_rightly(self.workers[name])
        for effect in effects:
            if name in self.workers:
                self._perform(name, effect)

    def lead_on(self, name: WorkerName) -> None:
        """What its election tells a leader that heard no majority for a moment, then did again."""
        worker = self.workers[name]
        epoch = worker.epoch
        told = [LeaderChanged(None, epoch, "late"), LeaderChanged(name, epoch, "a majority again")]
        step = worker.election.step

        def lapse(event: ElectionEvent, now: int) -> list[ElectionEffect]:
            worker.election.step = step  # type: ignore[method-assign]
            return [*told, *step(event, now)]

        worker.election.step = lapse  # type: ignore[method-assign]
        self.run_for(S)

    # Effects

    def _perform(self, name: WorkerName, effect: WorkerEffect) -> None:
        host = self.hosts[self.homes[name]]
        match effect:
            case Persist():
                self._write(name, effect)
            case Send():
                self._send(name, effect)
            case Note():
                self.notes.append((self.now, name, effect))
            case StartWorker():
                self._launch(effect.worker)
            case EndWorker():
                if effect.worker in self.workers:
                    self.kill(effect.worker)
            case Answer():
                self.answers.append(effect)
            case FollowRoutes():
                self.tables[effect.slot] = effect.table
                followed = RoutesFollowed(
                    effect.slot, effect.incarnation, effect.table, (), "", self.left_out
                )
                self.later(self.following_takes, name, followed)
            case Remember():
                host.keep(effect.known)
            case Leave():
                self.kill(name)
            case Disconnect():
                assert effect.reason == "silent", f"nonsense from {effect.peer}: {effect.reason}"
                self.linked.discard((name, effect.peer))
                self.later(0, name, PeerLeft(effect.peer, proved_dead=False))
            case _:
                self._supervise(name, host, effect)

    def _launch(self, worker: WorkerName) -> None:
        self.launched.append(worker)
        if not self.relaunch or worker in self.workers:
            return
        life = self.lives[worker]

        def boot() -> None:
            if self.lives[worker] == life:
                self.boot(worker)

        self._sequence += 1
        heapq.heappush(self._agenda, (self.now + 100 * MS, self._sequence, boot))

    def _write(self, name: WorkerName, effect: Persist) -> None:
        disk, life = self.disks[name], self.lives[name]

        def write() -> None:
            if self.lives[name] != life:
                return
            waiting = self.full.get(name)
            if waiting is not None:
                waiting.append(write)
                if len(waiting) == 1:
                    self.post(name, DiskFull())
                return
            for record in effect.records:
                disk.write(record)
            self.post(name, Persisted(effect.token))

        self._sequence += 1
        heapq.heappush(self._agenda, (self.now + WRITE, self._sequence, write))

    def free(self, name: WorkerName) -> None:
        """There is space again: what waited is written."""
        for write in self.full.pop(name):
            write()

    def _send(self, name: WorkerName, effect: Send) -> None:
        everybody = [worker for worker in self.workers if worker != name]
        for to in [effect.to] if effect.to is not None else everybody:
            payload = encode(effect.message)
            self.commands.append((name, to, decode(payload)))
            if (name, to) in self.linked and self._hear_each_other(name, to):
                self.later(DELAY, to, MessageReceived(name, payload))

    def _supervise(self, name: WorkerName, host: Host, effect: WorkerEffect) -> None:
        match effect:
            case Claim():
                self.later(0, name, self._claim(name, host, effect.slot))
            case Release():
                host.locks.pop(effect.slot, None)
            case Forget():
                host.locks.pop(effect.slot, None)
                host.records.pop(effect.slot, None)
            case Spawn():
                assert host.locks[effect.slot] == name
                assert effect.slot not in host.processes, f"{effect.slot} started twice"
                process = Process(
                    effect.slot, effect.incarnation, effect.generation, self._next_pid(),
                    effect.port, effect.epoch,
                )  # fmt: skip
                host.processes[effect.slot] = host.records[effect.slot] = process
                host.starts.append(effect.slot)
                self.later(0, name, Spawned(effect.slot, effect.incarnation, process.pid))
            case Signal():
                if effect.slot in host.processes:
                    self.kill_replica(effect.slot, -15, host)
            case Sweep():
                self.later(0, name, Swept(effect.slot, effect.incarnation, 0))
            case Probe():
                alive = effect.slot in host.processes
                self.later(MS, name, Probed(effect.slot, effect.incarnation, effect.probe, alive))
            case _:
                raise AssertionError(effect)

    def _claim(self, name: WorkerName, host: Host, slot: SlotName) -> Claimed:
        if host.locks.get(slot, name) != name:
            return Claimed(slot, ClaimOutcome.LOCKED)
        host.locks[slot] = name
        record = host.records.get(slot)
        if record is None:
            return Claimed(slot, ClaimOutcome.ABSENT)
        alive = host.processes.get(slot)
        if alive is None:
            return Claimed(slot, ClaimOutcome.GONE, record.incarnation, record.generation)
        return Claimed(
            slot, ClaimOutcome.ADOPTED, alive.incarnation, alive.generation, alive.pid, alive.port
        )

    def _next_pid(self) -> int:
        self._pid += 1
        return self._pid

    # Questions

    def leaders(self) -> list[WorkerName]:
        return [name for name, worker in self.workers.items() if worker.election.leading]

    def leader(self) -> WorkerName:
        (leader,) = self.leaders()
        return leader

    def agrees(self) -> bool:
        """Whether one leads and all others know it."""
        leaders = self.leaders()
        return len(leaders) == 1 and all(
            worker.election.leader == leaders[0]
            for name, worker in self.workers.items()
            if name not in self.stopped
        )

    def running(self, service: str) -> list[SlotName]:
        return sorted(
            slot
            for host in self.hosts.values()
            for slot in host.processes
            if slot.startswith(f"{service}.")
        )

    def all_ready(self) -> bool:
        from interrex.worker.status import is_ready, status_of

        return self.agrees() and all(
            is_ready(status_of(worker, self.now))
            for name, worker in self.workers.items()
            if name not in self.stopped
        )

    def pids(self) -> dict[SlotName, int]:
        return {p.slot: p.pid for host in self.hosts.values() for p in host.processes.values()}

    def picture(self) -> str:
        from interrex.worker.status import missing_parts, status_of

        lines = [f"at {self.now / S:.3f} s, leaders {self.leaders()}"]
        for name, worker in self.workers.items():
            missing = missing_parts(status_of(worker, self.now))
            lines.append(
                f"{name} epoch {worker.epoch} lead {worker.oversight.lead is not None}: {missing}"
            )
        lines += [f"{at / S:.3f} {name}: {note.text}" for at, name, note in self.notes[-15:]]
        return "\n".join(lines)


def service(name: str, replicas: int = 3, port: int | None = None) -> ServiceSpec:
    return ServiceSpec(
        name=ServiceName(name),
        command=("serve", "{port}"),
        replicas=replicas,
        expose=Expose(port=port) if port is not None else None,
    )


def cluster(*services: ServiceSpec, workers: int = 3) -> ClusterSpec:
    """A cluster file that asks for these services, and for the election under test."""
    named = {service.name: service for service in services}
    election, _, mode = ELECTION.get().partition("-")
    return ClusterSpec(
        name="town",
        workers=workers,
        election=election,
        bully=BullySpec(quorum=mode == "quorum"),
        services=named,
    )


def on_host(town: Town, host: str) -> list[SlotName]:
    return sorted(town.hosts[HostName(host)].processes)
