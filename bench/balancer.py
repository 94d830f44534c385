"""The balancer in figures: beside HAProxy alone, under kills, and while its routes change.

    python -m bench.balancer [--only NAME ...] [--rounds N]

All on loopback, on whatever machine this is: compare figures of one run only.
"""

import argparse
import asyncio
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.load import Outcome, open_loop
from interrex.runtime.haproxy import _bundled_binary
from tests.runtime.haproxy_harness import DRAIN, READY, Scene, children, until

Figures = dict[str, float]
RATE = 500.0
RELOAD = "reload for a port"
MINIMAL = """\
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
"""


async def throughput(scene: Scene, rounds: int) -> Figures:
    """Requests/s and p99 through ours and through a minimal file, in turns.

    Each is one process of one thread before the same three servers. (Of two processes on one
    queue, chance decides how many of 32 connections opened at once each one gets.)
    """
    if shutil.which("wrk") is None:
        print("throughput: wrk is missing: sudo apt install wrk")
        return {}
    await scene.serve()
    port = next(scene.ports)
    plain = await _start_minimal(scene, port)
    ours = children(scene.processes[0].pid)
    contestants = {"ours": (scene.port, ours), "haproxy alone": (port, [plain.pid])}
    found: dict[str, list[_Wrk]] = {name: [] for name in contestants}
    try:
        for turn in range(rounds):
            for name in sorted(contestants, reverse=bool(turn % 2)):
                found[name].append(await _wrk(*contestants[name]))
    finally:
        plain.kill()
        plain.wait()
    figures = {}
    for name, runs in found.items():
        figures[f"{name}: requests/s"] = statistics.median(one.rate for one in runs)
        figures[f"{name}: p99 ms"] = statistics.median(one.p99_ms for one in runs)
        figures[f"{name}: CPU us a request"] = statistics.median(one.cpu_us for one in runs)
    pairs = zip(found["ours"], found["haproxy alone"], strict=True)
    figures["ratio of requests/s"] = statistics.median(
        one.rate / other.rate for one, other in pairs
    )
    return figures


async def _start_minimal(scene: Scene, port: int) -> subprocess.Popen[bytes]:
    servers = "".join(
        f"    server s{number} 127.0.0.1:{replica}\n"
        for number, replica in enumerate(scene.replica_ports)
    )
    file, socket = scene.folder / "minimal.cfg", scene.folder / "minimal.sock"
    file.write_text(MINIMAL.format(socket=socket, port=port) + servers)
    process = _spawn(_bundled_binary(), "-db", "-f", str(file))

    async def listening() -> bool:
        return socket.exists()

    await until(listening)
    return process


def _spawn(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@dataclass(frozen=True)
class _Wrk:
    rate: float
    p99_ms: float
    cpu_us: float


async def _wrk(port: int, pids: list[int]) -> _Wrk:
    """32 connections for 3 s, and what it costs these processes."""
    before = sum(cpu_s(pid) for pid in pids)
    process = await asyncio.create_subprocess_exec(
        "wrk", "-t1", "-c32", "-d3", "--latency", f"http://127.0.0.1:{port}/",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    answer = (await process.communicate())[0].decode()
    spent = sum(cpu_s(pid) for pid in pids) - before
    rate = re.search(r"Requests/sec:\s+([\d.]+)", answer)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", answer)
    count = re.search(r"(\d+) requests in", answer)
    if rate is None or p99 is None or count is None or "Non-2xx" in answer:
        raise RuntimeError(f"wrk failed: {answer}")
    p99_ms = float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    return _Wrk(float(rate[1]), p99_ms, 1e6 * spent / int(count[1]))


def cpu_s(pid: int) -> float:
    """The CPU time a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def publish(scene: Scene, rounds: int) -> Figures:
    """How long until the process follows a change, in ms."""
    await scene.serve()
    figures: Figures = {}
    port = scene.port
    states = {
        "one slot's state": ((READY, READY, DRAIN), (READY, READY, READY)),
        "a slot added": ((READY, READY), (READY, READY, READY)),
        "nothing differs": ((READY, READY, READY), (READY, READY, READY)),
        RELOAD: ((READY, READY, READY), (READY, READY, READY)),
    }
    for name, (before, after) in states.items():
        taken = []
        for turn in range(rounds if name == RELOAD else 20 * rounds):
            await scene.publish(scene.table(*before))
            if name == RELOAD:
                scene.port = port + turn % 2
            table = scene.table(*after)
            began = time.perf_counter()
            followed = await scene.publish(table)
            taken.append(1000 * (time.perf_counter() - began))
            if followed.problem:
                raise RuntimeError(followed.problem)
        figures[f"{name}: p50 ms"] = statistics.median(taken)
        figures[f"{name}: p95 ms"] = sorted(taken)[int(0.95 * len(taken))]
    return figures


async def one_killed(scene: Scene, rounds: int) -> Figures:
    """One of three replicas killed every second, down for 300 ms."""
    return await _under_kills(scene, rounds, lambda turn: [turn % 3])


async def one_of_two_killed(scene: Scene, rounds: int) -> Figures:
    """One of two replicas: the other is the only one left."""
    scene.replica_ports.pop()
    return await _under_kills(scene, rounds, lambda turn: [turn % 2])


async def all_killed(scene: Scene, rounds: int) -> Figures:
    """All three replicas killed every second, down for 300 ms."""
    return await _under_kills(scene, rounds, lambda _: [0, 1, 2])


async def all_killed_without_waiting_room(scene: Scene, rounds: int) -> Figures:
    """The same without the backup server: what HAProxy does by itself."""
    await scene.serve()
    file = scene.folder / "balancer" / "balancer.0" / "haproxy.cfg"
    text = re.sub(r"    server waiting-room .*\n", "", file.read_text())
    file.write_text(text)
    await scene.balancer().reload()
    return await _under_kills(scene, rounds, lambda _: [0, 1, 2], serving=True)


async def _under_kills(
    scene: Scene, rounds: int, which: Callable[[int], list[int]], *, serving: bool = False
) -> Figures:
    if not serving:
        await scene.serve()

    async def chaos() -> None:
        for turn in range(rounds):
            await asyncio.sleep(0.7)
            for number in which(turn):
                scene.kill_replica(number)
            await asyncio.sleep(0.3)
            for number in which(turn):
                scene.start_replica(number)

    return await _figures(scene, rounds + 1.0, chaos)


async def one_hung(scene: Scene, rounds: int) -> Figures:
    """One of three replicas stopped for a second, then killed and started again."""
    await scene.serve()

    async def chaos() -> None:
        for turn in range(rounds):
            await asyncio.sleep(0.5)
            scene.replicas[turn % 3].send_signal(signal.SIGSTOP)
            await asyncio.sleep(1.0)
            scene.kill_replica(turn % 3)
            scene.start_replica(turn % 3)

    return await _figures(scene, 1.5 * rounds + 0.5, chaos)


async def balancer_killed(scene: Scene, rounds: int) -> Figures:
    """One of two balancers killed every second and started again, a connection per request."""
    await scene.serve(balancers=2)

    async def chaos() -> None:
        for turn in range(rounds):
            await asyncio.sleep(0.7)
            await scene.kill_balancer(turn % 2)
            await asyncio.sleep(0.3)
            await scene.start_balancer(turn % 2)

    return await _figures(scene, rounds + 1.0, chaos, keep=False)


async def balancer_stopped(scene: Scene, rounds: int) -> Figures:
    """One of two balancers stopped for half a second, then killed and started again."""
    await scene.serve(balancers=2)

    async def chaos() -> None:
        for turn in range(rounds):
            await asyncio.sleep(0.5)
            scene.signal_balancer(turn % 2, signal.SIGSTOP)
            await asyncio.sleep(0.5)
            await scene.kill_balancer(turn % 2)
            await scene.start_balancer(turn % 2)

    return await _figures(scene, rounds + 1.0, chaos, keep=False)


async def balancer_replaced(scene: Scene, rounds: int) -> Figures:
    """One of two balancers asked to leave (SIGUSR1) and started again, kept connections."""
    await scene.serve(balancers=2)

    async def chaos() -> None:
        for turn in range(rounds):
            await asyncio.sleep(0.8)
            scene.processes[turn % 2].send_signal(signal.SIGUSR1)
            await scene.balancer_ended(turn % 2)
            await scene.start_balancer(turn % 2)

    return await _figures(scene, rounds + 1.0, chaos)


async def balancer_reloaded(scene: Scene, rounds: int) -> Figures:
    """Both balancers reloaded every second, kept connections."""
    await scene.serve(balancers=2)

    async def chaos() -> None:
        for _ in range(rounds):
            await asyncio.sleep(0.8)
            for number in (0, 1):
                await scene.balancer(number).reload()

    return await _figures(scene, rounds + 1.0, chaos)


async def _figures(
    scene: Scene, duration_s: float, chaos: Callable[[], Awaitable[None]], *, keep: bool = True
) -> Figures:
    happening = asyncio.ensure_future(chaos())
    outcome: Outcome = await open_loop(scene.port, RATE, duration_s, keep=keep)
    await happening
    if outcome.failed:
        print(f"  how requests failed: {dict(outcome.failures)}")
    return {
        "requests": outcome.succeeded + outcome.failed,
        "failed": outcome.failed,
        "p50 ms": outcome.quantile_ms(0.5),
        "p99 ms": outcome.quantile_ms(0.99),
        "p99.9 ms": outcome.quantile_ms(0.999),
        "worst ms": outcome.quantile_ms(1.0),
    }


PARTS: dict[str, Callable[[Scene, int], Awaitable[Figures]]] = {
    part.__name__: part
    for part in (
        throughput,
        publish,
        one_killed,
        one_of_two_killed,
        one_hung,
        all_killed,
        all_killed_without_waiting_room,
        balancer_killed,
        balancer_stopped,
        balancer_replaced,
        balancer_reloaded,
    )
}


async def run(only: list[str] | None = None, rounds: int = 10) -> dict[str, Figures]:
    """Measure and print.

    Args:
        only: names of ``PARTS``; all where none are given.
        rounds: how many comparisons, kills or changes each part has.

    Returns:
        The figures of each part, by name.
    """
    results = {}
    for name in only or PARTS:
        with tempfile.TemporaryDirectory(prefix="interrex-bench-") as folder:
            scene = Scene(Path(folder))
            try:
                results[name] = await PARTS[name](scene, rounds)
            finally:
                scene.close()
        line = "  ".join(f"{key} {value:,.6g}" for key, value in results[name].items())
        print(f"{name}: {line}", flush=True)
    return results


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    uvloop.run(run(arguments.only, arguments.rounds))


if __name__ == "__main__":
    main()
