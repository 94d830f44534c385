"""What ``interrex lab`` prints."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec

from interrex.cli.report import painted, table
from interrex.core.time import MS, S
from interrex.elections.catalogue import ALGORITHMS
from interrex.lab.faults import FAULTS
from interrex.lab.sequence import clock
from interrex.lab.sweep import Curve
from interrex.lab.trial import Trial

HEAD = (
    "ELECTION",
    "AGREED",
    "MESSAGES",
    "BYTES",
    "ROUNDS",
    "NO LEADER",
    "TWO LEADERS",
    "IN THE END",
)
MEANING = (
    "AGREED: from the fault until all whom it leaves together name one of them, who leads.",
    "MESSAGES, BYTES (the election's own) and ROUNDS (a chain of messages, each sent after the",
    "one before had come): until then.",
)


def lines_of(trials: Sequence[Trial], colours: bool = False, explained: bool = False) -> list[str]:
    """A table for each fault; ``explained``: with the meaning of its columns."""
    lines: list[str] = []
    for name, some in groupby(trials, key=lambda trial: trial.fault):
        group = list(some)
        first = group[0]
        looked_on = max(one.looked_on for one in group) / S
        lines += [
            painted(f"{name}: {FAULTS[name].text}", "strong", colours),
            f"{first.nodes} processes, seed {first.seed}, looked on for {looked_on:g} s",
            *_table(group, colours),
            "",
        ]
    return [*lines, *MEANING] if explained else lines[:-1]


def _table(trials: Sequence[Trial], colours: bool) -> list[str]:
    rows = [_row(trial) for trial in trials]
    widths = [max(len(row[at]) for row in (HEAD, *rows)) for at in range(len(HEAD))]
    numbers = range(1, len(HEAD) - 1)
    aligned = [
        [cell.rjust(widths[at]) if at in numbers else cell for at, cell in enumerate(row)]
        for row in rows
    ]
    return table(HEAD, aligned, colours)


def _row(trial: Trial) -> tuple[str, ...]:
    double = f"{trial.windows}x, {duration(trial.double)}" if trial.windows else "-"
    return (
        trial.algorithm.title,
        "never" if trial.agreed is None else duration(trial.agreed),
        f"{trial.messages:,}",
        f"{trial.bytes:,}",
        f"{trial.rounds:,}",
        duration(trial.without),
        double,
        trial.outcome,
    )


def duration(ns: int) -> str:
    """``0.79 ms``, ``217 ms``, ``3.00 s``."""
    if ns >= S:
        return f"{ns / S:.2f} s"
    return f"{ns / MS:.2f} ms" if ns < 10 * MS else f"{ns / MS:.0f} ms"


def message_lines(trial: Trial) -> list[str]:
    """Everything that was said and believed until all agreed, a line each, in its order."""
    began, algorithm = trial.began, trial.algorithm
    end = None if trial.agreed is None else began + trial.agreed
    lines = []
    for mail in trial.mails:
        arrived = "never" if mail.arrived is None else clock(mail.arrived - began)
        words = algorithm.label(algorithm.message(mail.content))
        lines.append((mail.sent, arrived, f"{mail.sender} -> {mail.to}  {words}"))
    for turn in trial.turns:
        names = "itself" if turn.leader == turn.worker else turn.leader or "nobody"
        lines.append((turn.at, "", f"{turn.worker} names {names}: {turn.reason}"))
    for one in trial.incidents:
        lines.append((one.at, "", f"{', '.join(one.workers)}: {one.text}"))
    ring = f", a ring in the order {' '.join(trial.circle)}" if algorithm.ring else ""
    return [
        f"{algorithm.title}{ring}",
        f"{'':>12}{'arrives':>12}",
        *(
            f"{clock(at - began):>12}{arrived:>12}  {words}"
            for at, arrived, words in sorted(lines, key=lambda line: line[0])
            if end is None or at <= end
        ),
        "",
    ]


def document(trials: Sequence[Trial], curves: Sequence[Curve] = ()) -> dict[str, Any]:
    """The same for machines. Times in seconds; ``agreed_s`` None: never."""
    counted = [
        {
            "election": one.algorithm.name,
            "fault": one.fault,
            "points": msgspec.to_builtins(one.points),
        }
        for one in curves
    ]
    return {
        "messages_by_nodes": counted,
        "nodes": trials[0].nodes,
        "seed": trials[0].seed,
        "trials": [
            {
                "election": trial.algorithm.name,
                "fault": trial.fault,
                "agreed_s": None if trial.agreed is None else trial.agreed / S,
                "messages": trial.messages,
                "bytes": trial.bytes,
                "rounds": trial.rounds,
                "without_leader_s": trial.without / S,
                "two_leaders": trial.windows,
                "two_leaders_s": trial.double / S,
                "looked_on_s": trial.looked_on / S,
                "outcome": trial.outcome,
            }
            for trial in trials
        ],
    }


def catalogue_lines() -> list[str]:
    """Every election and every fault."""
    elections = [
        (one.name, f"{one.source}; {'for learners; ' if one.lesson else ''}assumes: {one.assumes}")
        for one in ALGORITHMS
    ]
    faults = [(one.name, one.text) for one in FAULTS.values()]
    return [*table(("ELECTION", ""), elections), "", *table(("FAULT", ""), faults)]
