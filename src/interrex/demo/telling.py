"""The demo's words: what happened to each fault, the summary, what to try next. Pure text."""

import msgspec

from interrex.demo.faults import Fault, Process
from interrex.demo.samples import Verdict
from interrex.demo.tally import Counts
from interrex.worker.status import Status

HEADINGS = (
    "killed",
    "noticed",
    "whole again",
    "requests",
    "failed",
    "retried",
    "interrupted",
    "worst",
)
FAILURES_TOLD = 3


class Healing(msgspec.Struct):
    """What became of one fault.

    ``noticed_s`` and ``whole_s`` count from the kill; None where it was not seen. ``restarted_s``:
    when the demo started the workers again, where nobody was left to. ``missing``: what was still
    not healed when the demo stopped waiting. ``disturbed``: what changed though nobody killed it.
    ``led``: who leads now, where that is another leadership.
    ``counts`` goes on counting until the next fault.
    """

    fault: Fault
    killed: tuple[Process, ...]
    counts: Counts
    noticed_s: float | None = None
    whole_s: float | None = None
    restarted_s: float | None = None
    missing: list[str] = []
    disturbed: list[str] = []
    led: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.counts.failed or self.missing or self.disturbed)


class Outcome(msgspec.Struct):
    """The whole story: its faults, all requests together, and what reading back has shown."""

    healings: list[Healing]
    total: Counts
    verdict: Verdict

    @property
    def failed(self) -> bool:
        return (
            bool(self.total.failed)
            or not self.verdict.sound
            or any(healing.failed for healing in self.healings)
        )


def span(seconds: float | None) -> str:
    """A duration as people read it; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 0.09995:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def names_of(processes: tuple[Process, ...]) -> str:
    """``worker-2 (the leader, pid 12) and shop.1 (pid 34)``."""
    words = [
        f"{process.name} ({'the leader, ' if process.leads else ''}pid {process.pid})"
        for process in processes
    ]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def opening_of(number: int, of: int, fault: Fault, killed: tuple[Process, ...]) -> str:
    """The line that announces a kill."""
    return f"{number}/{of}  kill {fault.kind}: SIGKILL to {names_of(killed)}"


def leader_of(status: Status) -> str:
    """``worker-2 leads, epoch 3, ELECTION``."""
    return f"{status.leader or 'nobody'} leads, epoch {status.epoch}, {status.election}"


def ending_of(healing: Healing) -> list[str]:
    """The lines that say how a fault ended."""
    lines = []
    if healing.restarted_s is not None:
        after = span(healing.restarted_s)
        lines.append(
            "no worker is left to heal the others: this needs systemd, or somebody who says "
            f"`interrex up`; the demo plays that part, after {after}"
        )
    noticed = f"noticed after {span(healing.noticed_s)}, " if healing.noticed_s is not None else ""
    if healing.whole_s is not None:
        led = f"; {healing.led}" if healing.led else ""
        lines.append(f"{noticed}whole again after {span(healing.whole_s)}{led}")
    else:
        lines.append(f"{noticed}NOT HEALED: {'; '.join(healing.missing) or 'nothing is missing'}")
    if healing.disturbed:
        lines.append(f"NOT SPARED: {', '.join(healing.disturbed)} changed, and nobody killed it")
    lines.append(requests_of(healing.counts))
    lines += [f"FAILED: {problem}" for problem in healing.counts.problems[:FAILURES_TOLD]]
    return lines


def requests_of(counts: Counts) -> str:
    """One line on the requests of a span of time."""
    cut = f", {plural(counts.interrupted, 'write')} interrupted" if counts.interrupted else ""
    return (
        f"{plural(counts.total, 'request')}: {counts.failed} failed, {counts.retried} retried"
        f"{cut}, worst latency {span(counts.latencies.worst_s)}"
    )


def rows_of(outcome: Outcome) -> list[tuple[str, ...]]:
    """The summary table's rows, as HEADINGS names their columns; the last one is the total."""
    rows = [
        _row(str(healing.fault.kind), _noticed(healing), _whole(healing), healing.counts)
        for healing in outcome.healings
    ]
    return [*rows, _row("altogether", "", "", outcome.total)]


def _noticed(healing: Healing) -> str:
    return "by systemd*" if healing.restarted_s is not None else span(healing.noticed_s)


def _whole(healing: Healing) -> str:
    return span(healing.whole_s) if healing.whole_s is not None else "NOT HEALED"


def _row(name: str, noticed: str, whole: str, counts: Counts) -> tuple[str, ...]:
    return (
        name,
        noticed,
        whole,
        str(counts.total),
        str(counts.failed),
        str(counts.retried),
        str(counts.interrupted),
        span(counts.latencies.worst_s),
    )


def table_of(outcome: Outcome) -> list[str]:
    """The summary table as plain lines."""
    rows = [HEADINGS, *rows_of(outcome)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "  ".join("─" * width for width in widths)
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def remarks_of(outcome: Outcome) -> list[str]:
    """What is said below the table, the verdict last."""
    latencies, lines = outcome.total.latencies, []
    if any(healing.restarted_s is not None for healing in outcome.healings):
        lines.append("* played by the demo: after the death of all workers somebody must start one")
    lines.append(
        "latency from the moment a request was due: "
        f"p50 {span(latencies.percentile_s(0.5))}, p99 {span(latencies.percentile_s(0.99))}, "
        f"worst {span(latencies.worst_s)}"
    )
    lines += _orders(outcome)
    lines += [f"FAILED: {problem}" for problem in outcome.total.problems]
    spared = sorted({name for healing in outcome.healings for name in healing.disturbed})
    if spared:
        lines.append(f"CHANGED though nobody killed it: {', '.join(spared)}")
    lines.append(_moral(outcome))
    return lines


def _orders(outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    if verdict.problem:
        return [f"the orders could NOT be read back: {verdict.problem}"]
    lines = []
    if verdict.lost or verdict.altered:
        wrong = ", ".join((*verdict.lost, *verdict.altered)[:5])
        lines.append(
            f"of {plural(verdict.acknowledged, 'acknowledged order')} {len(verdict.lost)} are LOST "
            f"and {len(verdict.altered)} ALTERED: {wrong}"
        )
    else:
        lines.append(f"all {verdict.acknowledged} acknowledged orders were read back as placed")
    cut = verdict.stored + verdict.not_stored
    if cut:
        lines.append(
            f"{plural(cut, 'write')} got no answer, and a POST is never retried: "
            f"{verdict.stored} stored, {verdict.not_stored} not"
        )
    return lines


def _moral(outcome: Outcome) -> str:
    kills = f"{sum(len(healing.killed) for healing in outcome.healings)} processes were killed"
    if outcome.failed:
        return f"{kills}, and SOMETHING FAILED: see above"
    return f"{kills}, and no request failed"


def tips(url: str, command: str, state: str, pids: dict[str, int]) -> list[str]:
    """What to try while the fleet stays up.

    Args:
        url: of the shop; command: how this ``interrex`` is called; state: the folder of the
            fleet's state; pids: maps the names of processes that may be killed to their pids.
    """
    width = max((len(f"kill -9 {pid}") for pid in pids.values()), default=0)
    return [
        "The fleet stays up, and so do its customers. Try, in another terminal:",
        f"  curl {url}",
        *(f"  {f'kill -9 {pid}'.ljust(width)}   # {name}" for name, pid in pids.items()),
        f"  {command} status --state {state}",
        f"  {command} events -f --state {state}",
        "Ctrl-C ends the demo and takes its fleet down.",
    ]
