"""What came of running a planted bug, and the page that tells it of all of them."""

import re

import msgspec

from interrex.simulator.mutants.catalogue import AREAS, MUTANTS
from interrex.simulator.mutants.mutant import Mutant

INTRODUCTION = """\
# Planted bugs

A simulator that never fails proves nothing. So {count} bugs are planted in the cores, one at a
time, and each has to be caught: a run of random faults has to end with a broken promise. Every
bug is a few lines of one core, said differently; the exact change stands in
`src/interrex/simulator/mutants/`.

`make sim-mutants` runs each with seeds 1, 2, 3 ... until three have caught it, and fails if one
survives {most} of them. `make sim-mutants ARGS="--all --write docs/mutants.md"` runs all the seeds
and writes this page, a row at a time. A seed that fails without any bug counts for none.

Fleets elect by Raft, but for the last four tables, which say by what.

"Caught by" names the promises whose checkers caught it, the most frequent first. "1 of 8, first 8"
was run with eight seeds, of which the eighth caught it; rows may be of different runs, and of
different states of the simulator. "Not run" has no result written yet.
"""

_ROW = re.compile(
    r"^\| `(?P<name>[a-z-]+)` \| .* \| (?P<promises>[^|]*) \| (?P<caught>\d+) of (?P<seeds>\d+)"
    r"(?:, first (?P<first>\d+))? \|$"
)

MOST_SEEDS = 300


class Result(msgspec.Struct, frozen=True):
    """How one bug fared.

    ``promises`` names those that were seen broken, the most frequent first; ``first`` is the
    first seed that caught it, None if none did; ``problem`` is what went wrong with some seed's run
    itself, which then counts as not caught.
    """

    mutant: str
    seeds: int
    caught: int
    first: int | None
    promises: tuple[str, ...]
    problem: str = ""


def page(results: dict[str, Result]) -> str:
    """The documentation's page, as Markdown.

    Args:
        results: by the bug's name; bugs without one are told as not run.
    """
    parts = [INTRODUCTION.format(count=len(MUTANTS), most=MOST_SEEDS)]
    for area, mutants in AREAS.items():
        parts.append(f"\n## {area}\n\n| bug | rule that it breaks | caught by | seeds |")
        parts.append("\n|---|---|---|---|\n")
        parts += [_row(mutant, results.get(mutant.name)) for mutant in mutants]
    return "".join(parts)


def _row(mutant: Mutant, result: Result | None) -> str:
    rule = mutant.rule + (f" ({mutant.source})" if mutant.source else "")
    if result is None:
        return f"| `{mutant.name}` | {rule} | | not run |\n"
    first = "" if result.first is None else f", first {result.first}"
    by = ", ".join(result.promises) or "nothing"
    return f"| `{mutant.name}` | {rule} | {by} | {result.caught} of {result.seeds}{first} |\n"


def results_in(text: str) -> dict[str, Result]:
    """The results that a page tells, by the bug's name."""
    found = {}
    for line in text.splitlines():
        row = _ROW.match(line)
        if row is None:
            continue
        by = row["promises"].strip()
        found[row["name"]] = Result(
            row["name"],
            int(row["seeds"]),
            int(row["caught"]),
            None if row["first"] is None else int(row["first"]),
            () if by == "nothing" else tuple(by.split(", ")),
        )
    return found
