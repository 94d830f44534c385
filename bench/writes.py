"""Acknowledged small writes a second: three processes, 64 in flight, on disk before they count."""

import contextlib
import importlib.util
import json
import selectors
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.failover import HARMLESS
from bench.figures import Beside, Effort, Figure, at_least
from bench.fleet import Fleet
from bench.loading import closed_posts
from bench.processes import free_ports, running, scratch
from bench.progress import progress
from bench.specs import agreed_leader, bare
from bench.statistics import percentile
from bench.tools import MissingTool, where_installed
from interrex.core.spec import LOCAL_HOST
from interrex.core.state import workers_of
from interrex.runtime.founding import found_cluster
from interrex.runtime.layout import Layout

IN_FLIGHT = 64
GOAL = 5000.0
PYSYNCOBJ_S = {"default": (0.05, 0.1), "tuned to 5/20 ms": (0.005, 0.02)}
"""A tick of it, and between two messages of its leader."""
TURNS = 3
SECONDS = 5.0
PATIENCE_S = 60.0


def writes(effort: Effort) -> Iterator[Figure]:
    """Acknowledged small writes/s, synced, of three processes, beside PySyncObj in memory."""
    seconds = effort.duration_s(SECONDS, 1.0)
    ours: list[float] = []
    peers: dict[str, list[float]] = {name: [] for name in PYSYNCOBJ_S}
    for _ in progress(range(effort.count(TURNS, 1)), "turn"):
        ours.append(_raft(seconds))
        with where_installed():
            for name, (tick_s, append_s) in PYSYNCOBJ_S.items():
                peers[name].append(_pysyncobj(seconds, tick_s, append_s))
    yield Figure(
        measure=f"the election alone, {IN_FLIGHT} in flight",
        value=percentile(ours, 0.5),
        unit="writes/s",
        goal=at_least(max([GOAL, *(rate for rates in peers.values() for rate in rates)])),
        beside=tuple(
            Beside(f"PySyncObj, {name}, never on disk", percentile(rates, 0.5))
            for name, rates in peers.items()
            if rates
        ),
        note=f"each turn: {', '.join(f'{rate:,.0f}' for rate in ours)}",
    )
    with Fleet(bare()) as fleet:
        leader = agreed_leader(fleet)
        body = json.dumps({"id": "bench-{n}", "operations": [HARMLESS]})
        socket = fleet.layout.api_socket(leader)
        with closed_posts(socket, IN_FLIGHT, seconds, "/v1/changes", body) as load:
            loaded = load.result()
    yield Figure(
        measure=f"whole workers, POST /v1/changes, {IN_FLIGHT} in flight",
        value=loaded.rate,
        unit="writes/s",
        note=loaded.words(),
    )


def _raft(seconds: float) -> float:
    spec = bare()
    with scratch() as folder:
        found_cluster(Layout(folder, spec.name), spec, LOCAL_HOST)
        words = [str(IN_FLIGHT), str(seconds)]
        nodes = [[str(folder), spec.name, worker, *words] for worker in workers_of(spec)]
        return _first_answer("bench.raft_node", nodes)


def _pysyncobj(seconds: float, tick_s: float, append_s: float) -> float:
    if importlib.util.find_spec("pysyncobj") is None:
        raise MissingTool("pysyncobj is not installed")
    ports = [str(port) for port in free_ports(3)]
    words = [str(IN_FLIGHT), str(seconds), str(tick_s), str(append_s)]
    nodes = [[*words, *ports[turn:], *ports[:turn]] for turn in range(3)]
    return _first_answer("bench.pysyncobj_node", nodes)


def _first_answer(module: str, nodes: Sequence[list[str]]) -> float:
    """Run a module once for each node; the number that the first of them prints.

    Raises:
        TimeoutError: none does.
    """
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        for arguments in nodes:
            command: list[str | Path] = [sys.executable, "-m", module, *arguments]
            process = stack.enter_context(running(command, stdout=subprocess.PIPE))
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ, process)
        while ready := selector.select(PATIENCE_S):
            for key, _ in ready:
                line = key.data.stdout.readline()
                if line:
                    return float(line)
                selector.unregister(key.fileobj)
        raise TimeoutError(f"{module} says nothing")
