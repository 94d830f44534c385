"""``python -m interrex.simulator.formulas``: prints what is published beside what is simulated.

The exit code is 1 where a published value lies outside the 99 % interval of the simulated one.
"""

import argparse
import sys
from collections.abc import Sequence
from random import Random

from interrex.simulator.formulas.comparison import SETUPS, Comparison, compare

EXPLANATION = """\
n servers, s of them alive when the leader is gone; L and W in thousandths of the time-out T;
times in T, from the crash on. "unsplit only" has its own expectation: fewer late first time-outs.
"""
HEADER = (
    f"{'n':>2} {'s':>2} {'L':>4} {'W':>4}  {'quantity':<21}"
    f"{'published':>10}{'simulated':>11}  99 % interval"
)


def line(one: Comparison) -> str:
    """One row of the table."""
    size, alive, latency, write = one.setup
    value, low, high = one.simulated
    return (
        f"{size:>2} {alive:>2} {latency:>4} {write:>4}  {one.quantity:<21}"
        f"{one.expected:>10.4f}{value:>11.4f}  {max(low, 0):.4f} .. {high:.4f}"
        f"{'' if one.agrees else '  OUTSIDE'}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparisons. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m interrex.simulator.formulas")
    parser.add_argument("--elections", type=int, default=4000, help="of each setup (4000)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (1)")
    options = parser.parse_args(arguments)
    random = Random(options.seed)
    sys.stdout.write(f"{EXPLANATION}\n{HEADER}\n")
    outside = total = 0
    for setup in SETUPS:
        for one in compare(setup, options.elections, random):
            sys.stdout.write(f"{line(one)}\n")
            total += 1
            outside += not one.agrees
        sys.stdout.flush()
    sys.stdout.write(
        f"\n{total - outside} of {total} published values lie inside the interval"
        f" (seed {options.seed}, {options.elections} elections of each setup)\n"
    )
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
