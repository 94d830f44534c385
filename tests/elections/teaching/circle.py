"""Processes of a teaching election in memory, with channels that keep order and lose nothing."""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from interrex.core.ids import WorkerName
from interrex.core.time import MS
from interrex.elections.interface import (
    Election,
    ElectionEvent,
    LeaderChanged,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    SendPayload,
    WakeUp,
)
from interrex.elections.teaching.chang_roberts import ChangRoberts
from interrex.elections.teaching.chang_roberts import decode as chang_roberts
from interrex.elections.teaching.floodmax import FloodMax
from interrex.elections.teaching.floodmax import decode as floodmax
from interrex.elections.teaching.hirschberg_sinclair import HirschbergSinclair
from interrex.elections.teaching.hirschberg_sinclair import decode as hirschberg_sinclair

LATENCY = 1 * MS
ROUND = 10 * MS

Said = tuple[WorkerName, WorkerName, object]


def name_of(number: int) -> WorkerName:
    return WorkerName(f"p{number}")


class Processes:
    """All of them, and all that is under way.

    ``said`` lists (sender, receiver, message) in the order of sending. With ``random``, each
    message takes another time, at most twice ``LATENCY``, but never overtakes another.
    """

    def __init__(self, decode: Callable[[bytes], object], random: Random | None = None) -> None:
        self.decode = decode
        self.random = random
        self.cores: dict[WorkerName, Election] = {}
        self.edges: set[tuple[WorkerName, WorkerName]] = set()
        self.said: list[Said] = []
        self.changes: list[tuple[WorkerName, LeaderChanged]] = []
        self.now = 0
        self._order = count()
        self._queue: list[tuple[int, int, WorkerName, ElectionEvent]] = []
        self._last: dict[tuple[WorkerName, WorkerName], int] = {}

    def add(self, name: WorkerName, core: Election, neighbours: Sequence[WorkerName]) -> None:
        self.cores[name] = core
        self.edges |= {(name, other) for other in neighbours}

    def begin(self) -> None:
        """All of them begin at one time, connected."""
        for name, other in sorted(self.edges):
            self.step(name, PeerConnected(other, 1))
        for name in self.cores:
            self.step(name, WakeUp())

    def run(self, steps: int = 1_000_000) -> None:
        """Until nothing is under way and nobody waits for a time."""
        for _ in range(steps):
            if not self._queue:
                return
            self.now, _, name, event = heapq.heappop(self._queue)
            if name in self.cores:
                self.step(name, event)
        raise AssertionError("it never ends")

    def step(self, name: WorkerName, event: ElectionEvent) -> None:
        core = self.cores[name]
        before = core.wake_at
        for effect in core.step(event, self.now):
            match effect:
                case SendPayload(to, payload):
                    self.said.append((name, to, self.decode(payload)))
                    self._push(self._arrival(name, to), to, PayloadReceived(name, payload))
                case LeaderChanged():
                    self.changes.append((name, effect))
                case _:
                    raise AssertionError(f"{effect} is nothing that it may ask for")
        if core.wake_at is not None and core.wake_at != before:
            self._push(core.wake_at, name, WakeUp())

    def _arrival(self, sender: WorkerName, to: WorkerName) -> int:
        delay = LATENCY if self.random is None else 1 + self.random.randrange(2 * LATENCY)
        arrival = max(self.now + delay, self._last.get((sender, to), 0) + 1)
        self._last[sender, to] = arrival
        return arrival

    def _push(self, at: int, name: WorkerName, event: ElectionEvent) -> None:
        heapq.heappush(self._queue, (at, next(self._order), name, event))

    def kill(self, name: WorkerName) -> None:
        """It is gone, and its neighbours notice."""
        del self.cores[name]
        for one, other in sorted(self.edges):
            if other == name and one in self.cores:
                self.step(one, PeerLost(name, proved_dead=True))

    def leaders(self) -> set[WorkerName | None]:
        """Whom the processes name."""
        return {core.leader for core in self.cores.values()}

    def count(self) -> Counter[str]:
        """How many messages of each kind were said."""
        return Counter(type(message).__name__ for _, _, message in self.said)


def one_way_ring(numbers: Sequence[int], random: Random | None = None) -> Processes:
    """A ring of Chang and Roberts; each sends to the next in this order."""
    ring = Processes(chang_roberts, random)
    for at, number in enumerate(numbers):
        following = name_of(numbers[(at + 1) % len(numbers)])
        core = ChangRoberts(name_of(number), number, following)
        ring.add(name_of(number), core, [following, name_of(numbers[at - 1])])
    return ring


def two_way_ring(numbers: Sequence[int], random: Random | None = None) -> Processes:
    """A ring of Hirschberg and Sinclair."""
    ring = Processes(hirschberg_sinclair, random)
    for at, number in enumerate(numbers):
        left, right = name_of(numbers[at - 1]), name_of(numbers[(at + 1) % len(numbers)])
        ring.add(
            name_of(number), HirschbergSinclair(name_of(number), number, left, right), [left, right]
        )
    return ring


def graph(edges: Sequence[tuple[int, int]], diameter: int) -> Processes:
    """A network of FloodMax with these connections, each in both directions."""
    processes = Processes(floodmax)
    numbers = sorted({number for edge in edges for number in edge})
    for number in numbers:
        neighbours = [
            name_of(b if a == number else a) for a, b in sorted(edges) if number in (a, b)
        ]
        core = FloodMax(name_of(number), number, neighbours, diameter, ROUND)
        processes.add(name_of(number), core, neighbours)
    return processes


def shuffled(n: int, random: Random) -> list[int]:
    numbers = list(range(1, n + 1))
    random.shuffle(numbers)
    return numbers
