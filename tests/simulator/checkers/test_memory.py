"""Whatever a worker collects is found, by looking, and its length is bounded."""

from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.core.state import genesis
from interrex.core.storage import Entry, Stored
from interrex.elections.registry import new_election
from interrex.simulator.checkers.memory import EVERY, MOST, Memory, sizes
from interrex.simulator.checkers.watch import Panel
from interrex.simulator.observation import Step, Violation
from interrex.worker.interface import ReadAsked, WakeUp
from interrex.worker.worker import Worker

from .histories import cluster


def worker() -> Worker:
    spec, name, random = cluster(), WorkerName("worker-1"), Random(1)
    members = {1: name, 2: WorkerName("worker-2"), 3: WorkerName("worker-3")}
    election = new_election(spec, name, 1, Stored(), members, random)
    return Worker(name, HostName("local"), 1, 7, genesis(spec), Stored(), election, random, 0)


def step(core: Worker, at: int = 0) -> Step:
    return Step(at, at, WorkerName("worker-1"), 1, WakeUp(), [], core)


def test_a_workers_collections_are_found_wherever_they_are() -> None:
    paths = [path for path, _, _ in sizes(worker())]
    assert "Worker.state.applied" in paths
    for part in ("Worker.election.", "Worker.supervisor.", "Worker.peers."):
        assert any(path.startswith(part) for path in paths), f"nothing of {part} in {paths}"


def test_a_worker_that_does_its_work_is_fine() -> None:
    core, panel = worker(), Panel([Memory()])
    for request in range(3 * MOST):
        core.step(ReadAsked(request), request)
        panel.step(step(core, request * EVERY // MOST))
    panel.finish(0)


class Leaky(Worker):
    """Remembers what it should forget."""

    leak: list[object]


def leaky(*held: object) -> Worker:
    core = worker()
    core.__class__ = Leaky
    assert isinstance(core, Leaky)
    core.leak = list(held)
    return core


def test_a_queue_that_has_grown_is_seen_while_the_world_runs() -> None:
    core, panel = leaky(*range(MOST + 1)), Panel([Memory()])
    for at in (0, EVERY - 1):
        panel.step(step(core, at))
    with pytest.raises(Violation, match=r"leak holds 2001, 2000 are allowed"):
        panel.step(step(core, EVERY))


def test_a_queue_that_has_grown_is_seen_in_the_end() -> None:
    with pytest.raises(Violation, match=r"leak holds 2001"):
        Memory().finish(0, {WorkerName("worker-1"): leaky(*range(MOST + 1))})


def test_a_long_queue_that_is_not_too_long_is_fine() -> None:
    Memory().finish(0, {WorkerName("worker-1"): leaky(*range(MOST))})


def test_a_log_may_hold_more_entries_than_a_queue() -> None:
    entries = [Entry(number, 1, b"") for number in range(MOST + 1)]
    Memory().finish(0, {WorkerName("worker-1"): leaky(*entries)})


@dataclass(slots=True)
class Slotted:
    queue: deque[int] = field(default_factory=lambda: deque(range(5)))
    table: dict[str, list[int]] = field(default_factory=lambda: {"a": [1, 2, 3]})


def test_slots_and_what_is_within_collections_are_looked_at() -> None:
    found = {path: length for path, length, _ in sizes(Slotted())}
    assert found == {"Slotted.queue": 5, "Slotted.table": 1, "Slotted.table[a]": 3}
