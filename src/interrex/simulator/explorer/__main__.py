"""``python -m interrex.simulator.explorer [--states N] [--plan NAME | --bug NAME]``.

Explores the core within a plan's bounds, or the core with a bug in it. The exit code is 0 where
the promises were kept, or the bug was found; otherwise 1.
"""

import argparse
import sys
from collections.abc import Sequence

from interrex.simulator.explorer.bounds import PLANS
from interrex.simulator.explorer.bugs import BUGS, hunted
from interrex.simulator.explorer.search import Found, Search
from interrex.simulator.explorer.world import World


def show(states: int, visited: int, depth: int) -> None:
    """One line whenever the search has gone one event deeper."""
    sys.stdout.write(f"  {depth:>3} events deep: {states:>10,} states, {visited:>10,} visited\n")
    sys.stdout.flush()


def summary(found: Found, world: World) -> str:
    """What an exploration came to, in lines."""
    all_of_them = "all there are within the bounds" if found.complete else "there are more"
    lines = [
        f"{found.states:,} distinct states ({all_of_them}), {found.transitions:,} steps, "
        f"{found.depth} events deep",
        f"{len(world.steps.locals):,} states of one server, {world.steps.taken:,} steps of the "
        f"core itself, {world.cut:,} steps cut off at the bounds",
    ]
    if found.violation is None:
        lines.append("every promise was kept in every state")
    else:
        lines.append(f"broken: {found.violation}")
        lines += [f"  {number:>2}. {event}" for number, event in enumerate(found.path, 1)]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Explores. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m interrex.simulator.explorer")
    parser.add_argument("--states", type=int, default=2_000_000, help="stop there (2,000,000)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--plan", choices=sorted(PLANS), default="paper", help="bounds (paper)")
    what.add_argument("--bug", choices=sorted(BUGS), help="plant this bug, and find it")
    options = parser.parse_args(arguments)
    if options.bug is None:
        world = World(PLANS[options.plan])
        found = Search(world).run(options.states, show)
    else:
        world, found = hunted(BUGS[options.bug], options.states, show)
    sys.stdout.write(summary(found, world))
    return int((found.violation is None) == (options.bug is not None))


if __name__ == "__main__":
    sys.exit(main())
