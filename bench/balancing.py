"""The balancer beside HAProxy alone with a hand-written file, and while parts behind it die.

One process of one thread each, on this fleet's own HAProxy program, before the same three servers.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench import balancer
from bench.figures import Beside, Effort, Figure, at_least, at_most
from bench.loading import Loaded, closed_gets
from bench.processes import running
from bench.progress import progress
from bench.statistics import percentile
from interrex.runtime.haproxy import _bundled_binary
from tests.runtime.haproxy_harness import Scene

UNDER_FAULTS = ("one_killed", "all_killed", "balancer_killed", "balancer_stopped",
                "balancer_reloaded")  # fmt: skip
ACCEPTED_DIE = {"balancer_killed", "balancer_stopped"}
"""What such a balancer had accepted dies with it, and only the client can try again: no goal."""
ROUNDS = 8
IN_FLIGHT = 32
SECONDS = 3.0
PATIENCE_S = 10.0
BY_HAND = """\
global
    nbthread 1
    stats socket unix@{socket} mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
{servers}
"""


def balancing(effort: Effort) -> Iterator[Figure]:
    """Requests/s and p99 beside HAProxy alone; failed requests while parts die or change."""
    yield from uvloop.run(_beside_alone(effort))
    rounds = effort.count(ROUNDS)
    for name in progress(UNDER_FAULTS, "fault"):
        found = uvloop.run(_part(name, rounds))
        what = (balancer.PARTS[name].__doc__ or name).splitlines()[0].rstrip(".")
        if name in ACCEPTED_DIE:
            what += " (no goal of 0: what it had accepted dies with it)"
        yield Figure(
            measure=f"failed of {found['requests']:.0f}",
            value=found["failed"],
            unit="requests",
            goal=None if name in ACCEPTED_DIE else at_most(0),
            note=f"{what}; p99 {found['p99 ms']:.2f} ms, worst {found['worst ms']:.1f} ms",
        )


async def _part(name: str, rounds: int) -> balancer.Figures:
    with tempfile.TemporaryDirectory(prefix="ix-bench-", dir="/tmp") as folder:
        scene = Scene(Path(folder))
        try:
            return await balancer.PARTS[name](scene, rounds)
        finally:
            scene.close()


class _Round(NamedTuple):
    """HAProxy alone, ours, HAProxy alone again."""

    before: Loaded
    ours: Loaded
    after: Loaded


async def _beside_alone(effort: Effort) -> list[Figure]:
    """What HAProxy alone differs from itself within a round is the spread to lie within."""
    with tempfile.TemporaryDirectory(prefix="ix-bench-", dir="/tmp") as folder:
        scene = Scene(Path(folder))
        try:
            await scene.serve()
            port, socket = next(scene.ports), scene.folder / "by-hand.sock"
            file = scene.folder / "by-hand.cfg"
            servers = "\n".join(
                f"    server s{number} 127.0.0.1:{replica}"
                for number, replica in enumerate(scene.replica_ports)
            )
            file.write_text(BY_HAND.format(socket=socket, port=port, servers=servers))
            with running([_bundled_binary(), "-db", "-f", file]):
                _wait_for(socket)
                seconds = effort.duration_s(SECONDS, 1.0)
                rounds = [
                    _Round(*(_load(at, seconds) for at in (port, scene.port, port)))
                    for _ in progress(range(effort.count(ROUNDS)), "round")
                ]
        finally:
            scene.close()
    return _figures(rounds)


def _wait_for(socket: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not socket.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("HAProxy alone does not start")
        time.sleep(0.01)


def _load(port: int, seconds: float) -> Loaded:
    with closed_gets(port, IN_FLIGHT, seconds) as load:
        return load.result()


def _figures(rounds: list[_Round]) -> list[Figure]:
    ratios = [2 * one.ours.rate / (one.before.rate + one.after.rate) for one in rounds]
    itself = [one.after.rate / one.before.rate for one in rounds]
    least, most = min(itself), max(itself)
    alone = [load for one in rounds for load in (one.before, one.after)]
    ours_p99 = percentile([one.ours.p99_ms for one in rounds], 0.5)
    alone_p99 = [load.p99_ms for load in alone]
    return [
        Figure(
            measure="requests/s, ours / HAProxy alone: median of rounds",
            value=percentile(ratios, 0.5),
            unit="times",
            goal=at_least(least),
            note=f"goal: the spread of HAProxy alone against itself, {least:.2f} to {most:.2f}; "
            f"ours {percentile([one.ours.rate for one in rounds], 0.5):,.0f}/s, "
            f"alone {percentile([load.rate for load in alone], 0.5):,.0f}/s",
        ),
        Figure(
            measure=f"p99 of the same, {IN_FLIGHT} in flight",
            value=ours_p99,
            unit="ms",
            goal=at_most(max(alone_p99)),
            beside=(Beside("HAProxy alone", percentile(alone_p99, 0.5)),),
            note=f"goal: its worst round; alone from {min(alone_p99):.2f} ms",
        ),
    ]
