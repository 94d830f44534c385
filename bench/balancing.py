"""The balancers beside HAProxy alone with a hand-written file, and while parts behind them die."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench import balancer
from bench.figures import Beside, Effort, Figure, at_least, at_most
from bench.statistics import percentile
from tests.runtime.haproxy_harness import Scene

UNDER_FAULTS = ("one_killed", "all_killed", "balancer_killed", "balancer_stopped",
                "balancer_reloaded")  # fmt: skip
ROUNDS = 6


def balancing(effort: Effort) -> Iterator[Figure]:
    """Requests/s and p99 beside HAProxy alone; failed requests while parts die or change."""
    if shutil.which("wrk") is None:
        print("  wrk is missing, so there is no comparison: sudo apt install wrk")
    else:
        yield from uvloop.run(_beside_alone(effort.count(ROUNDS)))
    rounds = effort.count(ROUNDS)
    for name in UNDER_FAULTS:
        found = uvloop.run(_part(name, rounds))
        what = (balancer.PARTS[name].__doc__ or name).splitlines()[0].rstrip(".")
        yield Figure(
            measure=f"failed of {found['requests']:.0f}",
            value=found["failed"],
            unit="requests",
            goal=at_most(0),
            note=f"{what}; p99 {found['p99 ms']:.2f} ms, worst {found['worst ms']:.1f} ms",
        )


async def _part(name: str, rounds: int) -> balancer.Figures:
    with tempfile.TemporaryDirectory(prefix="ix-bench-", dir="/tmp") as folder:
        scene = Scene(Path(folder))
        try:
            return await balancer.PARTS[name](scene, rounds)
        finally:
            scene.close()


async def _beside_alone(rounds: int) -> list[Figure]:
    """Each round: HAProxy alone, ours, HAProxy alone again. What it varies by itself is the
    spread that ours must lie within."""
    ours: list[float] = []
    itself: list[float] = []
    p99: dict[str, list[float]] = {"ours": [], "alone": []}
    rates: dict[str, list[float]] = {"ours": [], "alone": []}
    with tempfile.TemporaryDirectory(prefix="ix-bench-", dir="/tmp") as folder:
        scene = Scene(Path(folder))
        try:
            await scene.serve(balancers=2)
            port = next(scene.ports)
            alone = await balancer._start_minimal(scene, port)
            try:
                for _ in range(rounds):
                    turn = {}
                    for name, at in (("alone", port), ("ours", scene.port), ("again", port)):
                        turn[name] = await balancer._wrk(at)
                        await asyncio.sleep(0.2)
                    before, middle, after = turn["alone"], turn["ours"], turn["again"]
                    ours.append(2 * middle[0] / (before[0] + after[0]))
                    itself.append(after[0] / before[0])
                    rates["ours"].append(middle[0])
                    rates["alone"] += [before[0], after[0]]
                    p99["ours"].append(middle[1])
                    p99["alone"] += [before[1], after[1]]
            finally:
                for process in alone:
                    process.kill()
                    process.wait()
        finally:
            scene.close()
    least, most = min(itself), max(itself)
    return [
        Figure(
            measure="requests/s, ours / HAProxy alone: median of rounds",
            value=percentile(ours, 0.5),
            unit="times",
            goal=at_least(least),
            note=f"goal: the spread of HAProxy alone against itself, {least:.2f} to {most:.2f}; "
            f"ours {percentile(rates['ours'], 0.5):,.0f}/s, "
            f"alone {percentile(rates['alone'], 0.5):,.0f}/s",
        ),
        Figure(
            measure="p99 of the same, 32 connections as fast as they can",
            value=percentile(p99["ours"], 0.5),
            unit="ms",
            goal=at_most(max(p99["alone"])),
            beside=(Beside("HAProxy alone", percentile(p99["alone"], 0.5)),),
            note=f"goal: the worst round of HAProxy alone; alone from {min(p99['alone']):.2f} ms",
        ),
    ]
