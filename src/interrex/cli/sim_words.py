"""What ``interrex sim`` prints: progress on a terminal, and what was found."""

import time
from collections.abc import Sequence
from typing import Any, TextIO

import msgspec

from interrex.cli.report import counted
from interrex.core.time import MS, S
from interrex.simulator.summary import PHASES, Summary, distribution

SHOWN_EVERY_S = 0.5


class Progress:
    """One line, overwritten, with the rate and the time that is left; nothing where no person
    looks.

    Args:
        stream: where it is printed.
        seeds: how many there are in all, where that is known.
        minutes: for how long seeds are run, where that is known.
    """

    def __init__(self, stream: TextIO, seeds: int | None, minutes: float | None) -> None:
        self._stream = stream if stream.isatty() else None
        self._seeds = seeds
        self._minutes = minutes
        self._began = self._shown = time.monotonic()

    def show(self, summary: Summary, broken: int) -> None:
        """Shows how far it is, now and then."""
        took = max(1e-9, time.monotonic() - self._began)
        of = f" of {self._seeds}" if self._seeds is not None else ""
        text = f"{summary.runs}{of} seeds, {summary.simulated / S / took:,.0f} simulated s/s"
        left = self._left(summary, took)
        text += f", {left:.0f} s left" if left is not None else ""
        text += f", {broken} broke a promise" if broken else ""
        self.say(text)

    def say(self, text: str) -> None:
        """Shows a line, unless the last one is too young."""
        now = time.monotonic()
        if self._stream is not None and now >= self._shown + SHOWN_EVERY_S:
            self._shown = now
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def end(self) -> None:
        """Takes the line away."""
        if self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _left(self, summary: Summary, took: float) -> float | None:
        if self._minutes is not None:
            return max(0.0, 60 * self._minutes - took)
        if self._seeds is not None and summary.runs:
            return took * (self._seeds - summary.runs) / summary.runs
        return None


def lines_of(summary: Summary, took: float, jobs: int, families: Sequence[str]) -> list[str]:
    """The whole of what was run and found, for people.

    Args:
        summary: of all runs.
        took: wall time (s).
        jobs: on how many cores.
        families: the families of faults that might happen.
    """
    if not summary.runs:
        return ["nothing was run to its end"]
    rate = summary.simulated / S / took / jobs
    lines = [
        f"{counted(summary.runs, 'seed')}, {summary.hours:.2f} simulated hours in {took:.1f} s "
        f"({rate:,.0f} simulated s and {summary.events / took / jobs:,.0f} events a second and "
        "core)",
        f"{sum(summary.faults.values()):,} faults: "
        + ", ".join(f"{n:,} {name}" for name, n in summary.families().items() if n),
    ]
    unseen = summary.unseen(families)
    rest = f"never: {', '.join(unseen)}" if unseen else "all there are"
    lines.append(f"  {len(summary.faults)} kinds of them; {rest}")
    lines.append(f"{summary.elections:,} elections; leaders that died, until")
    meaning = {
        "detect": "a survivor knows",
        "elect": "the next one leads",
        "act": "it has given its first command",
        "route": "a balancer follows it",
    }
    for phase in PHASES:
        found = distribution(summary.phases[phase])
        if found is not None:
            lines.append(
                f"  {meaning[phase]:32} p50 {_ms(found.p50)}  p90 {_ms(found.p90)}  "
                f"p99 {_ms(found.p99)}  worst {_ms(found.worst)}  (n={found.count:,})"
            )
    gap, seed = summary.longest_gap
    lines.append(f"longest time without a leader: {gap / S:.2f} s (seed {seed})")
    settled = distribution(summary.convergence)
    if settled is not None:
        lines.append(
            f"after the last fault all was as asked within p50 {settled.p50 / S:.1f} s, "
            f"worst {settled.worst / S:.1f} s"
        )
    lines.append(
        f"{summary.restarts:,} restarts of replicas and balancers; "
        f"{summary.acknowledged:,} changes and reads acknowledged, {summary.refused:,} refused"
    )
    lines.append(
        f"{summary.split_windows:,} times two believed to lead at once, {_ms(summary.split_brain)} "
        "together: every command of the older epoch was refused"
    )
    return lines


def summary_document(summary: Summary, took: float, families: Sequence[str]) -> dict[str, Any]:
    """The same for machines: docs/simulator.md says what each key holds."""
    phases = {phase: distribution(summary.phases[phase]) for phase in PHASES}
    gap, seed = summary.longest_gap
    settled = distribution(summary.convergence)
    return {
        "seeds": summary.runs,
        "simulated_s": summary.simulated / S,
        "wall_s": took,
        "events": summary.events,
        "steps": summary.steps,
        "messages": summary.messages,
        "faults": dict(sorted(summary.faults.items())),
        "never": summary.unseen(families),
        "elections": summary.elections,
        "failover_ns": {
            phase: msgspec.to_builtins(found) for phase, found in phases.items() if found
        },
        "settled_ns": msgspec.to_builtins(settled),
        "longest_gap": {"s": gap / S, "seed": seed},
        "restarts": summary.restarts,
        "split_brain": {"s": summary.split_brain / S, "windows": summary.split_windows},
        "acknowledged": summary.acknowledged,
        "refused": summary.refused,
    }


def _ms(ns: int) -> str:
    return f"{ns / MS:,.1f} ms" if ns < S else f"{ns / S:,.2f} s"
