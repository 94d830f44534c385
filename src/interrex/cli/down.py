"""``interrex down``."""

import shutil
import sys

from interrex.cli.command_lock import only_command
from interrex.cli.exits import CommandError, Exit
from interrex.cli.names import meant
from interrex.cli.places import ClusterOption, Flag, HostOption, StateOption, find_cluster
from interrex.cli.taking_down import anything_runs, take_down
from interrex.core.ids import HostName
from interrex.runtime.layout import Layout
from interrex.runtime.unsupervised import hosts_here


def down(
    *,
    host: HostOption = None,
    purge: Flag = False,
    yes: Flag = False,
    state: StateOption = None,
    cluster: ClusterOption = None,
) -> int:
    """Stop a fleet in order: balancers drain, services stop, workers end.

    Works without a leader and without any worker. Interrupted, it is finished by running it
    again. What the fleet knows stays on disk for the next `interrex up`.

    Example: interrex down --cluster shop

    Args:
        host: Only this host's part, where several hosts' files lie in one folder.
        purge: Remove the cluster's folder afterwards: its log, its events, its services' output.
        yes: Do not ask before removing it.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    layout = find_cluster(state, cluster)
    chosen = _host(layout, host)
    if purge and not yes:
        _confirm(layout)
    with only_command(layout, "down"):
        stop(layout, chosen)
        if purge:
            _remove(layout)
            print(f"{layout.home} is removed")
    return Exit.OK


def stop(layout: Layout, host: HostName | None = None) -> None:
    """Take the cluster down and say so. The caller holds the command lock.

    Raises:
        CommandError: something could not be stopped, or it was interrupted.
    """
    name = layout.cluster
    if not (layout.stopping.exists() or anything_runs(layout)):
        print(f"{name} is not running")
        return
    try:
        problems = take_down(layout, host, lambda line: print(line, flush=True))
    except KeyboardInterrupt as error:
        raise CommandError(
            f"interrupted: what was asked to stop goes on stopping\n"
            f"finish with: interrex down --cluster {name}",
            Exit.INTERRUPTED,
        ) from error
    if problems:
        again = f"try again with: interrex down --cluster {name}"
        raise CommandError("\n".join([*problems, again]))
    print(f"{name} is down; its state stays in {layout.home}")


def _remove(layout: Layout) -> None:
    """At once for whoever looks: half a folder would look like a cluster that lost something."""
    doomed = layout.root / f".{layout.cluster}.removed"
    if doomed.exists():
        shutil.rmtree(doomed)  # one that was interrupted
    layout.home.rename(doomed)
    shutil.rmtree(doomed)


def _host(layout: Layout, host: str | None) -> HostName | None:
    known = hosts_here(layout)
    if host is None or host in known:
        return None if host is None else HostName(host)
    there = f"there are: {', '.join(known)}" if known else "no host of it was ever started here"
    raise CommandError(
        f"{layout.cluster} has no host {host} here{meant(host, known)}\n{there}", Exit.USAGE
    )


def _confirm(layout: Layout) -> None:
    if not sys.stdin.isatty():
        raise CommandError(
            f"--purge removes {layout.home} for good\nadd --yes to say that you mean it", Exit.USAGE
        )
    answer = input(f"remove {layout.home}, with all its logs, for good? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was changed", Exit.FAILED)
