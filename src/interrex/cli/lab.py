"""``interrex lab``."""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from interrex.cli.exits import CommandError, Exit
from interrex.cli.lab_words import catalogue_lines, document, lines_of
from interrex.cli.names import unknown
from interrex.cli.places import Flag
from interrex.cli.sim_words import Progress
from interrex.cli.terminal import has_colours
from interrex.cli.values import whole_number
from interrex.elections.catalogue import ALGORITHMS, Algorithm
from interrex.lab.faults import FAULTS, Fault
from interrex.lab.trial import Trial, run

FEWEST, MOST = 3, 101
DEFAULT_FAULT = "leader-killed"


def lab(
    *,
    algorithms: Annotated[str | None, Parameter(metavar="LIST")] = None,
    fault: Annotated[str, Parameter(metavar="LIST")] = DEFAULT_FAULT,
    nodes: Annotated[int, Parameter(metavar="N", converter=whole_number)] = 5,
    seed: Annotated[int, Parameter(metavar="S", converter=whole_number)] = 1,
    json: Flag = False,
    list: Flag = False,
) -> int:
    """Let every election meet the same fault, and show what each of them does.

    The elections that fleets run, and classics for learners, live in a simulated world: the same
    fault befalls each of them, from the same seed. A table says how long it took until all whom
    the fault leaves together agreed on a leader, with how many messages, and who led meanwhile.
    Nothing is started on this machine. docs/elections.md explains what is seen.

    Example: interrex lab --fault halves --nodes 5

    Args:
        algorithms: Which elections, as --list names them, with commas; by default all.
        fault: Which faults, as --list names them, with commas, or all.
        nodes: How many processes take part, 3 to 101.
        seed: Draws the order on rings, latencies and time-outs.
        json: Print what was measured as one JSON document.
        list: List the elections and the faults.
    """
    if list:
        print("\n".join(catalogue_lines()))
        return Exit.OK
    chosen, faults = _algorithms(algorithms), _faults(fault)
    if not FEWEST <= nodes <= MOST:
        raise CommandError(f"--nodes {nodes}: say a number from {FEWEST} to {MOST}", Exit.USAGE)
    if seed < 0:
        raise CommandError(f"--seed {seed}: say a number from 0 on", Exit.USAGE)
    trials = _run_all(chosen, faults, nodes, seed)
    if json:
        print(msgspec.json.encode(document(trials)).decode())
    else:
        print("\n".join(lines_of(trials, has_colours(sys.stdout))))
    return Exit.OK


def _run_all(
    algorithms: tuple[Algorithm, ...], faults: tuple[Fault, ...], nodes: int, seed: int
) -> tuple[Trial, ...]:
    progress = Progress(sys.stderr, None, None)
    trials = []
    try:
        for fault in faults:
            for algorithm in algorithms:
                progress.say(f"{fault.name}: {algorithm.title}")
                trials.append(run(algorithm, fault, nodes, seed))
    finally:
        progress.end()
    return tuple(trials)


def _algorithms(words: str | None) -> tuple[Algorithm, ...]:
    known = {algorithm.name: algorithm for algorithm in ALGORITHMS}
    if words is None:
        return ALGORITHMS
    return tuple(known[name] for name in _named("election", words, tuple(known)))


def _faults(words: str) -> tuple[Fault, ...]:
    if words == "all":
        return tuple(FAULTS.values())
    return tuple(FAULTS[name] for name in _named("fault", words, tuple(FAULTS)))


def _named(kind: str, words: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The names in a list with commas, each once, in the catalogue's order."""
    names = {word.strip() for word in words.split(",") if word.strip()}
    for name in sorted(names):
        if name not in known:
            raise unknown(kind, name, known)
    if not names:
        raise CommandError(f"no {kind} is named\nthere are: {', '.join(known)}", Exit.USAGE)
    return tuple(name for name in known if name in names)
