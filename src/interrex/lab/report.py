"""What the lab has seen as one self-contained HTML page: no script, no font, nothing from
elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from interrex.core.time import S
from interrex.lab.faults import FAULTS
from interrex.lab.plots import plot, together
from interrex.lab.sequence import diagram, since
from interrex.lab.sweep import OF_ALL, PROVED, SILENT, Curve
from interrex.lab.trial import Trial

COLOURS = ("#1f6fb2", "#d9822b", "#2c7a3f", "#8a4fbf", "#c8553d", "#0f8b8d", "#7a6a1f", "#b0307c",
           "#555555")  # fmt: skip
"""One for each election, in their order."""
_STYLE = """
:root { --ink: #222; --paper: #fff; --faint: #777; --grid: #e4e4e4; --life: #b9c2cc; --mail: #456;
  --good: #dcefdc; --good-ink: #1d5a2b; --self: #ffe1b8; --self-ink: #7a4300; --bad: #f6d4cd;
  --bad-ink: #8a2413; --none: #ececec; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --paper: #16181c; --faint: #999; --grid: #30343a; --life: #4a525c;
    --mail: #9ab; --good: #1f3a26; --good-ink: #a9dcb4; --self: #4f3712; --self-ink: #ffcf8f;
    --bad: #55241b; --bad-ink: #ffb5a6; --none: #33373d; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1180px; color: var(--ink);
  background: var(--paper); padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.25em; margin-top: 2.2em; }
h3 { font-size: 1.05em; margin: 1.6em 0 .3em; }
table { border-collapse: collapse; } td, th { padding: .15em 1em .15em 0; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr td { border-top: 1px solid var(--grid); }
p { max-width: 52em; } .faint { color: var(--faint); fill: var(--faint); }
.wide { overflow-x: auto; } .plots { display: grid; gap: 1.5em;
  grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); }
svg { display: block; max-width: none; } .plots svg { max-width: 100%; height: auto; }
text { font: 11px system-ui, sans-serif; fill: var(--ink); }
.name { font-weight: 600; font-size: 13px; } .time { fill: var(--faint); font-size: 10px; }
.life { stroke: var(--life); stroke-width: 1.5; }
.down { stroke: #c8553d; stroke-width: 1.5; stroke-dasharray: 2 4; }
.leads { fill: #d9822b; } .silence { stroke: var(--grid); stroke-dasharray: 6 4; }
.mail { stroke: var(--mail); } .head { fill: none; stroke: var(--mail); }
.lost { stroke: #c8553d; stroke-dasharray: 4 3; } .cross { fill: #c8553d; }
.kind { font-size: 11px; fill: var(--mail); paint-order: stroke; stroke: var(--paper);
  stroke-width: 3px; }
.follows { fill: var(--good); } .wins { fill: var(--self); } .lacks { fill: var(--none); }
.incident { fill: var(--bad); } .befalls { fill: var(--bad-ink); font-weight: 600; }
.believes { font-size: 11px; }
.grid { stroke: var(--grid); } polyline { fill: none; stroke-width: 1.5; }
.curve { stroke: #1f6fb2; stroke-width: 2; } .point { fill: #1f6fb2; }
.spread { stroke: #1f6fb2; stroke-width: 3; stroke-opacity: .35; }
.curve.k1, .spread.k1 { stroke: #8a4fbf; } .point.k1 { fill: #8a4fbf; }
.bound { stroke-dasharray: 5 4; } .b0 { stroke: #2c7a3f; } .b1 { stroke: #d9822b; }
.b2 { stroke: #c8553d; } .key { display: inline-block; width: 1.6em; border-top: 3px solid;
  margin: 0 .4em .25em 0; vertical-align: middle; } .key.dashed { border-top-style: dashed; }
ul.legend { list-style: none; padding: 0; margin: .2em 0; }
ul.legend li { display: inline-block; margin-right: 1.4em; }
"""
_KINDS = ("#1f6fb2", "#8a4fbf")
_COUNTED = {OF_ALL: "all begin", PROVED: "a proved death", SILENT: "a silent leader"}
_BOUNDS = ("#2c7a3f", "#d9822b", "#c8553d")


def html_report(
    trials: Sequence[Trial], drawn: Sequence[Trial], curves: Sequence[Curve], command: str
) -> str:
    """The page.

    Args:
        trials: what the tables are about.
        drawn: what the sequence diagrams show: the same, or the same with fewer processes.
        curves: messages over the number of processes, by election; empty: not asked for.
        command: how to make this page again.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>Elections: {trials[0].nodes} processes, seed {trials[0].seed}</title>",
        f"<style>{_STYLE}{_curve_colours()}</style>",
        f"<h1>{_counted(trials)}</h1>",
        f"<p>Made by <code>{escape(command)}</code>. Everything is simulated, from one seed.</p>",
        *_tables(trials),
        *_promises(trials),
        *_diagrams(drawn),
        *_plots(curves),
        "</html>",
    ]
    return "\n".join(parts)


def _counted(trials: Sequence[Trial]) -> str:
    elections = len({trial.algorithm.name for trial in trials})
    faults = len({trial.fault for trial in trials})
    who = f"{elections} elections" if elections > 1 else "One election"
    return f"{who} under the same {f'{faults} faults' if faults > 1 else 'fault'}"


def _curve_colours() -> str:
    return "".join(
        f".curve.c{at} {{ stroke: {colour}; }} .point.c{at} {{ fill: {colour}; }}"
        for at, colour in enumerate(COLOURS)
    )


# Tables


def _tables(trials: Sequence[Trial]) -> Iterable[str]:
    head = (
        "election", "agreed after", "messages", "bytes", "rounds", "no leader for",
        "two leaders", "in the end",
    )  # fmt: skip
    for name, some in groupby(trials, key=lambda trial: trial.fault):
        group = list(some)
        looked_on = max(trial.looked_on for trial in group) / S
        yield f"<h2>{escape(_sentence(FAULTS[name].text))}</h2>"
        yield (
            f"<p class=faint>{group[0].nodes} processes, seed {group[0].seed}, "
            f"looked on for {looked_on:g} s.</p>"
        )
        yield _table(head, [_row(trial) for trial in group], numbers=range(1, 7))
    yield (
        "<p class=faint><b>Agreed after</b>: from the fault until all whom it leaves together name "
        "one of them, who leads. <b>Messages</b>, <b>bytes</b> (the election's own) and "
        "<b>rounds</b> (a chain of messages, each sent after the one before had come) count until "
        "then. <b>Two leaders</b>: how often, and for how long in all.</p>"
    )


def _row(trial: Trial) -> tuple[str, ...]:
    return (
        trial.algorithm.title,
        "never" if trial.agreed is None else since(trial.agreed),
        f"{trial.messages:,}",
        f"{trial.bytes:,}",
        f"{trial.rounds:,}",
        since(trial.without),
        f"{trial.windows} x, {since(trial.double)}" if trial.windows else "–",
        trial.outcome,
    )


def _promises(trials: Sequence[Trial]) -> Iterable[str]:
    head = ("election", "from", "one leader an epoch", "fenced", "quorum", "assumes")
    rows = []
    for trial in {trial.algorithm.name: trial for trial in trials}.values():
        promised = trial.guarantees
        yes = (promised.unique_epochs, promised.fenced, promised.quorum)
        algorithm = trial.algorithm
        rows.append(
            (
                algorithm.title,
                algorithm.source,
                *("yes" if one else "no" for one in yes),
                algorithm.assumes,
            )
        )
    yield "<h2>What each promises</h2>"
    yield _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if at in numbers else ''}>{escape(cell)}"
            for at, cell in enumerate(row)
        )

    lines = [f"<tr>{cells(head, 'th')}", *(f"<tr>{cells(row, 'td')}" for row in rows)]
    return f"<div class=wide><table>{''.join(lines)}</table></div>"


# Pictures


def _diagrams(trials: Sequence[Trial]) -> Iterable[str]:
    yield "<h2>Who says what to whom</h2>"
    yield (
        "<p>A line down for each process, an arrow for each message; time runs downwards, and a "
        "long silence is drawn short. Orange: this process believes that it leads. Dotted red: it "
        "is dead or stopped; a red arrow is a message that never arrives. Point at anything to see "
        "more of it.</p>"
    )
    if any(trial.algorithm.service is not None for trial in trials):
        yield (
            "<p>A coordination service has a line of its own. When a question comes to it is not "
            "seen from outside: it is drawn half-way.</p>"
        )
    for name, some in groupby(trials, key=lambda trial: trial.fault):
        for trial in some:
            yield f"<h3>{escape(trial.algorithm.title)}: {escape(FAULTS[name].text)}</h3>"
            yield f"<p class=faint>{escape(_told(trial))}</p>"
            yield f"<div class=wide>{diagram(trial)}</div>"


def _told(trial: Trial) -> str:
    agreed = "They never agree" if trial.agreed is None else f"Agreed after {since(trial.agreed)}"
    ring = ", a ring in this order" if trial.algorithm.ring else ""
    return (
        f"{trial.nodes} processes{ring}. {agreed}; {trial.messages:,} messages until then. "
        f"In the end: {trial.outcome}."
    )


def _plots(curves: Sequence[Curve]) -> Iterable[str]:
    if not curves:
        return
    yield "<h2>Messages over the number of processes</h2>"
    yield (
        "<p>Messages that it takes to find the leader, without those that announce the winner. "
        "Elections of fleets take over from one whose death is proved, or who falls silent; the "
        "classics begin all together. "
        "Both axes are logarithmic: a power of n is a straight line. Bars: the fewest and the most "
        "over the seeds.</p><div class=plots>"
    )
    groups = [list(some) for _, some in groupby(curves, key=lambda one: one.algorithm.name)]
    first = [group[0] for group in groups]
    keys = [
        (curve.algorithm.title, COLOURS[at % len(COLOURS)], False) for at, curve in enumerate(first)
    ]
    if len(first) > 1:
        yield f"<div><h3>All of them</h3>{together(first)}{_legend(keys)}</div>"
    for group in groups:
        keys = [
            (f"counted: {_COUNTED[curve.fault]}", colour, False)
            for curve, colour in zip(group, _KINDS, strict=False)
        ]
        bounds = zip(group[0].algorithm.bounds, _BOUNDS, strict=False)
        keys += [(name, colour, True) for (name, _), colour in bounds]
        title = escape(group[0].algorithm.title)
        yield f"<div><h3>{title}</h3>{plot(group)}{_legend(keys)}</div>"
    yield "</div>"


def _legend(keys: Sequence[tuple[str, str, bool]]) -> str:
    entries = "".join(
        f"<li><span class='key{' dashed' if dashed else ''}' style='color:{colour}'></span>"
        f"{escape(name)}</li>"
        for name, colour, dashed in keys
    )
    return f"<ul class=legend>{entries}</ul>"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
