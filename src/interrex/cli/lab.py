"""``interrex lab``."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from interrex.cli.exits import CommandError, Exit
from interrex.cli.lab_sweep import curves_of
from interrex.cli.lab_words import catalogue_lines, document, lines_of, message_lines
from interrex.cli.names import unknown
from interrex.cli.places import Flag, check_writable
from interrex.cli.sim_words import Progress
from interrex.cli.terminal import has_colours
from interrex.cli.values import whole_number
from interrex.elections.catalogue import ALGORITHMS, Algorithm
from interrex.lab.faults import FAULTS, Fault
from interrex.lab.report import html_report
from interrex.lab.sweep import Curve, sizes_to
from interrex.lab.trial import Trial, run

FEWEST, MOST = 3, 101
DEFAULT_FAULT = "leader-killed"
MOST_DRAWN, FEWER = 8, 5
"""Diagrams of more processes than that cannot be read: fewer are drawn then."""


def lab(
    *,
    algorithms: Annotated[str | None, Parameter(metavar="LIST")] = None,
    fault: Annotated[str, Parameter(metavar="LIST")] = DEFAULT_FAULT,
    nodes: Annotated[int, Parameter(metavar="N", converter=whole_number)] = 5,
    seed: Annotated[int, Parameter(metavar="S", converter=whole_number)] = 1,
    report: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    plot_to: Annotated[int, Parameter(metavar="N", converter=whole_number)] = MOST,
    messages: Flag = False,
    json: Flag = False,
    list: Flag = False,
) -> int:
    """Let every election meet the same fault, and show what each of them does.

    The elections that fleets run, and classics for learners, live in a simulated world: the same
    fault befalls each of them, from the same seed. A table says how long it took until all whom
    the fault leaves together agreed on a leader, with how many messages, and who led meanwhile.
    Nothing is started on this machine. docs/elections.md explains what is seen.

    Example: interrex lab --fault halves --report lab.html

    Args:
        algorithms: Which elections, as --list names them, with commas; by default all.
        fault: Which faults, as --list names them, with commas, or all.
        nodes: How many processes take part, 3 to 101.
        seed: Draws the order on rings, latencies and time-outs.
        report: Write an HTML page with sequence diagrams and plots here.
        plot_to: Up to how many processes messages are counted for the report's plots; 0: no
            plots.
        messages: Print every message and every belief until all agree, too.
        json: Print what was measured as one JSON document; with --report the plots' numbers, too.
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
    if not 0 <= plot_to <= MOST:
        raise CommandError(f"--plot-to {plot_to}: say a number from 0 to {MOST}", Exit.USAGE)
    check_writable(report)
    trials = _run_all(chosen, faults, nodes, seed)
    curves = () if report is None else _curves(chosen, plot_to)
    if json:
        print(msgspec.json.encode(document(trials, curves)).decode())
    else:
        table = lines_of(trials, has_colours(sys.stdout), explained=sys.stdout.isatty())
        told = [line for trial in trials for line in message_lines(trial)] if messages else []
        print("\n".join([*told, *table]))
    if report is not None:
        _write_report(report, trials, curves, plot_to)
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


def _curves(algorithms: tuple[Algorithm, ...], plot_to: int) -> tuple[Curve, ...]:
    progress = Progress(sys.stderr, None, None)
    try:
        return curves_of(algorithms, sizes_to(plot_to), progress.say)
    finally:
        progress.end()


def _write_report(
    path: Path, trials: tuple[Trial, ...], curves: tuple[Curve, ...], plot_to: int
) -> None:
    algorithms = tuple({trial.algorithm.name: trial.algorithm for trial in trials}.values())
    faults = tuple({trial.fault: FAULTS[trial.fault] for trial in trials}.values())
    nodes, seed = trials[0].nodes, trials[0].seed
    drawn = trials if nodes <= MOST_DRAWN else _run_all(algorithms, faults, FEWER, seed)
    words = ["--fault", ",".join(fault.name for fault in faults), "--nodes", str(nodes)]
    words += ["--seed", str(seed)]
    if len(algorithms) < len(ALGORITHMS):
        words += ["--algorithms", ",".join(algorithm.name for algorithm in algorithms)]
    words += ["--plot-to", str(plot_to)] if plot_to != MOST else []
    command = " ".join(["interrex", "lab", *words, "--report", path.name])
    _write_whole(path, html_report(trials, drawn, curves, command))


def _write_whole(path: Path, text: str) -> None:
    """Write beside it, and rename: whoever interrupts finds the old page, or none.

    Raises:
        CommandError: it cannot be written any more; what was begun is removed.
    """
    target = path.resolve()
    is_special = target.exists() and not target.is_file()
    beside = target if is_special else target.with_name(f".{target.name}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        if not is_special:
            beside.replace(target)
    except OSError as error:
        if not is_special:
            with suppress(OSError):
                beside.unlink()
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error


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
