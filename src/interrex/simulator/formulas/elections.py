"""One crash of a leader and the election after it, by real Raft cores with constant latencies."""

import heapq
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.core.time import MS
from interrex.elections.interface import (
    ElectionEvent,
    PayloadReceived,
    Persist,
    Persisted,
    SendPayload,
    WakeUp,
)
from interrex.elections.raft import Raft, RaftSettings

TIMEOUT = 100 * MS
"""The base of the election time-out: T of the formulas. Only ratios to it matter."""

SETTINGS = RaftSettings(
    election_timeout=TIMEOUT,
    heartbeat=TIMEOUT // 2,
    clock_error_per_mille=0,
    paper_elections=True,
)
SETTLED = 4 * SETTINGS.heartbeat
"""How long after its election a leader is left alone at least: nothing but heartbeats is under
way then."""


class Election(NamedTuple):
    """What became of it. Both in nanoseconds.

    ``stood``: from the crash until the first server stood for election. ``won``: from then until
    it led; None where the vote was split, and the next term had to begin.
    """

    stood: int
    won: int | None


class Cluster:
    """Servers 1 to ``size``, of which the last ones may never start."""

    def __init__(self, size: int, started: int, latency: int, write: int, chance: Random) -> None:
        self._latency = latency
        self._write = write
        self.now = 0
        self._order = 0
        self._queue: list[tuple[int, int, WorkerName, WorkerName, ElectionEvent | int]] = []
        genesis = {member: WorkerName(f"w{member}") for member in range(1, size + 1)}
        self.cores: dict[WorkerName, Raft] = {}
        self._disk_free_at: dict[WorkerName, int] = {}
        for member in range(1, started + 1):
            self._start(member, genesis, chance)

    def _start(self, member: int, genesis: Mapping[int, WorkerName], chance: Random) -> None:
        name = genesis[member]
        core = self.cores[name] = Raft(name, member, Stored(), SETTINGS, genesis, chance)
        self._disk_free_at[name] = 0
        self._take(name, core, WakeUp())

    def crash(self, name: WorkerName) -> None:
        """Ends a server. What it has on its way is lost."""
        del self.cores[name]

    def next(self) -> tuple[WorkerName, Raft]:
        """Goes on to the next event of a living server. Returns the server that took it."""
        while True:
            self.now, _, name, source, event = heapq.heappop(self._queue)
            core = self.cores.get(name)
            if core is None or source not in self.cores:
                continue
            if isinstance(event, int):
                if core.wake_at != event:
                    continue
                event = WakeUp()
            self._take(name, core, event)
            return name, core

    def run_until(self, end: int) -> None:
        """Goes on until a time; what happens at that very moment has happened."""
        while self._queue[0][0] <= end:
            self.next()
        self.now = end

    def _take(self, name: WorkerName, core: Raft, event: ElectionEvent) -> None:
        before = core.wake_at
        for effect in core.step(event, self.now):
            if type(effect) is SendPayload:
                received = PayloadReceived(name, effect.payload)
                self._push(self.now + self._latency, effect.to, name, received)
            elif type(effect) is Persist:
                done_at = max(self._disk_free_at[name], self.now) + self._write
                self._disk_free_at[name] = done_at
                self._push(done_at, name, name, Persisted(effect.token))
        if core.wake_at != before and core.wake_at is not None:
            self._push(core.wake_at, name, name, core.wake_at)

    def _push(
        self, at: int, name: WorkerName, source: WorkerName, event: ElectionEvent | int
    ) -> None:
        self._order += 1
        heapq.heappush(self._queue, (at, self._order, name, source, event))


def one_election(size: int, alive: int, latency: int, write: int, chance: Random) -> Election:
    """Lets a cluster elect a leader, settle, and elect the next one after a crash.

    Args:
        size: how many servers the configuration has.
        alive: how many of them are left when the leader has crashed, a majority.
        latency: of every message, one way (ns), at most a fifth of ``TIMEOUT``.
        write: how long a write to the disk takes (ns).
        chance: draws the time-outs and the moment of the crash.
    """
    ensure(size // 2 < alive < size, "a majority survives the leader")
    ensure(5 * latency <= TIMEOUT, "a leader's lease outlives its heartbeats' answers")
    cluster = Cluster(size, alive + 1, latency, write, chance)
    name, core = cluster.next()
    while not core.leading:
        name, core = cluster.next()
    leader, term = name, core.epoch
    phase = SETTINGS.heartbeat * chance.getrandbits(48) >> 48
    cluster.run_until(cluster.now + SETTLED + phase)
    undisturbed = all(one.epoch == term for one in cluster.cores.values())
    ensure(undisturbed and cluster.cores[leader].leading, "a leader left alone goes on leading")
    cluster.crash(leader)
    return _next_leader(cluster, term)


def _next_leader(cluster: Cluster, term: int) -> Election:
    crashed_at, stood_at = cluster.now, 0
    while True:
        _, core = cluster.next()
        if core.epoch == term:
            continue
        if not stood_at:
            stood_at = cluster.now
        if core.epoch > term + 1:
            return Election(stood_at - crashed_at, None)
        if core.leading:
            return Election(stood_at - crashed_at, cluster.now - stood_at)
