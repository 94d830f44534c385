"""``python -m interrex.cli.mutants``: is every planted bug caught by the simulator?

Each runs in processes of its own (``mutant_seeds``), because a bug is planted before the cores
are loaded. A seed that caught something is run without any bug too: if it fails then as well, it
counts for none.
"""

import argparse
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryFile

import msgspec

from interrex.cli.mutant_seeds import NO_BUG, SeedResult
from interrex.simulator.mutants.catalogue import MUTANTS
from interrex.simulator.mutants.results import MOST_SEEDS, Result, page, results_in

ENOUGH = 3
"""When so many seeds have caught a bug, it is the next one's turn, unless all are asked for."""

MOST_SECONDS = 1800
"""No bug is run for longer."""

_decoder = msgspec.json.Decoder(SeedResult)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bugs, show a table as it grows.

    Returns:
        0 if every bug was caught, 1 if one survived.
    """
    options = _options(arguments)
    names = options.names or list(MUTANTS)
    enough = options.seeds if options.all else options.enough
    sound = SoundSeeds()
    results = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(_run, name, options.seeds, enough, sound) for name in names]
        for done, run in enumerate(as_completed(runs), start=1):
            result = run.result()
            results[result.mutant] = result
            print(f"{done:3}/{len(runs)} {_line(result)}", flush=True)
            if options.write is not None:
                _write(options.write, result)
    if sound.broken:
        names_of_seeds = ", ".join(sorted(sound.broken))
        print(f"these seeds fail without any bug, and count for none: {names_of_seeds}")
    survivors = [name for name in names if not results[name].caught]
    print(f"{len(names) - len(survivors)} of {len(names)} planted bugs are caught")
    if survivors:
        print(f"not caught: {', '.join(survivors)}")
    return 1 if survivors else 0


class SoundSeeds:
    """Which of the seeds that caught something are sound: no promise is broken without a bug."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], bool] = {}

    @property
    def broken(self) -> list[str]:
        """The seeds that fail without any bug, and their election where it is not the usual one."""
        return [
            f"{election} {seed}".strip()
            for (election, seed), sound in self._known.items()
            if not sound
        ]

    def has(self, election: str, seed: int) -> bool:
        """Whether a seed of fleets of this election is sound."""
        key = (election, seed)
        with self._lock:
            if key not in self._known:
                runs = _seeds(NO_BUG, election, seed, seed)
                found = [result for result in runs if result.seed == seed]
                self._known[key] = bool(found) and not (found[0].promise or found[0].problem)
            return self._known[key]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__, add_help=True)
    parser.add_argument("names", nargs="*", metavar="BUG", help="all of them by default")
    parser.add_argument("--all", action="store_true", help="count over all seeds")
    parser.add_argument("--enough", type=int, default=ENOUGH, metavar="N", help="catches a bug")
    parser.add_argument("--seeds", type=int, default=MOST_SEEDS, metavar="N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="the page to bring up to date")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in MUTANTS]
    if unknown:
        parser.error(f"no such bug: {', '.join(unknown)}")
    return options


def _run(name: str, seeds: int, enough: int, sound: SoundSeeds) -> Result:
    """Run one bug until enough seeds have caught it, or all have had their turn."""
    promises: Counter[str] = Counter()
    first, ran, problem = None, 0, ""
    election = MUTANTS[name].election
    with closing(_seeds(name, election, 1, seeds)) as found:
        for result in found:
            problem = problem or result.problem
            if result.promise and not sound.has(election, result.seed):
                continue
            ran += 1
            if result.promise:
                promises[result.promise] += 1
                first = first or result.seed
            if promises.total() >= enough:
                break
    by = tuple(promise for promise, _ in promises.most_common())
    return Result(name, ran, promises.total(), first, by, problem)


def _seeds(name: str, election: str, first: int, last: int) -> Generator[SeedResult, None, None]:
    """What each seed comes to, as it does."""
    words = [name, election, str(first), str(last)]
    command = [sys.executable, "-m", "interrex.cli.mutant_seeds", *words]
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


def _write(path: Path, result: Result) -> None:
    known = results_in(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(page({**known, result.mutant: result}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
