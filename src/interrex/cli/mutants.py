"""``python -m interrex.cli.mutants``: is every planted bug caught by the simulator?

Each runs in processes of its own (``mutant_seeds``), because a bug is planted before the cores
are loaded. First the same seeds run without any bug: whichever fails then counts for none.
"""

import argparse
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic

import msgspec

from interrex.cli.mutant_seeds import NO_BUG, SeedResult
from interrex.simulator.mutants.catalogue import MUTANTS
from interrex.simulator.mutants.results import MOST_SEEDS, Result, page, results_in

ENOUGH = 3
"""So many seeds have to catch a bug before the next one's turn, unless all are asked for."""

MOST_SECONDS = 1800
"""No bug is run for longer."""

_decoder = msgspec.json.Decoder(SeedResult)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bugs, show a table as it grows.

    Returns:
        0 if every bug was caught, 1 if one survived, or seeds fail without any bug.
    """
    options = _options(arguments)
    names = options.names or list(MUTANTS)
    failing, problem = _control(options.seeds, options.jobs)
    if problem:
        print(f"without any bug: {problem}")
        return 1
    if failing:
        print(f"without any bug these seeds fail, and count for none: {sorted(failing)}")
    enough = options.seeds if options.all else ENOUGH
    results = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(_run, name, options.seeds, enough, failing) for name in names]
        for done, run in enumerate(as_completed(runs), start=1):
            result = run.result()
            results[result.mutant] = result
            print(f"{done:3}/{len(runs)} {_line(result)}", flush=True)
    if options.write is not None:
        _write(options.write, results)
    bad = [name for name in names if not results[name].caught]
    print(f"{len(names) - len(bad)} of {len(names)} planted bugs are caught")
    if bad:
        print(f"not caught: {', '.join(bad)}")
    return 1 if bad or failing else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__, add_help=True)
    parser.add_argument("names", nargs="*", metavar="BUG", help="all of them by default")
    parser.add_argument("--all", action="store_true", help="count over all seeds")
    parser.add_argument("--seeds", type=int, default=MOST_SEEDS, metavar="N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="the page to bring up to date")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in MUTANTS]
    if unknown:
        parser.error(f"no such bug: {', '.join(unknown)}")
    return options


def _control(seeds: int, jobs: int) -> tuple[set[int], str]:
    """The seeds that fail without any bug, and what went wrong with the run itself."""
    share = -(-seeds // jobs)
    firsts = range(1, seeds + 1, share)

    def run(first: int) -> list[SeedResult]:
        return list(_seeds(NO_BUG, first, min(first + share - 1, seeds), enough=seeds))

    began = monotonic()
    with ThreadPoolExecutor(len(firsts)) as pool:
        found = [result for part in pool.map(run, firsts) for result in part]
    print(f"without any bug: {len(found)} seeds in {monotonic() - began:.0f} s", flush=True)
    problem = next((result.problem for result in found if result.problem), "")
    return {result.seed for result in found if result.promise}, problem


def _run(name: str, seeds: int, enough: int, failing: set[int]) -> Result:
    """Run one bug until enough seeds have caught it, or all have had their turn."""
    promises: Counter[str] = Counter()
    first, caught, ran, problem = None, 0, 0, ""
    for result in _seeds(name, 1, seeds, enough + len(failing)):
        if result.problem:
            problem = problem or result.problem
        if result.seed in failing:
            continue
        ran += 1
        if result.promise:
            promises[result.promise] += 1
            caught += 1
            first = first or result.seed
            if caught >= enough:
                break
    by = tuple(promise for promise, _ in promises.most_common())
    return Result(name, ran, caught, first, by, problem)


def _seeds(name: str, first: int, last: int, enough: int) -> Iterator[SeedResult]:
    """What each seed comes to, as it does."""
    command = [sys.executable, "-m", "interrex.cli.mutant_seeds", name]
    command += [str(first), str(last), str(enough)]
    with (
        TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        stop = threading.Timer(MOST_SECONDS, process.kill)
        stop.start()
        try:
            for line in process.stdout:
                yield _decoder.decode(line)
            if process.wait():
                errors.seek(0)
                said = errors.read().decode(errors="replace").split("\n")
                last_line = next((line for line in reversed(said) if line.strip()), "")
                yield SeedResult(0, problem=last_line or f"ended by {process.returncode}")
        finally:
            stop.cancel()
            process.kill()


def _line(result: Result) -> str:
    first = "" if result.first is None else f", first {result.first}"
    by = ", ".join(result.promises) or "SURVIVED"
    problem = f"  ({result.problem})" if result.problem else ""
    return f"{result.mutant:36} {result.caught:3} of {result.seeds:3}{first:12} {by}{problem}"


def _write(path: Path, results: dict[str, Result]) -> None:
    known = results_in(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(page({**known, **results}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
