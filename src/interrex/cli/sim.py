"""``interrex sim``."""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from interrex.cli.exits import CommandError, Exit
from interrex.cli.names import unknown
from interrex.cli.places import Flag, check_writable
from interrex.cli.sim_scenarios import play, scenario_lines
from interrex.cli.sim_seeds import Asked, SeedResult, run_one, run_seeds, shrink_seed
from interrex.cli.sim_words import Progress, lines_of, summary_document
from interrex.cli.terminal import interrupted_by_every_ending
from interrex.cli.values import whole_number
from interrex.config import check as check_file
from interrex.core.spec import ClusterSpec
from interrex.core.time import S
from interrex.simulator.chance import Chance
from interrex.simulator.checkers import all_watches
from interrex.simulator.checkers.watch import Panel
from interrex.simulator.faults.catalogue import families_of
from interrex.simulator.faults.drawing import usual_spec
from interrex.simulator.faults.electing import DRAWN_ELECTIONS, draw_election
from interrex.simulator.plan import Fault, FaultPlan
from interrex.simulator.report import html_report
from interrex.simulator.run import Broken, replay
from interrex.simulator.shrinking import Shrunk, told
from interrex.simulator.shrinking import only as only_faults
from interrex.simulator.summary import Summary
from interrex.simulator.timeline import Timeline
from interrex.simulator.trace import Trace

SEEDS = 100
SCENARIO_SEEDS = 10
DURATION_S = 30
MOST_JOBS = 256
SHRINKING_S = 20.0
"""How long (wall time) a short list of faults is looked for."""
Number = Annotated[int | None, Parameter(metavar="N", converter=whole_number)]


def sim(
    file: Path | None = None,
    /,
    *,
    seeds: Number = None,
    seed: Annotated[int | None, Parameter(metavar="S", converter=whole_number)] = None,
    first: Annotated[int | None, Parameter(metavar="S", converter=whole_number)] = None,
    minutes: Annotated[float | None, Parameter(metavar="M")] = None,
    duration: Annotated[int, Parameter(metavar="SECONDS", converter=whole_number)] = DURATION_S,
    jobs: Number = None,
    election: Annotated[str | None, Parameter(metavar="NAME")] = None,
    faults: Annotated[str | None, Parameter(metavar="LIST")] = None,
    only: Annotated[str | None, Parameter(metavar="LIST")] = None,
    report: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    trace: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    json: Flag = False,
    scenario: Annotated[str | None, Parameter(metavar="NAME")] = None,
    list: Flag = False,
) -> int:
    """Show how a cluster behaves under faults, before production does.

    The very code that runs a fleet runs in a simulated world: its clocks, networks, disks,
    machines and processes fail in every way that is known, drawn from a seed, and every promise is
    checked. Nothing is started on this machine. A broken promise is shown with the shortest list
    of faults that breaks it, and the command that shows it again.

    Example: interrex sim shop.toml --minutes 5 --report shop.html

    Args:
        file: The cluster file; without one, fleets of all shapes are simulated.
        seeds: How many seeds to run, 1, 2, 3 and so on (100, unless --minutes says how long).
        seed: Run this one seed only.
        first: Begin with this seed in place of 1, so that a long run can be split.
        minutes: Run new seeds for so long (wall time).
        duration: For how many simulated seconds of a seed faults happen.
        jobs: How many processes to use; by default one for each core.
        election: Without a file: by what the fleets elect, as a file or interrex lab names it.
        faults: Which families of faults may happen, as processes,network; by default all.
        only: With --seed: of the seed's faults, those with these numbers, as 3,17.
        report: Write an HTML page with the worst seed's timeline and a histogram here.
        trace: With --seed: write every step as a line of JSON here (docs/trace.md).
        json: Print what was found as one JSON document.
        scenario: Run this named scenario instead of drawn faults, with --seeds (10) or --seed.
        list: List the scenarios, and what must come of each.
    """
    if list:
        print("\n".join(scenario_lines()))
        return Exit.OK
    if scenario is not None:
        others = (minutes, election, faults, only, report, json, jobs, duration != DURATION_S)
        if file is not None or any(others):
            raise CommandError(
                "--scenario goes with --seeds, --seed, --first and --trace only", Exit.USAGE
            )
        _check_words(seeds, seed, first, minutes, only, trace)
        check_writable(trace)
        chosen_seeds = islice(_from(first), seeds or SCENARIO_SEEDS) if seed is None else (seed,)
        return play(scenario, chosen_seeds, trace)
    spec = _spec(file)
    election = _election(election, file)
    asked = Asked(
        spec=spec,
        duration=_positive("--duration", duration) * S,
        families=_families(faults, _possible(spec, election)),
        election=election,
    )
    _check_words(seeds, seed, first, minutes, only, trace)
    _check_files(report, trace)
    workers = _positive("--jobs", jobs if jobs is not None else os.cpu_count() or 1)
    campaign = _Campaign(asked, file, json)
    with interrupted_by_every_ending():
        if seed is not None:
            campaign.run_one(seed, only, trace)
        else:
            campaign.run(_from(first), workers, seeds, minutes)
        code = campaign.finish()
        if report is not None:
            campaign.write_report(report)
    return code


class _Campaign:
    """Everything that one command runs, and what it found."""

    def __init__(self, asked: Asked, file: Path | None, json: bool) -> None:
        self._asked = asked
        self._file = file
        self._json = json
        self._summary = Summary()
        self._broken: list[tuple[SeedResult, FaultPlan | None]] = []
        self._worst: tuple[int, FaultPlan] | None = None
        self._interrupted = False
        self._began = time.monotonic()
        self._jobs = 1
        self._findings: list[dict[str, Any]] = []

    def run(
        self,
        numbers: Iterator[int],
        jobs: int,
        seeds: int | None,
        minutes: float | None,
    ) -> None:
        """Run seeds on several cores, with a line of progress; Ctrl-C keeps what is done."""
        needed = MOST_JOBS if minutes is not None else seeds or SEEDS
        self._jobs = min(jobs, needed, MOST_JOBS)
        progress = Progress(sys.stderr, seeds, minutes)
        results = run_seeds(self._asked, _chosen(numbers, seeds, minutes), self._jobs)
        try:
            for result in results:
                self._take(result, _drawn(self._asked, result.seed))
                progress.show(self._summary, len(self._broken))
        except KeyboardInterrupt:
            self._interrupted = True
        finally:
            progress.end()
            if hasattr(results, "close"):
                results.close()

    def run_one(self, seed: int, only: str | None, trace: Path | None) -> None:
        """Run one seed, or some of its faults, in this process."""
        plan = _drawn(self._asked, seed)
        if plan is not None and only is not None:
            plan = _only(plan, only)
        try:
            with contextlib.ExitStack() as stack:
                written = None
                if trace is not None:
                    written = Trace(stack.enter_context(trace.open("wb")).write)
                result = run_one(seed, lambda: plan or self._asked.plan(seed), written)
        except KeyboardInterrupt:
            self._interrupted = True
        else:
            self._take(result, plan)

    def _take(self, result: SeedResult, plan: FaultPlan | None) -> None:
        """Add one seed's result; without a plan: none could be drawn."""
        counts = (result.events, result.steps, result.messages)
        self._summary.add(result.seed, result.numbers, result.faults, result.until, counts,
                          result.converged_in)  # fmt: skip
        if result.broken is not None:
            self._broken.append((result, plan))
        badness = result.numbers.longest_gap + (1 << 62 if result.broken is not None else 0)
        if plan is not None and (self._worst is None or badness > self._worst[0]):
            self._worst = (badness, plan)

    def write_report(self, path: Path) -> None:
        """One self-contained page: the worst seed's timeline, the times of all.

        Raises:
            CommandError: it cannot be written any more.
        """
        if self._worst is None:
            return
        plan = self._worst[1]
        timeline = Timeline()
        outcome = replay(plan, [Panel([*all_watches(plan.spec), timeline])])
        page = html_report(self._summary, timeline, outcome)
        try:
            path.write_text(page, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error

    def finish(self) -> int:
        """Print what was found; the exit code."""
        for result, plan in self._broken[:3]:
            self._explain(result, plan)
        took = time.monotonic() - self._began
        if self._json:
            document = summary_document(self._summary, took, self._asked.families)
            document |= {"violations": self._findings, "violated": len(self._broken)}
            print(msgspec.json.encode(document).decode())
        else:
            for line in lines_of(self._summary, took, self._jobs, self._asked.families):
                print(line)
            left = len(self._broken) - len(self._findings)
            if left > 0:
                names = ", ".join(str(result.seed) for result, _ in self._broken[3:13])
                print(f"{left} more seeds broke a promise: {names}{', ...' if left > 10 else ''}")
            elif self._summary.runs and not self._broken:
                print("every promise was kept")
        sys.stdout.flush()
        if self._interrupted:
            return Exit.INTERRUPTED
        return Exit.FAILED if self._broken else Exit.OK

    def _explain(self, result: SeedResult, plan: FaultPlan | None) -> None:
        broken = result.broken
        assert broken is not None
        if not self._json:
            print(f"seed {result.seed} broke a promise at {broken.at / S:.3f} s: {broken.promise}")
            print("\n".join(f"  {line}" for line in broken.text.splitlines()[-12:]))
        shrunk = None
        if plan is not None:  # one that came to nothing at all may not end when it is tried again
            shrunk = self._shrink(plan, broken) if result.until else Shrunk(plan, 0)
        faults = shrunk.plan.faults if shrunk is not None else ()
        command = self._replay(result.seed, None if shrunk is None else faults)
        self._findings.append(
            {
                "seed": result.seed,
                "promise": broken.promise,
                "text": broken.text,
                "at_s": broken.at / S,
                "faults": [told(fault).strip() for fault in faults],
                "replay": command,
            }
        )
        if not self._json:
            if plan is not None and shrunk is not None:
                total, tried = len(plan.faults), shrunk.trials
                print(f"  {len(faults)} of its {total} faults are enough ({tried} runs tried):")
                print("\n".join(f"  {told(fault)}" for fault in faults))
            print(f"  see it again: {command}")
            print()

    def _replay(self, seed: int, faults: Sequence[Fault] | None) -> str:
        """The command that shows a seed again, with these of its faults; None: with what it has."""
        words = [str(self._file)] if self._file is not None else []
        words += ["--seed", str(seed)]
        if self._asked.duration != DURATION_S * S:
            words += ["--duration", str(self._asked.duration // S)]
        if self._asked.election:
            words += ["--election", self._asked.election]
        if self._asked.families != _possible(self._asked.spec, self._asked.election):
            words += ["--faults", ",".join(self._asked.families)]
        if faults is not None:
            words += ["--only", ",".join(str(fault.number) for fault in faults) or "none"]
        return shlex.join(["interrex", "sim", *words])

    def _shrink(self, plan: FaultPlan, broken: Broken) -> Shrunk:
        """For a while, as each trial is a whole run; and no more once somebody has had enough."""
        end = time.monotonic() + SHRINKING_S
        progress = Progress(sys.stderr, None, None)

        def go_on(trials: int) -> bool:
            progress.say(f"looking for fewer faults that break it: {trials} runs tried")
            return not self._interrupted and time.monotonic() < end

        def interrupted() -> None:
            self._interrupted = True

        try:
            return shrink_seed(plan, broken, go_on, interrupted)
        finally:
            progress.end()


def _drawn(asked: Asked, seed: int) -> FaultPlan | None:
    """What a seed stands for; None where drawing it fails, which its run has found too."""
    try:
        return asked.plan(seed)
    except Exception:  # noqa: BLE001 - as in a run, told by its result
        return None


def _only(plan: FaultPlan, only: str) -> FaultPlan:
    words = [word.strip() for word in only.split(",") if word.strip() not in ("", "none")]
    if not all(word.isdecimal() for word in words):
        raise CommandError(f"--only {only}: say numbers, as 3,17, or none", Exit.USAGE)
    try:
        return only_faults(plan, [int(word) for word in words])
    except KeyError as error:
        total = len(plan.faults)
        has = f"its faults have the numbers 1 to {total}" if total else "it has no faults at all"
        raise CommandError(
            f"--only {only}: seed {plan.seed} has no fault {error}\n{has}", Exit.USAGE
        ) from error


def _from(first: int | None) -> Iterator[int]:
    return count(1 if first is None else first)


def _chosen(numbers: Iterator[int], seeds: int | None, minutes: float | None) -> Iterator[int]:
    end = time.monotonic() + minutes * 60 if minutes is not None else None
    for number in islice(numbers, SEEDS if seeds is None and minutes is None else seeds):
        if end is not None and time.monotonic() >= end:
            return
        yield number


def _election(name: str | None, file: Path | None) -> str:
    if name is None:
        return ""
    if file is not None:
        raise CommandError("--election goes without a file: the file names its own", Exit.USAGE)
    if name not in DRAWN_ELECTIONS:
        raise unknown("election", name, DRAWN_ELECTIONS)
    return name


def _possible(spec: ClusterSpec | None, election: str) -> tuple[str, ...]:
    """The families of faults that can befall such clusters."""
    if spec is not None:
        return families_of(spec)
    usual = usual_spec()
    return families_of(draw_election(usual, election, Chance(0)) if election else usual)


def _families(words: str | None, possible: tuple[str, ...]) -> tuple[str, ...]:
    if words is None:
        return possible
    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise CommandError(f"--faults: name some of {', '.join(possible)}", Exit.USAGE)
    for name in names:
        if name not in possible:
            raise unknown("family of faults", name, possible)
    return tuple(name for name in possible if name in names)


def _spec(file: Path | None) -> ClusterSpec | None:
    if file is None:
        return None
    spec, problems, _ = check_file(file)
    if spec is None or problems:
        raise CommandError("\n".join(str(problem) for problem in problems), Exit.USAGE)
    return spec


def _check_words(
    seeds: int | None,
    seed: int | None,
    first: int | None,
    minutes: float | None,
    only: str | None,
    trace: Path | None,
) -> None:
    if seed is not None and any(word is not None for word in (seeds, first, minutes)):
        raise CommandError(
            "--seed is one seed: leave --seeds, --first and --minutes out", Exit.USAGE
        )
    if seed is None and (only is not None or trace is not None):
        raise CommandError("--only and --trace are for one seed: name it with --seed", Exit.USAGE)
    for option, number in (("--seed", seed), ("--first", first)):
        if number is not None and number < 0:
            raise CommandError(f"{option} {number}: say a number from 0 on", Exit.USAGE)
    if seeds is not None:
        _positive("--seeds", seeds)
    if minutes is not None and not 0 < minutes < 1e6:
        raise CommandError(f"--minutes {minutes:g}: say a number above 0", Exit.USAGE)


def _check_files(report: Path | None, trace: Path | None) -> None:
    if report is not None and report == trace:
        raise CommandError(f"{report}: --report and --trace are two files", Exit.USAGE)
    for path in (report, trace):
        check_writable(path)


def _positive(option: str, number: int) -> int:
    if number < 1:
        raise CommandError(f"{option} {number}: say a number from 1 on", Exit.USAGE)
    return number
