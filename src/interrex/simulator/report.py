"""A simulation as one self-contained HTML page: no script, no font, nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape

from interrex.core.time import MS, S
from interrex.simulator.run import Outcome
from interrex.simulator.summary import PHASES, Summary, distribution
from interrex.simulator.timeline import Band, Timeline

WIDTH = 1100
LEFT = 170
ROW = 16
BARS = 40
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1300px;
  color: #222; background: #fff; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } td, th { padding: .15em .9em .15em 0; text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { display: block; max-width: 100%; height: auto; } text { font: 11px system-ui, sans-serif; }
.alive { fill: #9db8d6; } .leads { fill: #d9822b; } .slot { fill: #a8cfa0; }
.fault { fill: #c8553d; fill-opacity: .75; } .lost { stroke: #c8553d; } .bar { fill: #5b7fa8; }
.healed { stroke: #2c7a3f; stroke-dasharray: 4 3; } .grid { stroke: #ddd; }
.broken { border-left: 4px solid #c8553d; padding-left: 1em; white-space: pre-wrap;
  font-family: ui-monospace, monospace; font-size: 12px; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #16181c; } text { fill: #ccc; } .grid { stroke: #333; } }
"""


def html_report(summary: Summary, timeline: Timeline, outcome: Outcome) -> str:
    """The page.

    Args:
        summary: of all runs.
        timeline: of the worst of them.
        outcome: of the same.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>Simulation: {summary.runs} seeds</title><style>{_STYLE}</style>",
        f"<h1>{summary.runs} seeds, {summary.hours:.2f} simulated hours</h1>",
        _table(_facts(summary)),
        "<h2>After a leader's death</h2>",
        _table(_fail_overs(summary), head=("until", "p50", "p90", "p99", "worst", "n")),
        _histogram(summary.phases["elect"]),
        f"<h2>The worst seed: {outcome.seed}</h2>",
        _verdict(outcome),
        _picture(timeline, outcome.until),
        "<h2>Faults that happened</h2>",
        _table([(name, f"{count:,}") for name, count in sorted(summary.faults.items())]),
        "</html>",
    ]
    return "\n".join(parts)


def _facts(summary: Summary) -> list[tuple[str, str]]:
    gap, seed = summary.longest_gap
    return [
        ("faults", f"{sum(summary.faults.values()):,}"),
        ("elections", f"{summary.elections:,}"),
        ("restarts of replicas and balancers", f"{summary.restarts:,}"),
        ("longest time without a leader", f"{gap / S:.2f} s (seed {seed})"),
        ("times two believed to lead at once", f"{summary.split_windows:,}"),
        ("changes and reads acknowledged", f"{summary.acknowledged:,}"),
        ("events, messages", f"{summary.events:,}, {summary.messages:,}"),
    ]


def _fail_overs(summary: Summary) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for phase in PHASES:
        found = distribution(summary.phases[phase])
        if found is not None:
            times = (found.p50, found.p90, found.p99, found.worst)
            rows.append((phase, *(_ms(time) for time in times), f"{found.count:,}"))
    return rows


def _verdict(outcome: Outcome) -> str:
    if outcome.broken is None:
        return "<p>Every promise was kept.</p>"
    broken = outcome.broken
    text = f"{broken.promise}, at {broken.at / S:.3f} s\n{broken.text}"
    return f"<p class=broken>{escape(text)}</p>"


def _table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}" for cell in head)] if head else []
    for row in rows:
        first, *rest = row
        cells = "".join(f"<td class=n>{escape(cell)}" for cell in rest)
        lines.append(f"<tr><td>{escape(first)}{cells}")
    return f"<table>{''.join(lines)}</table>"


def _histogram(times: Sequence[int]) -> str:
    """Fail-over times in bins of equal ratio, since they reach from milliseconds to seconds."""
    if not times:
        return "<p>No leader died.</p>"
    least, most = max(1, min(times)), max(2, *times)
    step = max(1.0001, (most / least) ** (1 / BARS))
    bins = [0] * (BARS + 1)
    for time in times:
        place, edge = 0, least * step
        while time > edge and place < BARS:
            place, edge = place + 1, edge * step
        bins[place] += 1
    high = max(bins)
    width = WIDTH / len(bins)
    shapes = []
    for place, count in enumerate(bins):
        height = 120 * count / high
        low, up = least * step**place, least * step ** (place + 1)
        title = f"{_ms(int(low))} to {_ms(int(up))}: {count}"
        shapes.append(
            f"<rect class=bar x={place * width:.1f} y={130 - height:.1f} "
            f"width={width - 1:.1f} height={height:.1f}><title>{title}</title></rect>"
        )
        if place % 8 == 0:
            shapes.append(f"<text x={place * width:.1f} y=146>{_ms(int(low))}</text>")
    return (
        f"<svg viewBox='0 0 {WIDTH} 150' role=img aria-label='Histogram of the time until the "
        f"next leader'>{''.join(shapes)}</svg>"
    )


def _picture(timeline: Timeline, until: int) -> str:
    rows: list[str] = []
    y = 20

    def x(at: int) -> float:
        return LEFT + (WIDTH - LEFT) * at / max(1, until)

    def draw(label: str, layers: Sequence[tuple[str, Sequence[Band]]]) -> None:
        nonlocal y
        rows.append(f"<text x=0 y={y + 11}>{escape(label)}</text>")
        for style, bands in layers:
            for band in bands:
                end = x(until if band.ended is None else band.ended)
                wide = max(1.5, end - x(band.began))
                title = f"{band.began / S:.3f} s: {band.text}"
                rows.append(
                    f"<rect class={style} x={x(band.began):.1f} y={y} width={wide:.1f} "
                    f"height={ROW - 4}><title>{escape(title)}</title></rect>"
                )
        y += ROW

    for worker, bands in sorted(timeline.workers.items()):
        draw(worker, [("alive", bands), ("leads", timeline.leading.get(worker, []))])
    y += ROW // 2
    for (host, slot), bands in sorted(timeline.slots.items()):
        draw(slot if host == "local" else f"{slot} on {host}", [("slot", bands)])
    y += ROW // 2
    for number, band in sorted(timeline.faults.items()):
        draw(f"{number} {band.text}"[:28], [("fault", [band])])
    for at in timeline.unserved:
        rows.append(f"<line class=lost x1={x(at):.1f} x2={x(at):.1f} y1=12 y2=18 />")
    for second in range(0, until // S + 1, 5):
        place = x(second * S)
        rows.append(f"<line class=grid x1={place:.1f} x2={place:.1f} y1=18 y2={y} />")
        rows.append(f"<text x={place:.1f} y=10>{second} s</text>")
    if timeline.healed is not None:
        place = x(timeline.healed)
        rows.append(f"<line class=healed x1={place:.1f} x2={place:.1f} y1=0 y2={y} />")
    legend = (
        "<p>Blue: the worker lives; orange: it leads; green: a process of the slot; red: a fault; "
        "the dashed line: all faults are over; ticks above: requests that no replica answered. "
        "Point at a band to see what it is.</p>"
    )
    return f"{legend}<svg viewBox='0 0 {WIDTH} {y + 10}'>{''.join(rows)}</svg>"


def _ms(ns: int) -> str:
    return f"{ns / MS:,.1f} ms" if ns < S else f"{ns / S:,.2f} s"
